"""A table: a compacted topic read to its end at start and followed from there.

A service is not ready before its tables are. What cannot be read counts as not there: a dataset
whose card is unreadable is undeclared, and nothing of it passes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from shared.envelope import decode
from shared.events import Event
from shared.failures import MessageInvalid, OursAway
from shared.logs import logger
from shared.messages import Reason
from shared.settings import Settings

E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


class TableView(Protocol[E_co]):
    """What a handler sees of a table."""

    def get(self, key: str) -> E_co | None:
        """The latest event of this key; None if there is none."""

    async def until(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Waits until `ready` holds or the time is over; whether it holds."""


class Table(Generic[E]):
    """The latest event of each key of a compacted topic."""

    def __init__(self, settings: Settings, model: type[E]) -> None:
        self._settings = settings
        self._model = model
        self._topic = settings.topic(model.TOPIC)
        self._rows: dict[str, E] = {}
        self._moved = asyncio.Condition()
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    def get(self, key: str) -> E | None:
        return self._rows.get(key)

    def __len__(self) -> int:
        return len(self._rows)

    async def until(self, ready: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(ready)
        except TimeoutError:
            return False
        return True

    async def start(self) -> None:
        """Reads the topic to its end, then follows it. Raises OursAway."""
        try:
            self._consumer = consumer = make_consumer(self._settings)
            await consumer.start()
            partitions = [
                TopicPartition(self._topic, number)
                for number in consumer.partitions_for_topic(self._topic)
                or await _partitions(consumer, self._topic)
            ]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            while any([await consumer.position(one) < end for one, end in ends.items()]):
                await self._take(consumer, 500)
        except (KafkaError, OSError):
            raise OursAway(Reason(code="broker_away")) from None
        self._task = asyncio.create_task(self._follow(consumer))

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer:
            await self._consumer.stop()

    @property
    def alive(self) -> bool:
        """Whether the table is still being followed."""
        return self._task is not None and not self._task.done()

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                await self._take(consumer, 1000)
            except (KafkaError, OSError):
                logger().warning("waiting", reason="broker_away", table=self._topic)
                await asyncio.sleep(1)

    async def _take(self, consumer: AIOKafkaConsumer, wait_ms: int) -> None:
        batch = await consumer.getmany(timeout_ms=wait_ms)
        if not batch:
            return
        async with self._moved:
            for records in batch.values():
                for record in records:
                    self._apply(record)
            self._moved.notify_all()

    def _apply(self, record: ConsumerRecord[bytes, bytes]) -> None:
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            self._rows.pop(key, None)
            return
        try:
            self._rows[key] = decode(self._model, record)[0]
        except MessageInvalid as failure:
            self._rows.pop(key, None)
            logger().error(
                "unreadable",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                reasons=[reason.code for reason in failure.reasons],
            )


def make_consumer(settings: Settings) -> AIOKafkaConsumer:
    """A consumer without a group: reads what it is told to, commits nothing."""
    secured = settings.kafka_security != "PLAINTEXT"
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.split(","),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        security_protocol=settings.kafka_security,
        sasl_mechanism="SCRAM-SHA-512" if secured else "PLAIN",
        sasl_plain_username=settings.kafka_user or None,
        sasl_plain_password=settings.kafka_password.get_secret_value() or None,
        ssl_context=create_ssl_context() if secured else None,
    )


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """Partitions of a topic that the client has not heard of yet. Raises OursAway if none."""
    await consumer._client.fetch_all_metadata()
    found = consumer.partitions_for_topic(topic)
    if not found:
        raise OursAway(Reason(code="topic_missing"))
    return set(found)

"""A table: a compacted topic read to its end at start and followed from there.

A service is not ready before its tables are. What cannot be read counts as not there: a dataset
whose card is unreadable is undeclared, and nothing of it passes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Generic, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from shared.envelope import decode
from shared.events import Event
from shared.failures import MessageInvalid
from shared.kafka_client import reader, to_end
from shared.logs import logger
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
        self._opened = AsyncExitStack()
        self._task: asyncio.Task[None] | None = None

    def get(self, key: str) -> E | None:
        return self._rows.get(key)

    def values(self) -> list[E]:
        """The latest event of every key."""
        return list(self._rows.values())

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
        async with AsyncExitStack() as opened:
            consumer = await opened.enter_async_context(reader(self._settings, self._topic))
            async for record in to_end(consumer):
                self._apply(record)
            self._opened = opened.pop_all()
        self._task = asyncio.create_task(self._follow(consumer))

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._opened.aclose()

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

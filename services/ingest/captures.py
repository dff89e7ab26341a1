"""Change data capture: what Debezium writes is taken as "this dataset changed", nothing else of it.

Its topics hold rows, before- and after-images: they are raw zone, read here and nowhere else. What
goes on is which dataset, and how far its topic was read; publish's clock waits until a burst ends.
Several copies of ingest share the topics as one consumer group. What is no envelope is put aside with
its place: a dead letter on `dataset.captured.dead`, and what comes behind it goes on.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from shared import metrics
from shared.capture import CAPTURED
from shared.events import CatalogDataset, DatasetCaptured, DeadLetter
from shared.failures import OursAway
from shared.kafka_client import connection
from shared.logs import logger
from shared.messages import Reason
from shared.settings import Settings

# Debezium: create, update, delete, read (snapshot), truncate. A logical message (`m`) is no row.
OPERATIONS = frozenset("cudrt")
AT_ONCE = 500
NEW_TOPICS_MS = 10_000  # how soon a topic that was made meanwhile is seen

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"


def is_change(value: bytes | None) -> bool | None:
    """Whether a message's value says that a row changed; None if it is no envelope of Debezium.

    JSON, with the schema part of Kafka Connect or without. A tombstone follows the deletion that
    it belongs to, and says nothing more.
    """
    if value is None:
        return False
    try:
        body = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if isinstance(body, dict) and "payload" in body and "schema" in body:
        body = body["payload"]
        if body is None:
            return False
    operation = body.get("op") if isinstance(body, dict) else None
    if not isinstance(operation, str):
        return None
    return operation in OPERATIONS


def listeners(cards: Iterable[CatalogDataset], topic: str) -> list[str]:
    """The datasets whose card names the topic (without what stands before it)."""
    found = []
    for entry in cards:
        capture = entry.body.get("capture")
        if isinstance(capture, dict) and topic in capture.get("topics", ()):
            found.append(entry.dataset)
    return sorted(found)


def captured(
    records: list[Record], cards: Iterable[CatalogDataset], prefix: str
) -> tuple[list[DatasetCaptured], list[Record]]:
    """What a partition's messages say: one event a dataset, and those that could not be read."""
    name = records[0].topic.removeprefix(prefix)
    datasets = listeners(cards, name)
    if not datasets:
        return [], []
    said = [is_change(record.value) for record in records]
    changed = [record for record, change in zip(records, said, strict=True) if change]
    unread = [record for record, change in zip(records, said, strict=True) if change is None]
    if not changed:
        return [], unread
    last = changed[-1]
    at = datetime.fromtimestamp(last.timestamp / 1000, UTC)
    events = [
        DatasetCaptured(
            dataset=one, topic=name, partition=last.partition, offset=last.offset, at=at
        )
        for one in datasets
    ]
    return events, unread


def dead_letter(unread: list[Record], group: str) -> DeadLetter:
    """One letter for what a partition's batch holds and nobody can read: the place of the first, and
    how many. A topic in another form than JSON would else fill the dead letters with itself."""
    first = unread[0]
    reason = Reason(
        code="message_undecodable", count=len(unread), detail="no envelope of Debezium in JSON"
    )
    return DeadLetter(
        topic=first.topic,
        partition=first.partition,
        offset=first.offset,
        group=group,
        reasons=(reason,),
        at=datetime.now(UTC),
    )


class Captures:
    """Follows every captured topic and says which datasets changed."""

    def __init__(
        self,
        settings: Settings,
        cards: Callable[[], Iterable[CatalogDataset]],
        send: Callable[[DatasetCaptured], Awaitable[None]],
        put_aside: Callable[[DeadLetter], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._cards = cards
        self._send = send
        self._put_aside = put_aside
        self._group = settings.group("ingest.captured")
        self._prefix = settings.topic(CAPTURED)

    async def watch(self) -> None:
        """Reads for ever. Committed is what was said: one that dies says it again."""
        while True:
            try:
                async with self._consumer() as consumer:
                    while True:
                        await self._take(consumer)
            except (KafkaError, OSError, OursAway):
                logger().warning("waiting", reason="broker_away")
                await asyncio.sleep(self._settings.retry_seconds)

    async def _take(self, consumer: AIOKafkaConsumer) -> None:
        batches = await consumer.getmany(timeout_ms=1000, max_records=AT_ONCE)
        for records in batches.values():
            # Rows can be large: not in the way of what else this process does.
            events, unread = await asyncio.to_thread(
                captured, records, list(self._cards()), self._prefix
            )
            for event in events:
                await self._send(event)
                metrics.events_received.labels(way="capture", outcome="accepted").inc()
            if unread:
                letter = dead_letter(unread, self._group)
                await self._put_aside(letter)
                logger().error(
                    "dead",
                    topic=letter.topic,
                    partition=letter.partition,
                    offset=letter.offset,
                    reasons=[reason.code for reason in letter.reasons],
                    count=len(unread),
                )
                metrics.events_received.labels(way="capture", outcome="rejected").inc(len(unread))
        if batches:
            await consumer.commit()

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        timeout = int(self._settings.session_timeout_seconds * 1000)
        consumer = AIOKafkaConsumer(
            group_id=self._group,
            group_instance_id=self._settings.member,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=timeout,
            heartbeat_interval_ms=max(100, timeout // 10),
            metadata_max_age_ms=NEW_TOPICS_MS,
            **connection(self._settings),
        )
        consumer.subscribe(pattern=f"^{re.escape(self._prefix)}.+")
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()

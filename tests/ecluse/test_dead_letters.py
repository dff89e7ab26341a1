"""`replay --dead`: each message once, none that the letters do not name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import TopicPartition

from ecluse import dead_letters as module
from ecluse.dead_letters import replay_dead
from shared.envelope import encode, headers
from shared.events import DeadLetter
from shared.messages import Reason
from shared.settings import Settings

AT = datetime(2026, 3, 1, tzinfo=UTC)
TOPIC = "lyon.dataset.ingested"


@dataclass
class Record:
    topic: str
    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    key: bytes | None = b"bancs"
    partition: int = 0
    timestamp: int = 0


class Log:
    """A topic of one partition, some of it already forgotten, as a consumer and as a producer."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}
        self.sent: list[tuple[str, bytes | None]] = []

    def add(self, topic: str, value: bytes, named: dict[str, str] | None = None) -> Record:
        there = self.records.setdefault(topic, [])
        told = [(name, text.encode()) for name, text in (named or {}).items()]
        there.append(Record(topic, len(there), value, told))
        return there[-1]

    def letter(self, topic: str, offset: int, partition: int = 0) -> None:
        letter = DeadLetter(
            topic=topic,
            partition=partition,
            offset=offset,
            group="lyon.ecluse-anonymize",
            reasons=(Reason(code="internal_error"),),
            at=AT,
        )
        told = headers(letter, "urn:ecluse:anonymize", AT)
        self.add(f"{TOPIC}.dead", encode(letter), told)

    async def send_and_wait(
        self, topic: str, value: bytes | None, *, key: bytes | None, headers: list[Any]
    ) -> None:
        self.sent.append((topic, value))
        self.records[topic].append(
            Record(topic, len(self.records[topic]), value, tuple(headers), key)
        )


@dataclass
class Consumer:
    log: Log
    topic: str
    at: int = 0
    asked: list[int] = field(default_factory=list)

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(self.topic, 0)}

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert place in self.assignment()
        assert offset >= 0
        self.at = offset

    async def getmany(
        self, place: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        kept = [one for one in self.log.records[self.topic] if one.value is not None]
        found = [one for one in kept if one.offset >= self.at][:max_records]
        return {place: found} if found else {}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    made = Log()
    made.records = {TOPIC: [], f"{TOPIC}.dead": []}

    @asynccontextmanager
    async def reader(_: Settings, topic: str) -> AsyncIterator[Consumer]:
        yield Consumer(made, topic)

    @asynccontextmanager
    async def writer(_: Settings) -> AsyncIterator[Log]:
        yield made

    async def to_end(consumer: Consumer) -> AsyncIterator[Record]:
        for one in list(made.records[consumer.topic]):
            yield one

    for name, stand_in in (("reader", reader), ("writer", writer), ("to_end", to_end)):
        monkeypatch.setattr(module, name, stand_in)
    return made


async def replay(topic: str = "dataset.ingested") -> dict[str, int]:
    return await replay_dead(Settings(prefix="lyon."), topic)


async def test_the_original_goes_again(log: Log) -> None:
    """Value, key and headers as they were: its id is the same, so is its effect."""
    log.add(TOPIC, b"a", {"ce_id": "1"})
    original = log.add(TOPIC, b"b", {"ce_id": "2"})
    log.letter(TOPIC, 1)
    assert await replay() == {"sent": 1, "gone": 0, "foreign": 0}
    again = log.records[TOPIC][-1]
    assert (again.value, again.key, list(again.headers)) == (b"b", b"bancs", [("ce_id", b"2")])
    assert again.offset != original.offset


async def test_a_topic_named_with_its_suffix(log: Log) -> None:
    """`dataset.ingested.dead` names the same letters."""
    log.add(TOPIC, b"a")
    log.letter(TOPIC, 0)
    assert await replay("dataset.ingested.dead") == {"sent": 1, "gone": 0, "foreign": 0}


async def test_two_letters_of_one_message(log: Log) -> None:
    """Two groups that both failed on it ask for one replay."""
    log.add(TOPIC, b"a")
    log.letter(TOPIC, 0)
    log.letter(TOPIC, 0)
    assert await replay() == {"sent": 1, "gone": 0, "foreign": 0}


async def test_a_message_that_dies_again_and_again(log: Log) -> None:
    """Its copies are one message: each replay sends it once, not once for each death."""
    log.add(TOPIC, b"a", {"ce_id": "1"})
    log.letter(TOPIC, 0)
    for death in range(1, 5):
        assert await replay() == {"sent": 1, "gone": 0, "foreign": 0}
        log.letter(TOPIC, death)
    assert len(log.sent) == 4


async def test_what_the_topic_keeps_no_more(log: Log) -> None:
    """It is counted as gone; what lies behind it is not sent in its place."""
    log.add(TOPIC, b"a").value = None
    log.add(TOPIC, b"b")
    log.letter(TOPIC, 0)
    log.letter(TOPIC, 99)
    log.letter(TOPIC, 0, partition=7)
    assert await replay() == {"sent": 0, "gone": 3, "foreign": 0}
    assert log.sent == []


async def test_what_is_no_letter_of_this_topic(log: Log) -> None:
    """A letter that names another topic, or is none, moves nothing; the first is counted."""
    log.add(TOPIC, b"a")
    log.letter("voirie.public.bancs", 0)
    log.letter(TOPIC, -1)
    log.add(f"{TOPIC}.dead", b"not a letter")
    assert await replay() == {"sent": 0, "gone": 0, "foreign": 1}
    assert log.sent == []

"""Change data capture on a real Kafka and PostgreSQL: rows that change become one fetch."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import NewTopic

from deploy.local.postgres import PostgresServer
from services.publish import captures, clock
from services.publish.tables import BOXES
from shared.capture import CAPTURED
from shared.card import Card
from shared.database import Database, open_engine
from shared.envelope import decode
from shared.event_parts import utc
from shared.events import DatasetCaptured, DatasetChanged, DeadLetter
from shared.kafka_client import administrator, writer
from shared.topics import captured_topics, create_topics, kept_too_long, raw_zone
from tests.cards import card
from tests.connected.town import Town, eventually, topics_of
from tests.debezium import NAME, envelope, key

TABLE = """
create schema gestion;
create table gestion.bancs (id text primary key, places int);
insert into gestion.bancs values ('B1', 3), ('B2', 4);
"""
ACCOUNTS = "databases:\n  - {{name: gestion, url: {url}}}\n"
ROW = {"id": "canari-7431", "places": 3, "agent": "canari-7432"}


def captured_card(**waits: str) -> Card:
    return card(
        source={
            "type": "sql",
            "database": "gestion",
            "query": "select id, places from gestion.bancs order by id",
        },
        capture={"topics": [NAME], **waits},
    )


async def write(town: Town, *values: bytes | None, schema: bool = False) -> None:
    """Puts messages on the captured topic, as Debezium does."""
    async with writer(town.settings) as producer:
        for value in values:
            topic = town.settings.topic(f"{CAPTURED}{NAME}")
            await producer.send_and_wait(topic, value, key=key("canari-7431", schema=schema))


async def changes(town: Town) -> list[DatasetChanged]:
    return [decode(DatasetChanged, one)[0] for one in await town.records(DatasetChanged.TOPIC)]


async def test_rows_that_change_are_published(
    town: Town, postgres: PostgresServer, tmp_path: Path
) -> None:
    """Debezium's messages make ingest run the card's query; nothing of them goes any further."""
    postgres.run_sql(town.database, TABLE)
    accounts = tmp_path / "accounts.yaml"
    url = postgres.url(town.database)
    accounts.write_text(ACCOUNTS.format(url=json.dumps(url)), encoding="utf-8")
    town.settings = town.settings.model_copy(update={"accounts_file": accounts})
    await create_topics(town.settings, [NAME])
    await town.start()
    await town.declare(captured_card(quiet="1s", longest="3s"))

    async def public_is(text: str) -> None:
        async def there() -> bool:
            return await town.csv() == text

        await eventually(there, "what changed is not public")

    await public_is("id,places\r\nB1,3\r\nB2,4\r\n")
    await town.quiet()
    before = len(await changes(town))
    postgres.run_sql(town.database, "update gestion.bancs set places = 5 where id = 'B2'")
    await write(
        town, envelope("u", ROW, ROW), b"canari: no envelope", envelope("d", ROW, None), None
    )
    await public_is("id,places\r\nB1,3\r\nB2,5\r\n")
    postgres.run_sql(town.database, "insert into gestion.bancs values ('B3', 1)")
    await write(town, envelope("c", None, ROW, schema=True), schema=True)
    await public_is("id,places\r\nB1,3\r\nB2,5\r\nB3,1\r\n")
    await town.quiet()
    [record] = await town.records(f"{DatasetCaptured.TOPIC}{DeadLetter.TOPIC}")
    letter, _ = decode(DeadLetter, record)
    assert letter.topic == town.settings.topic(f"{CAPTURED}{NAME}")
    assert [reason.code for reason in letter.reasons] == ["message_undecodable"]
    made = (await changes(town))[before:]
    assert made
    assert all(one.due and one.address is None for one in made)
    for record in await town.records(*topics_of(town)):
        told = b"".join([record.key or b"", record.value or b"", *(v for _, v in record.headers)])
        assert b"canari" not in told, record.topic
    for table in ("captures", "capture_marks", "ledger", "changes", "audit"):
        assert "canari" not in str(town.rows(f"select * from publish.{table}"))


@pytest.fixture
async def publish(town: Town) -> Any:
    """publish's database alone, with one card that listens; its clock is turned by hand."""
    settings = town.settings
    await town.start("publish")
    await town.declare(captured_card(quiet="30s", longest="5m"), settle=False)
    await town.stop("publish")
    made = Database(open_engine(settings), BOXES, settings, "publish")
    yield made
    await made.engine.dispose()


def said(offset: int, at: str = "2026-03-01T06:00:00Z") -> DatasetCaptured:
    return DatasetCaptured.model_validate(
        {"dataset": "bancs", "topic": NAME, "partition": 0, "offset": offset, "at": at}
    )


SENT = "select convert_from(value, 'utf8')::json->>'due' from publish.outbox where topic like '%changed'"
QUIET = "update publish.captures set first_at = first_at - interval '31 seconds', last_at = last_at - interval '31 seconds'"  # noqa: E501


async def test_a_burst_is_one_fetch(
    town: Town, publish: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debounced by the clock; none lost or doubled by deaths, repeats, and several clocks."""
    run = town.postgres.run_sql
    assert town.rows("select dataset from publish.captures") == [("bancs",)]  # it began to listen
    run(town.database, QUIET)
    assert await clock.tick(publish) == 1
    assert len(town.rows(SENT)) == 1
    assert town.rows("select * from publish.captures") == []
    # A burst: not before it is quiet.
    for offset in (10, 11, 12):
        await captures.on_captured(said(offset), publish)
    [(first, last)] = town.rows("select first_at, last_at from publish.captures")
    assert first < last
    assert await clock.tick(publish) == 0
    # A clock that dies after it has written the event: neither event nor mark is there.
    run(town.database, QUIET)

    def dies(_: str) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(clock, "crash_point", dies)
        with pytest.raises(RuntimeError):
            await clock.tick(publish)
    assert len(town.rows(SENT)) == 1
    sent = await asyncio.gather(*(clock.tick(publish) for _ in range(4)))
    assert sum(sent) == 1
    assert len(town.rows(SENT)) == 2
    # What ingest says again after a death is no new change; what came after it is one.
    for offset in (10, 11, 12):
        await captures.on_captured(said(offset), publish)
    assert town.rows("select * from publish.captures") == []
    await captures.on_captured(said(13), publish)
    # However much changes, the longest wait ends.
    run(town.database, "update publish.captures set first_at = now() - interval '5 minutes'")
    assert await clock.tick(publish) == 1
    # A topic that was made anew begins at 0 again.
    await captures.on_captured(said(0, "2026-03-02T06:00:00Z"), publish)
    run(town.database, QUIET)
    # Paused it waits, and is not forgotten.
    run(town.database, "update publish.cards set paused = true")
    assert await clock.tick(publish) == 0
    run(town.database, "update publish.cards set paused = false")
    assert await clock.tick(publish) == 1
    assert len(set(town.rows(SENT))) == 4
    # A card that listens no more: what was under way passes by.
    await captures.on_captured(said(1, "2026-03-02T06:00:00Z"), publish)
    run(town.database, "update publish.cards set body = body - 'capture'")
    assert await clock.tick(publish) == 0
    assert town.rows("select * from publish.captures") == []
    assert utc(said(1).at) == said(1).at


async def test_captured_topics_are_raw_zone(town: Town) -> None:
    """Made with the raw zone's retention; one that keeps rows for longer is named."""
    settings = town.settings
    assert (await create_topics(settings, [NAME]))[0] == [settings.topic(f"{CAPTURED}{NAME}")]
    bad = {"sig.long": {"retention.ms": "9999999999"}, "sig.ever": {"retention.ms": "-1"},
           "sig.compact": {"cleanup.policy": "compact"}}  # fmt: skip
    async with administrator(settings) as admin:
        await admin.create_topics(
            [
                NewTopic(name, 1, 1, topic_configs=raw_zone(settings) | bad[short])
                for short, name in zip(bad, captured_topics(settings, bad), strict=True)
            ]
        )
    wrong = sorted(captured_topics(settings, bad))

    async def named() -> bool:
        return await kept_too_long(settings) == wrong

    await eventually(named, "a captured topic that keeps rows for too long is not named")

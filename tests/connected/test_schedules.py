"""The clock's schedules on a real PostgreSQL: no due time lost, none doubled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from services.publish import clock, schedules
from services.publish.tables import cards
from shared.database import Database
from tests.cards import card


@pytest.fixture
async def publish(publish: Database) -> Database:
    """publish's database with one card, fetched every five minutes."""
    body = card(schedule={"every": "5m"}).body()
    async with publish.transaction() as connection:
        await connection.execute(
            cards.insert().values(
                dataset="bancs", domain="espaces-verts", revision=1, digest="0" * 64,
                shaping="0" * 64, body=body, declared_by="test",
            )
        )  # fmt: skip
    return publish


async def ask(publish: Database, question: str) -> list[Any]:
    async with publish.transaction() as connection:
        return [tuple(row) for row in (await connection.execute(text(question))).all()]


async def change(publish: Database, statement: str) -> None:
    async with publish.transaction() as connection:
        await connection.execute(text(statement))


PAST = """update publish.ticks set due = due - interval '5 minutes' where sent_at is null"""
SENT = "select key from publish.outbox where topic = 'dataset.changed'"


async def test_one_row_before_it_is_due(publish: Database) -> None:
    """However often the clock looks, the next due time stands there once; nothing is sent yet."""
    for _ in range(3):
        await clock.tick(publish)
    rows = await ask(publish, "select kind, subject, due > now(), sent_at from publish.ticks")
    assert rows == [("schedule", "bancs", True, None)]
    assert await ask(publish, SENT) == []


async def test_two_clocks_send_it_once(publish: Database) -> None:
    """What is due is sent by one of them, and the next due time is planned."""
    await clock.tick(publish)
    await change(publish, PAST)
    await asyncio.gather(*(clock.tick(publish) for _ in range(4)))
    assert await ask(publish, SENT) == [("bancs",)]
    rows = await ask(publish, "select sent_at is null from publish.ticks order by due")
    assert rows == [(False,), (True,)]


async def test_a_clock_that_dies(publish: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Died between the event and its mark, neither is there; the next clock sends it once."""
    await clock.tick(publish)
    await change(publish, PAST)

    async def dies(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(clock, "_sent", dies)
        with pytest.raises(RuntimeError):
            await clock.tick(publish)
    assert await ask(publish, SENT) == []
    await clock.tick(publish)
    await clock.tick(publish)
    assert await ask(publish, SENT) == [("bancs",)]


@pytest.mark.parametrize(
    "statement",
    [
        "update publish.cards set paused = true",
        "delete from publish.cards",
        "update publish.cards set body = body - 'schedule'",
        """update publish.cards set body = jsonb_set(body, '{schedule,every}', '"1d"')""",
    ],
)
async def test_a_card_that_changed_meanwhile(publish: Database, statement: str) -> None:
    """Paused, gone, without a schedule or with another: the old due time passes by."""
    await clock.tick(publish)
    await change(publish, PAST.replace("5 minutes", "10 minutes"))
    # Five minutes that are no day's beginning.
    five_past = "date_trunc('day', due) + interval '5 minutes' - interval '1 day'"
    await change(publish, f"update publish.ticks set due = {five_past}")
    await change(publish, statement)
    await clock.tick(publish)
    assert await ask(publish, SENT) == []
    assert schedules.KIND == "schedule"


async def test_a_card_of_older_rules(publish: Database) -> None:
    """A stored schedule that is none any more holds up no other dataset, planned or due."""
    await clock.tick(publish)
    await change(
        publish,
        """insert into publish.cards (dataset, domain, revision, digest, shaping, body, declared_by)
           select 'arbres', domain, revision, digest, shaping,
                  jsonb_set(body, '{schedule}', '{"cron": "0 0 6 * * *"}'), declared_by
           from publish.cards""",
    )
    await change(
        publish,
        """insert into publish.ticks (kind, subject, due)
           select kind, 'arbres', due from publish.ticks""",
    )
    await change(publish, PAST)
    await clock.tick(publish)
    assert await ask(publish, SENT) == [("bancs",)]

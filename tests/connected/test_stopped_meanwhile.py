"""A person acts while a change is on its way to be stopped for want of that act: it runs again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from services.publish import tables as t
from services.publish.fold import on_ledger
from services.publish.records import lock_dataset
from shared.database import Database
from shared.events import LedgerRow
from tests.cards import card
from tests.connected.town import eventually

CHANGE, EARLIER = "c" + "1" * 31, "c" + "2" * 31
RERUNS = "select count(*) from publish.outbox where topic like '%dataset.changed'"


async def ask(publish: Database, question: str) -> list[Any]:
    async with publish.transaction() as connection:
        return [tuple(row) for row in (await connection.execute(text(question))).all()]


def in_force(revision: int, *, paused: bool = False) -> Any:
    return t.cards.insert().values(
        dataset="bancs", domain="espaces-verts", revision=revision, digest="0" * 64,
        shaping="0" * 64, body=card().body(), declared_by="test", paused=paused,
    )  # fmt: skip


def stopped(
    state: str, revision: int | None, *, change: str = CHANGE, number: int = 2
) -> LedgerRow:
    stage = "ingest" if state == "parked" else "anonymize"
    return LedgerRow.model_validate(
        {
            "dataset": "bancs", "change": change, "run": change, "kind": "update",
            "sequence": {"generation": 1, "number": number}, "stage": stage, "state": state,
            "revision": revision, "reasons": [{"code": "policy_unsigned"}],
            "at": datetime.now(UTC), "origin": f"t/0/{number}",
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "ran_under", "now", "paused", "again"),
    [
        ("quarantined", 1, 2, False, 1),
        ("quarantined", 2, 2, False, 0),
        ("quarantined", None, 2, False, 0),
        ("quarantined", 1, 2, True, 0),
        ("parked", None, 1, False, 1),
        ("parked", None, 2, True, 0),
        ("parked", None, None, False, 0),
    ],
)
async def test_what_is_stopped_under_an_older_card(
    publish: Database, state: str, ran_under: int | None, now: int | None, paused: bool, again: int
) -> None:
    """It runs again under the card in force, once, unless that is paused or was the one it ran under."""
    if now is not None:
        async with publish.transaction() as connection:
            await connection.execute(in_force(now, paused=paused))
    for _ in range(2):
        await on_ledger([stopped(state, ran_under)], publish)
    assert await ask(publish, RERUNS) == [(again,)]


async def test_what_a_later_change_has_overtaken_stays(publish: Database) -> None:
    """Only the dataset's latest change runs again."""
    async with publish.transaction() as connection:
        await connection.execute(in_force(2))
    await on_ledger([stopped("quarantined", 2)], publish)
    await on_ledger([stopped("quarantined", 1, change=EARLIER, number=1)], publish)
    assert await ask(publish, RERUNS) == [(0,)]


async def test_an_act_and_a_stop_at_once(publish: Database) -> None:
    """While somebody declares the dataset, what is stopped for want of it waits for how that ends."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    async with publish.transaction() as connection:
        await lock_dataset(connection, "bancs")
        await connection.execute(in_force(1))
        folded = asyncio.create_task(on_ledger([stopped("parked", None)], publish))

        async def waits() -> bool:
            assert not folded.done()
            return await ask(publish, waiting) != [(0,)]

        await eventually(waits, "it does not wait")
    await folded
    assert await ask(publish, RERUNS) == [(1,)]

"""Folds the ledger into tables: what stands where, and what has to be tried again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.records import HELD, end_overtaken
from shared.database import Database
from shared.events import LedgerRow
from shared.ledger import standing

# A source that is away is asked again after 10 s, 40 s … up to 6 h, about two days in all.
FIRST_WAIT, LONGEST_WAIT, MOST_WAITS = 10.0, 6 * 3600.0, 14


async def on_ledger(rows: Sequence[LedgerRow], database: Database) -> None:
    """Writes rows down, once each, and brings their changes up to date."""
    async with database.transaction("fold") as connection:
        fresh = await _insert(connection, rows)
        # In one order, so that two folds at once do not lock each other out.
        for change in sorted({row.change for row in fresh if row.change}):
            await _bring_up_to_date(database, connection, change)


async def _insert(connection: AsyncConnection, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    known = {row.id: row for row in rows}
    done = await connection.execute(
        insert(t.ledger)
        .values(
            [
                {
                    "event": event,
                    "change": row.change,
                    "dataset": row.dataset,
                    "body": row.model_dump(mode="json", exclude_none=True),
                    "at": row.at,
                }
                for event, row in known.items()
            ]
        )
        .on_conflict_do_nothing()
        .returning(t.ledger.c.event)
    )
    return [known[event] for (event,) in done.all()]


async def _bring_up_to_date(database: Database, connection: AsyncConnection, change: str) -> None:
    bodies = await connection.scalars(select(t.ledger.c.body).where(t.ledger.c.change == change))
    rows = [LedgerRow.model_validate(body) for body in bodies]
    stands = standing(rows)
    if stands is None:
        return
    told = [row for row in rows if row.sequence]
    place = min((row.sequence for row in told if row.sequence), default=None)
    facts: dict[str, Any] = {
        "dataset": next((row.dataset for row in rows if row.dataset), None),
        "kind": next((row.kind for row in rows if row.kind), None),
        "generation": place.generation if place else None,
        "number": place.number if place else None,
        "release": stands.release,
        "stage": stands.stage,
        "state": stands.state,
        "reasons": [reason.model_dump(exclude_none=True) for reason in stands.reasons],
        "at": max(row.at for row in rows),
    }
    first = min(row.at for row in rows)
    statement = insert(t.changes).values(change=change, first_at=first, end=stands.end, **facts)
    # An end written by publish stays: the fold may lag behind it.
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["change"],
            set_={
                **facts,
                "end": func.coalesce(t.changes.c.end, statement.excluded.end),
                "first_at": func.least(t.changes.c.first_at, first),
            },
        )
    )
    row = (await connection.execute(select(t.changes).where(t.changes.c.change == change))).one()
    if row.end is None and row.state in HELD and row.number is not None:
        public = await connection.execute(
            select(t.datasets.c.generation, t.datasets.c.number).where(
                t.datasets.c.dataset == row.dataset, t.datasets.c.number.is_not(None)
            )
        )
        for generation, number in public.all():
            await end_overtaken(database, connection, row.dataset, generation, number)
    if row.end is None and stands.state == "waiting" and stands.stage == "ingest":
        await _try_later(connection, row, max(one.at for one in rows if one.state == "waiting"))


async def _try_later(connection: AsyncConnection, row: Row[Any], since: Any) -> None:
    if row.waits >= MOST_WAITS:
        await connection.execute(
            update(t.changes)
            .where(t.changes.c.change == row.change)
            .values(state="quarantined", reasons=[{"code": "source_given_up"}])
        )
        return
    wait = min(FIRST_WAIT * 2**row.waits, LONGEST_WAIT)
    await connection.execute(
        insert(t.ticks)
        .values(
            kind="source",
            subject=row.change,
            due=func.cast(since, t.ticks.c.due.type) + text(f"interval '{wait} seconds'"),
        )
        .on_conflict_do_nothing()
    )
    await connection.execute(
        update(t.changes).where(t.changes.c.change == row.change).values(waits=row.waits + 1)
    )

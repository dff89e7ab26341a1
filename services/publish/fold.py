"""Folds the ledger into tables: what stands where, and what has to be tried again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.records import HELD, end_overtaken, latest_change, lock_dataset, rerun
from shared.database import Database
from shared.events import LedgerRow
from shared.ledger import standing

# A source that is away is asked again after 10 s, 40 s … up to 6 h, about two days in all.
FIRST_WAIT, LONGEST_WAIT, MOST_WAITS = 10.0, 6 * 3600.0, 14

# Where a person has to do something before the change runs again.
STOPPED = ("parked", "quarantined")


async def on_ledger(rows: Sequence[LedgerRow], database: Database) -> None:
    """Writes rows down, once each, and brings their changes up to date."""
    async with database.transaction("fold") as connection:
        # Before anything else is locked. Whoever changes a card has this lock too, and sees what is
        # held when it is done; if it was first, `_run_under_newer_card` sees the card.
        for dataset in sorted(
            {row.dataset for row in rows if row.dataset and row.state in STOPPED}
        ):
            await lock_dataset(connection, dataset)
        fresh = await _insert(connection, rows)
        # In one order, so that two folds at once do not lock each other out.
        changes = sorted({row.change for row in fresh if row.change})
        if changes:
            await _bring_up_to_date(database, connection, changes)


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


async def _bring_up_to_date(
    database: Database, connection: AsyncConnection, changes: Sequence[str]
) -> None:
    told: dict[str, list[LedgerRow]] = {change: [] for change in changes}
    bodies = await connection.execute(
        select(t.ledger.c.change, t.ledger.c.body).where(t.ledger.c.change.in_(changes))
    )
    for change, body in bodies.all():
        told[change].append(LedgerRow.model_validate(body))
    statement = insert(t.changes).values([_facts(change, rows) for change, rows in told.items()])
    new = statement.excluded
    # An end written by publish stays: the fold may lag behind it.
    kept = {
        "end": func.coalesce(t.changes.c.end, new.end),
        "first_at": func.least(t.changes.c.first_at, new.first_at),
    }
    found = await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["change"], set_={name: new[name] for name in _FOLDED} | kept
        ).returning(t.changes)
    )
    for row in found.all():
        if row.end is None and row.state in HELD:
            await _hold(database, connection, row, told[row.change])


_FOLDED = ("dataset", "kind", "generation", "number", "release", "stage", "state", "reasons", "at")


def _facts(change: str, rows: Sequence[LedgerRow]) -> dict[str, Any]:
    """What a change's rows say of it, in the columns of its row."""
    stands = standing(rows)
    if stands is None:
        raise ValueError("a change without rows")
    place = min((row.sequence for row in rows if row.sequence), default=None)
    return {
        "change": change,
        "dataset": next((row.dataset for row in rows if row.dataset), None),
        "kind": next((row.kind for row in rows if row.kind), None),
        "generation": place.generation if place else None,
        "number": place.number if place else None,
        "release": stands.release,
        "stage": stands.stage,
        "state": stands.state,
        "end": stands.end,
        "reasons": [reason.model_dump(exclude_none=True) for reason in stands.reasons],
        "first_at": min(row.at for row in rows),
        "at": max(row.at for row in rows),
    }


async def _hold(
    database: Database, connection: AsyncConnection, row: Row[Any], told: Sequence[LedgerRow]
) -> None:
    """A change that waits for a person or a source: overtaken already, or tried again later."""
    if row.number is not None:
        public = await connection.execute(
            select(t.datasets.c.generation, t.datasets.c.number).where(
                t.datasets.c.dataset == row.dataset, t.datasets.c.number.is_not(None)
            )
        )
        for generation, number in public.all():
            await end_overtaken(database, connection, row.dataset, generation, number)
    if row.state in STOPPED:
        await _run_under_newer_card(database, connection, row, told)
    if row.state == "waiting" and row.stage == "ingest":
        await _try_later(connection, row, max(one.at for one in told if one.state == "waiting"))


async def _run_under_newer_card(
    database: Database, connection: AsyncConnection, row: Row[Any], told: Sequence[LedgerRow]
) -> None:
    """Runs a stopped change again if a person has done meanwhile what it would wait for.

    It was taken up under the card before; whoever changed that did not see it stopped yet.
    """
    c = t.cards.c
    in_force = (
        # Pause and resume lock the card alone.
        await connection.execute(
            select(t.cards).where(c.dataset == row.dataset).with_for_update(read=True)
        )
    ).one_or_none()
    if in_force is None or in_force.paused:
        return
    here = [one.revision for one in told if (one.stage, one.state) == (row.stage, row.state)]
    ran_under = max((revision for revision in here if revision is not None), default=None)
    older = ran_under is not None and ran_under < in_force.revision
    # Parked is what is undeclared or paused, and this is neither any more.
    if not older and row.state != "parked":
        return
    latest = await latest_change(connection, row.dataset)
    if latest is not None and latest.change == row.change:
        asked = f"card:{row.dataset}:{in_force.revision}:{row.change}"
        await rerun(database, connection, latest, in_force.revision, asked)


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

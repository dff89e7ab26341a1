"""Decisions on releases, a person's or the gate's: how they are written down and announced."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.records import set_state
from shared.database import Database
from shared.events import DatasetDecided


async def approve(
    database: Database,
    connection: AsyncConnection,
    row: Any,
    *,
    by: str,
    automatic: bool,
    reason: str | None = None,
) -> None:
    """Writes the approval and what follows from it: the delivery to the city's own portal."""
    await set_state(connection, row.publication, "approved")
    await connection.execute(t.withdrawn.delete().where(t.withdrawn.c.release == row.release))
    await write_decision(
        database, connection, row, "approved", by=by, automatic=automatic, reason=reason
    )
    await connection.execute(
        insert(t.deliveries)
        .values(publication=row.publication, dataset=row.dataset, portal="own", act="publish")
        .on_conflict_do_update(
            index_elements=["publication", "portal", "act"],
            # Overtaken on its way out, and the latest again: it was called off, and goes out now.
            set_={"state": "pending", "attempts": 0, "code": None, "next_try": func.now()},
            where=t.deliveries.c.state != "pending",
        )
    )


async def write_decision(
    database: Database,
    connection: AsyncConnection,
    row: Any,
    verdict: str,
    *,
    by: str,
    automatic: bool,
    reason: str | None,
) -> None:
    """The decision's row, and its announcement."""
    number = await connection.scalar(
        t.decisions.insert()
        .values(
            dataset=row.dataset,
            publication=row.publication,
            release=row.release,
            verdict=verdict,
            automatic=automatic,
            by=by,
            reason=reason,
        )
        .returning(t.decisions.c.id)
    )
    await database.emit(
        connection,
        DatasetDecided.model_validate(
            {
                "dataset": row.dataset,
                "change": row.change,
                "release": row.release,
                "publication": row.publication,
                "decision": number,
                "verdict": verdict,
                "automatic": automatic,
            }
        ),
    )


async def tightened(connection: AsyncConnection, dataset: str) -> bool:
    """Whether a stricter policy ever withdrew the dataset (`weaker_releases.py`).

    No person decides a withdrawal by an automatic decision.
    """
    d = t.decisions.c
    found = await connection.scalar(
        select(d.id)
        .where(d.dataset == dataset, d.verdict == "withdrawn", d.automatic.is_(True))
        .limit(1)
    )
    return found is not None

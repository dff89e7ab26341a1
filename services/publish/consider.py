"""What becomes of a converted or confirmed release: superseded, stale, waiting, or on its way out.

One transaction a release, under the dataset's lock. Publications are ordered by (sequence, card
revision) and never go backwards.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.decisions import approve, tightened
from services.publish.gate import Evidence, row_change, weigh
from services.publish.records import (
    card_row,
    end_change,
    end_overtaken,
    lock_dataset,
    put_back,
    read_card,
    rerun,
    set_state,
    write_ledger,
)
from shared.card import Card
from shared.database import Database
from shared.events import DatasetConfirmed, DatasetConverted, Passage
from shared.ids import publication_id
from shared.messages import Reason

OPEN = ("waiting", "approved")


async def on_converted(event: DatasetConverted, database: Database) -> None:
    """A release's files lie in `staged`: it is weighed, and goes out or waits."""
    files = [
        *({"role": "data", **file.model_dump()} for file in event.files),
        {"role": "datapackage", **event.datapackage.model_dump()},
        {"role": "preview", **event.preview.model_dump()},
        *({"role": "extra", **file.model_dump()} for file in event.extras),
    ]
    made = {
        "policy": event.policy,
        "columns": event.columns,
        "rows": event.rows,
        "files": files,
        "shaping": event.card.shaping,
    }
    async with database.transaction("consider") as connection:
        if await database.first_time(connection, event.id):
            public = await lock_dataset(connection, event.dataset)
            await _consider(database, connection, public, event, made)


async def on_confirmed(event: DatasetConfirmed, database: Database) -> None:
    """Nothing new: the sequence advances, what waited behind is superseded, no news.

    If another release has become public in between, the confirmed one is published again.
    """
    async with database.transaction("confirm") as connection:
        if not await database.first_time(connection, event.id):
            return
        public = await lock_dataset(connection, event.dataset)
        if public.release != event.release:
            before = await _earlier(connection, event)
            if before is None:
                # Withdrawn with all it left: the source is converted anew under the card in force.
                await _run_again(database, connection, event)
                return
            made = {
                name: before[name] for name in ("policy", "columns", "rows", "files", "shaping")
            }
            await _consider(database, connection, public, event, made)
            return
        facts = _facts(event)
        if _place(event) <= (public.generation, public.number, public.revision):
            await end_change(database, connection, facts, "superseded", _superseded())
            return
        await connection.execute(
            update(t.datasets)
            .where(t.datasets.c.dataset == event.dataset)
            .values(
                generation=event.sequence.generation,
                number=event.sequence.number,
                revision=event.card.revision,
                confirmed_at=event.occurred_at,
            )
        )
        await _supersede_older(database, connection, event)
        await end_change(database, connection, facts, "unchanged")
        await end_overtaken(
            database, connection, event.dataset, event.sequence.generation, event.sequence.number
        )


async def _consider(
    database: Database,
    connection: AsyncConnection,
    public: Row[Any],
    event: Passage,
    made: dict[str, Any],
) -> None:
    row = await _insert(connection, event, made)
    if row is None:
        return
    in_force = await card_row(connection, event.dataset)
    if _place(event) < await _highest(connection, public, row.publication):
        await set_state(connection, row.publication, "superseded")
        await end_change(database, connection, row, "superseded", _superseded())
        return
    if in_force is None or in_force.shaping != row.shaping:
        # The card changed under way: the same change runs again under the one in force.
        await set_state(connection, row.publication, "stale")
        await write_ledger(
            database, connection, row, "waiting", reasons=(Reason(code="card_changed"),)
        )
        if in_force is not None:
            asked = f"stale:{row.publication}:{in_force.revision}"
            await rerun(database, connection, row, in_force.revision, asked)
        return
    await _supersede_older(database, connection, event, but=row.publication)
    await _decide(database, connection, public, row, read_card(in_force))


async def _decide(
    database: Database, connection: AsyncConnection, public: Row[Any], row: Row[Any], card: Card
) -> None:
    before = await _publication(connection, public.publication)
    gone = await connection.scalar(
        select(t.withdrawn.c.release).where(t.withdrawn.c.release == row.release)
    )
    evidence = Evidence(
        first=before is None,
        same_columns=before is not None and before.columns == row.columns,
        same_protection=before is not None and before.policy == row.policy,
        row_change=row_change(before.rows if before else None, row.rows),
        withdrawn=gone is not None,
        tightened=before is None and await tightened(connection, row.dataset),
    )
    verdict = weigh(card, evidence)
    await connection.execute(
        update(t.publications)
        .where(t.publications.c.publication == row.publication)
        .values(evidence={**evidence._asdict(), "because": list(verdict.because)})
    )
    if verdict.automatic:
        await approve(database, connection, row, by="automatic", automatic=True)
        return
    reasons = tuple(_waits(name, evidence) for name in verdict.because)
    await write_ledger(database, connection, row, "waiting", reasons=reasons, rows=row.rows)


def _waits(because: str, evidence: Evidence) -> Reason:
    """Why a person has to look, for people."""
    share = None if evidence.row_change is None else f"{evidence.row_change:+.0%}"
    return Reason(code=f"waits_{because}", found=share)


class _Facts:
    """A passage in the columns of a publication."""

    def __init__(self, event: Passage) -> None:
        self.publication = publication_id(event.change, event.release)
        self.dataset, self.change, self.run = event.dataset, event.change, event.run
        self.release, self.kind = event.release, event.kind
        self.generation, self.number = event.sequence.generation, event.sequence.number


def _facts(event: Passage) -> _Facts:
    return _Facts(event)


def _place(event: Passage) -> tuple[int, int, int]:
    return event.sequence.generation, event.sequence.number, event.card.revision


def _superseded() -> Reason:
    return Reason(code="superseded")


async def _insert(
    connection: AsyncConnection, event: Passage, made: dict[str, Any]
) -> Row[Any] | None:
    """The publication, new or taken up again by a re-run; None if it is on its way or out."""
    facts = vars(_facts(event))
    fresh = {
        "run": event.run,
        "revision": event.card.revision,
        "state": "waiting",
        "occurred_at": event.occurred_at,
        "updated_at": event.updated_at,
        **made,
    }
    statement = insert(t.publications).values(**{**facts, **fresh})
    again = statement.on_conflict_do_update(
        index_elements=["publication"],
        set_=fresh,
        where=t.publications.c.state.in_(("waiting", "stale", "refused", "superseded")),
    ).returning(t.publications)
    found: Row[Any] | None = (await connection.execute(again)).one_or_none()
    return found


async def _highest(connection: AsyncConnection, public: Row[Any], but: str) -> tuple[int, int, int]:
    """The highest place that is public, confirmed or on its way."""
    order = (t.publications.c.generation, t.publications.c.number, t.publications.c.revision)
    found = (
        await connection.execute(
            select(*order)
            .where(
                t.publications.c.dataset == public.dataset,
                t.publications.c.publication != but,
                t.publications.c.state.in_(OPEN),
            )
            .order_by(*(column.desc() for column in order))
            .limit(1)
        )
    ).one_or_none()
    now = (public.generation or 0, public.number or -1, public.revision or 0)
    return max(now, tuple(found)) if found else now


async def _supersede_older(
    database: Database, connection: AsyncConnection, event: Passage, but: str = ""
) -> None:
    """What waits behind this passage will not be published any more."""
    p = t.publications.c
    older = (
        await connection.execute(
            update(t.publications)
            .where(
                p.dataset == event.dataset,
                p.publication != but,
                p.state.in_((*OPEN, "stale")),
                tuple_(p.generation, p.number, p.revision) <= _place(event),
            )
            .values(state="superseded")
            .returning(t.publications)
        )
    ).all()
    for row in older:
        await connection.execute(
            update(t.deliveries)
            .where(t.deliveries.c.publication == row.publication, t.deliveries.c.act == "publish")
            .values(state="cancelled")
        )
        if row.change != event.change:
            await end_change(database, connection, row, "superseded", _superseded())
    public = await lock_dataset(connection, event.dataset)
    if public.publication in {row.publication for row in older}:
        # It was shown, but who showed it died before it was verified.
        await put_back(connection, public)


async def _publication(connection: AsyncConnection, publication: str | None) -> Row[Any] | None:
    return (
        await connection.execute(
            select(t.publications).where(t.publications.c.publication == publication)
        )
    ).one_or_none()


async def _earlier(connection: AsyncConnection, event: Passage) -> dict[str, Any] | None:
    """An earlier publication of the same release: its files are the same bytes."""
    found = (
        await connection.execute(
            select(t.publications)
            .where(t.publications.c.release == event.release)
            .order_by(t.publications.c.made_at.desc())
            .limit(1)
        )
    ).one_or_none()
    return dict(found._mapping) if found else None


async def _run_again(database: Database, connection: AsyncConnection, event: Passage) -> None:
    row = _facts(event)
    await rerun(database, connection, row, event.card.revision, f"confirmed:{event.id}")

"""What publish's transactions have in common: the dataset's lock, ends, ledger rows, re-runs.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from shared import ledger
from shared.card import Card
from shared.database import Database
from shared.event_parts import CardRef, End, Rerun, Sequence, StageState
from shared.events import CatalogDataset, DatasetChanged
from shared.messages import Reason

# Where a change stands that waits for a person or a source.
HELD = ("quarantined", "parked", "waiting")


async def lock_dataset(connection: AsyncConnection, dataset: str) -> Row[Any]:
    """The dataset's row, locked: nothing else is decided about it until the transaction ends."""
    await connection.execute(insert(t.datasets).values(dataset=dataset).on_conflict_do_nothing())
    found = await connection.execute(
        select(t.datasets).where(t.datasets.c.dataset == dataset).with_for_update()
    )
    return found.one()


async def put_back(connection: AsyncConnection, public: Row[Any]) -> None:
    """Makes the last verified release the public one again, in place of one that was not.

    The sequence stays: what is older than the other release is not to be published either.
    """
    p, d = t.publications.c, t.datasets.c
    verified = select(t.publications).where(
        p.dataset == public.dataset,
        p.publication != public.publication,
        p.state == "published",
    )
    before = (await connection.execute(verified)).one_or_none()
    await connection.execute(
        update(t.datasets)
        .where(d.dataset == public.dataset)
        .values(
            publication=before.publication if before else None,
            release=before.release if before else None,
            published_at=before.published_at if before else None,
            modified_at=modified_at(before) if before else None,
            first_published_at=d.first_published_at if before else None,
        )
    )


def modified_at(publication: Any) -> datetime:
    """When the data were last changed, as far as their source says; else when the change came in.

    A date to come is none: portals pass over it (udata). `publication` is a row of `publications`.
    """
    came: datetime = publication.occurred_at
    said: datetime | None = publication.updated_at
    return min(said, came) if said else came


async def card_row(connection: AsyncConnection, dataset: str) -> Row[Any] | None:
    """The card in force; None if nobody declared the dataset."""
    return (
        await connection.execute(select(t.cards).where(t.cards.c.dataset == dataset))
    ).one_or_none()


async def may_go_out(connection: AsyncConnection, publication: str) -> bool:
    """Whether a publication is approved, under the card in force, and its dataset not paused.

    Waits for whoever pauses or resumes the dataset at this moment, and holds them back until the
    transaction ends.
    """
    p, c = t.publications.c, t.cards.c
    # The lock first and alone: a row that does not fit yet would not be waited for.
    dataset = select(p.dataset).where(p.publication == publication).scalar_subquery()
    await connection.execute(
        select(c.dataset).where(c.dataset == dataset).with_for_update(read=True)
    )
    found = await connection.execute(
        select(p.publication)
        .join(t.cards, c.dataset == p.dataset)
        .where(
            p.publication == publication,
            p.state == "approved",
            p.shaping == c.shaping,
            c.paused.is_(False),
        )
    )
    return found.one_or_none() is not None


async def set_state(connection: AsyncConnection, publication: str, state: str) -> None:
    """Says of a publication where it stands now."""
    await connection.execute(
        update(t.publications)
        .where(t.publications.c.publication == publication)
        .values(state=state)
    )


async def mark_stale(connection: AsyncConnection, publication: str) -> None:
    """Says of an approved publication that it was made under another card, if it was.

    Its change runs again under the card in force; should that be this publication's again, it can
    be approved anew.
    """
    p, c = t.publications.c, t.cards.c
    in_force = select(c.shaping).where(c.dataset == p.dataset).scalar_subquery()
    await connection.execute(
        update(t.publications)
        .where(p.publication == publication, p.state == "approved", p.shaping != in_force)
        .values(state="stale")
    )


def read_card(row: Row[Any]) -> Card:
    return Card.model_validate(row.body)


def catalog_entry(row: Row[Any]) -> CatalogDataset:
    """The card in force as the catalogue's event."""
    return CatalogDataset(
        dataset=row.dataset,
        domain=row.domain,
        card=CardRef(digest=row.digest, shaping=row.shaping, revision=row.revision),
        body=row.body,
        paused=row.paused,
    )


async def write_ledger(
    database: Database,
    connection: AsyncConnection,
    publication: Any,
    state: StageState,
    *,
    end: End | None = None,
    reasons: tuple[Reason, ...] = (),
    rows: int | None = None,
) -> None:
    """publish's own ledger row about a publication (any row with its columns)."""
    facts = {
        "dataset": publication.dataset,
        "change": publication.change,
        "run": publication.run,
        "release": publication.release,
        "sequence": {"generation": publication.generation, "number": publication.number},
        "kind": publication.kind,
    }
    await database.emit(
        connection, ledger.row("publish", state, facts, end=end, reasons=reasons, rows=rows)
    )


async def end_change(
    database: Database,
    connection: AsyncConnection,
    publication: Any,
    end: End,
    *reasons: Reason,
) -> bool:
    """Writes the change's end, once; False if it has one already."""
    await connection.execute(
        insert(t.changes)
        .values(
            change=publication.change,
            dataset=publication.dataset,
            kind=publication.kind,
            generation=publication.generation,
            number=publication.number,
            stage="publish",
            state="started",
        )
        .on_conflict_do_nothing()
    )
    done = await connection.execute(
        update(t.changes)
        .where(t.changes.c.change == publication.change, t.changes.c.end.is_(None))
        .values(
            end=end,
            stage="publish",
            state="ended",
            at=func.now(),
            release=publication.release,
            reasons=[reason.model_dump(exclude_none=True) for reason in reasons],
        )
    )
    if done.rowcount == 0:
        return False
    await write_ledger(database, connection, publication, "ended", end=end, reasons=tuple(reasons))
    return True


async def end_overtaken(
    database: Database, connection: AsyncConnection, dataset: str, generation: int, number: int
) -> None:
    """Ends the dataset's changes that a person would have to act on, now that a later one is out."""
    c = t.changes.c
    held = await connection.execute(
        select(t.changes, c.change.label("run")).where(
            c.dataset == dataset,
            c.end.is_(None),
            c.state.in_(HELD),
            tuple_(c.generation, c.number) < (generation, number),
        )
    )
    for row in held.all():
        await end_change(database, connection, row, "superseded", Reason(code="superseded"))


async def latest_change(connection: AsyncConnection, dataset: str) -> Row[Any] | None:
    """The dataset's change of the highest sequence."""
    found = await connection.execute(
        select(t.changes)
        .where(t.changes.c.dataset == dataset, t.changes.c.number.is_not(None))
        .order_by(t.changes.c.generation.desc(), t.changes.c.number.desc())
        .limit(1)
    )
    return found.one_or_none()


async def rerun(
    database: Database,
    connection: AsyncConnection,
    change: Any,
    revision: int,
    asked_by: str,
    fetch: str = "kept",
) -> None:
    """Asks ingest to run a change again under a card's revision."""
    await database.emit(
        connection,
        DatasetChanged(
            dataset=change.dataset,
            kind=change.kind or "update",
            rerun=Rerun(
                change=change.change,
                sequence=Sequence(generation=change.generation, number=change.number),
                source_of=change.change,
                card_revision=revision,
                fetch="again" if fetch == "again" else "kept",
                asked_by=asked_by,
            ),
        ),
    )


async def write_audit(
    connection: AsyncConnection, actor: str, act: str, subject: str, detail: str | None = None
) -> None:
    """Who did what, with the act itself."""
    await connection.execute(
        t.audit.insert().values(actor=actor, act=act, subject=subject, detail=detail)
    )

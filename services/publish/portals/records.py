"""What the database knows about a copy: its target, its ids, the proof of its arrival."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish.portals import compare
from services.publish.portals import tables as p
from services.publish.portals.claims import Claim
from services.publish.portals.compare import Difference
from services.publish.portals.connector import Fields, Seen, Wanted
from services.publish.portals.promises import public_now, pushed_to
from services.publish.portals.proof import Proof
from services.publish.portals.wanted import make_wanted
from services.publish.records import card_row, read_card
from shared.database import Database
from shared.event_parts import utc
from shared.events import DatasetDelivered
from shared.messages import Reason
from shared.portal_settings import PortalAccess


@dataclass(frozen=True)
class Target:
    """What a portal should hold now; how it was left the last time, and with which release."""

    publication: str
    generation: int
    number: int
    paused: bool
    wanted: Wanted
    left: Fields | None
    there: str | None


async def target(connection: AsyncConnection, held: Claim, public_url: str) -> Target | None:
    """What the portal should hold of the dataset; None if nothing."""
    row = await card_row(connection, held.dataset)
    publication = await public_now(connection, held.dataset)
    if row is None or publication is None:
        return None
    card = read_card(row)
    if held.portal not in pushed_to(card):
        return None
    c = p.portal_copies.c
    there = await connection.scalar(
        select(c.release).where(c.dataset == held.dataset, c.portal == held.portal)
    )
    return Target(
        publication=publication.publication,
        generation=publication.generation,
        number=publication.number,
        paused=row.paused,
        wanted=make_wanted(card, publication, public_url),
        left=await left_of(connection, held.dataset, held.portal),
        there=there,
    )


async def left_of(connection: AsyncConnection, dataset: str, portal: str) -> Fields | None:
    """How the portal's copy was left the last time; None if it was not there."""
    c = p.portal_copies.c
    found: Fields | None = await connection.scalar(
        select(c.left_there).where(c.dataset == dataset, c.portal == portal)
    )
    return found


async def arrived(
    database: Database,
    connection: AsyncConnection,
    held: Claim,
    aim: Target,
    after: Seen,
    proof: Proof,
    edited: tuple[Difference, ...],
    warnings: tuple[Reason, ...],
    portal: PortalAccess,
) -> None:
    """Writes what was put there and what a stranger found."""
    left = compare.left(after)
    if edited and aim.left and portal.hand_edits == "keep":
        # An edit that is kept is one for as long as it stands.
        left = compare.left_as_before(left, aim.left, edited)
    await connection.execute(
        update(p.portal_copies)
        .where(p.portal_copies.c.dataset == held.dataset, p.portal_copies.c.portal == held.portal)
        .values(
            publication=aim.publication,
            release=aim.wanted.release,
            generation=aim.generation,
            number=aim.number,
            left_there=left,
            edits=[one._asdict() for one in edited],
            warnings=_plain(warnings),
            looked_at=func.now(),
            next_look=func.now() + literal(timedelta(hours=portal.look_hours)),
        )
    )
    await _state(
        database,
        connection,
        held,
        aim.publication,
        "failed" if proof.reasons else "arrived",
        proof.reasons,
        files=[check.as_row() for check in proof.files],
        differences=[one._asdict() for one in proof.differences],
        verified_at=func.now(),
    )


async def failed(
    database: Database, connection: AsyncConnection, held: Claim, reasons: tuple[Reason, ...]
) -> None:
    """The portal refuses: a person must act; it is tried again all the same, less and less often."""
    await _state(database, connection, held, held.publication, "failed", reasons)


async def gone(
    database: Database, connection: AsyncConnection, held: Claim, standing: tuple[Reason, ...] = ()
) -> None:
    """Verified: strangers do not see the dataset any more. The publication of this withdrawal is gone if
    nothing of it is `standing`.
    """
    c, a = p.portal_copies.c, p.arrivals.c
    await connection.execute(
        update(p.portal_copies)
        .where(c.dataset == held.dataset, c.portal == held.portal)
        .values(
            publication=None, release=None, left_there=None, edits=[], next_look=None,
            looked_at=func.now(),
        )
    )  # fmt: skip
    chosen = [a.dataset == held.dataset, a.portal == held.portal, a.state != "withdrawn"]
    if standing:
        await failed(database, connection, held, standing)
        chosen.append(a.publication != held.publication)
    others = await connection.execute(
        update(p.arrivals)
        .where(*chosen)
        .values(state="withdrawn", verified_at=func.now())
        .returning(a.publication, a.release)
    )
    for row in others.all():
        await _say(database, connection, held, row.publication, row.release, "gone", ())


async def _state(
    database: Database,
    connection: AsyncConnection,
    held: Claim,
    publication: str,
    state: str,
    reasons: tuple[Reason, ...],
    **proof: object,
) -> None:
    a = p.arrivals.c
    mine = (a.publication == publication, a.portal == held.portal)
    before = (
        await connection.execute(select(p.arrivals).where(*mine).with_for_update())
    ).one_or_none()
    if before is None:
        return
    said = _plain(reasons)
    values = {"state": state, "reasons": said, **proof}
    if state == "arrived":
        values["arrived_at"] = func.coalesce(a.arrived_at, func.now())
    # What is late stays late until it arrives, with the reason it has now.
    if before.state == "late" and state == "failed":
        values["state"] = "late"
    await connection.execute(update(p.arrivals).where(*mine).values(**values))
    if (before.state, before.reasons) != (values["state"], said):
        await _say(database, connection, held, publication, before.release, state, reasons)


async def mark_late(database: Database, connection: AsyncConnection) -> None:
    """What should have arrived by now is late, and said so once."""
    a = p.arrivals.c
    found = await connection.execute(
        update(p.arrivals)
        .where(a.state.in_(("pending", "failed")), a.due <= func.now())
        .values(state="late")
        .returning(p.arrivals)
    )
    for row in found.all():
        reasons = tuple(Reason.model_validate(one) for one in row.reasons)
        await database.emit(
            connection,
            _event(row.dataset, row.release, row.publication, row.portal, "late", reasons),
        )


async def _say(
    database: Database,
    connection: AsyncConnection,
    held: Claim,
    publication: str,
    release: str,
    state: str,
    reasons: tuple[Reason, ...],
) -> None:
    await database.emit(
        connection, _event(held.dataset, release, publication, held.portal, state, reasons)
    )


def _event(
    dataset: str,
    release: str,
    publication: str,
    portal: str,
    state: str,
    reasons: tuple[Reason, ...],
) -> DatasetDelivered:
    return DatasetDelivered.model_validate(
        {
            "dataset": dataset,
            "release": release,
            "publication": publication,
            "portal": portal,
            "state": state,
            "reasons": reasons,
            "at": utc(datetime.now(UTC)),
        }
    )


def _plain(reasons: tuple[Reason, ...]) -> list[dict[str, object]]:
    return [reason.model_dump(exclude_none=True) for reason in reasons]

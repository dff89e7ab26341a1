"""Who works on what: due deliveries to a portal, the lease of a copy, the portal's circuit breaker.

The lease is on the copy (dataset, portal), not on the delivery: whatever is asked for, one worker at
a time speaks to the portal about a dataset.
"""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.portals import tables as p
from services.publish.portals.promises import OPEN
from services.publish.portals.wanted import dataset_uri
from shared.database import Database

FIRST_WAIT, LONGEST_WAIT = 10.0, 6 * 3600.0
# Failures in a row after which a portal is left alone for a while; then one delivery tries.
BREAKS_AFTER = 5
FIRST_BREAK, LONGEST_BREAK = 30.0, 3600.0


@dataclass(frozen=True)
class Claim:
    """A delivery that this worker holds. A `trial` is the one try of a portal that failed too often."""

    id: int
    publication: str
    dataset: str
    portal: str
    act: str
    state: str
    attempts: int
    lease: str
    trial: bool = False

    def dataset_uri(self, public_url: str) -> str:
        """Our URI of the dataset."""
        return dataset_uri(public_url, self.dataset)


async def claim(database: Database, portal: str, seconds: float) -> Claim | None:
    """The next delivery to a portal, leased; None if nothing is due or the circuit is open.

    Withdrawals first, then by release order.
    """
    d, c, o = t.deliveries.c, p.portal_copies.c, p.portal_circuits.c
    async with database.transaction() as connection:
        chosen = (
            select(t.deliveries, o.failures)
            .join(p.portal_copies, (c.dataset == d.dataset) & (c.portal == d.portal))
            .outerjoin(p.portal_circuits, o.portal == d.portal)
            .where(
                d.portal == portal,
                or_(o.open_until.is_(None), o.open_until <= func.now()),
                d.state.in_(OPEN),
                d.next_try <= func.now(),
                or_(c.lease_until.is_(None), c.lease_until < func.now()),
            )
            .order_by((d.act == "withdraw").desc(), d.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=p.portal_copies)
        )
        row = (await connection.execute(chosen)).one_or_none()
        if row is None:
            return None
        trial = (row.failures or 0) >= BREAKS_AFTER
        if trial and not await _may_try(connection, portal):
            return None
        lease = secrets.token_hex(8)
        await connection.execute(
            update(p.portal_copies)
            .where(c.dataset == row.dataset, c.portal == portal)
            .values(leased_by=lease, lease_until=_in(seconds))
        )
        await connection.execute(
            update(t.deliveries).where(d.id == row.id).values(attempts=d.attempts + 1)
        )
    attempts = row.attempts + 1
    return Claim(
        row.id, row.publication, row.dataset, portal, row.act, row.state, attempts, lease, trial
    )


async def keep(database: Database, held: Claim, seconds: float) -> bool:
    """Prolongs the lease; False if another worker has taken the copy over."""
    async with database.transaction() as connection:
        done = await connection.execute(
            update(p.portal_copies).where(_mine(held)).values(lease_until=_in(seconds))
        )
        return done.rowcount == 1


async def release(connection: AsyncConnection, held: Claim) -> None:
    """Gives the lease back."""
    await connection.execute(
        update(p.portal_copies).where(_mine(held)).values(leased_by=None, lease_until=None)
    )


async def settle(connection: AsyncConnection, held: Claim, state: str) -> None:
    """Ends the delivery: done or cancelled."""
    await connection.execute(
        update(t.deliveries)
        .where(t.deliveries.c.id == held.id, t.deliveries.c.state.in_(OPEN))
        .values(state=state, done_at=func.now(), code=None)
    )


async def later(
    connection: AsyncConnection,
    held: Claim,
    code: str,
    *,
    state: str = "pending",
    seconds: float | None = None,
) -> None:
    """Puts the delivery off: longer each time, 10 s to 6 h, never all at the same moment."""
    wait = min(FIRST_WAIT * 2.0 ** min(held.attempts - 1, 20), LONGEST_WAIT)
    wait *= random.uniform(0.5, 1)  # noqa: S311 - no secret
    await connection.execute(
        update(t.deliveries)
        .where(t.deliveries.c.id == held.id, t.deliveries.c.state.in_(OPEN))
        .values(state=state, code=code, next_try=_in(wait if seconds is None else seconds))
    )


async def answered(connection: AsyncConnection, held: Claim) -> None:
    """The portal works: the circuit is closed.

    What the portal asked of another worker meanwhile (`Retry-After`) holds all the same.
    """
    c = p.portal_circuits.c
    closed = {"open_until": None} if held.trial else {}
    await connection.execute(
        update(p.portal_circuits)
        .where(c.portal == held.portal, c.failures > 0)
        .values(failures=0, code=None, **closed)
    )


async def away(
    connection: AsyncConnection, portal: str, code: str, retry_after: float | None
) -> None:
    """The portal does not work: after some failures in a row, or as it asks, it is left alone."""
    c = p.portal_circuits.c
    failures = await connection.scalar(
        insert(p.portal_circuits)
        .values(portal=portal, failures=1, code=code)
        .on_conflict_do_update(
            index_elements=["portal"], set_={"failures": c.failures + 1, "code": code}
        )
        .returning(c.failures)
    )
    wait = retry_after or 0.0
    if failures is not None and failures >= BREAKS_AFTER:
        longer = min(FIRST_BREAK * 2.0 ** min(failures - BREAKS_AFTER, 20), LONGEST_BREAK)
        wait = max(wait, longer * random.uniform(0.5, 1))  # noqa: S311 - no secret
    if wait > 0:
        await connection.execute(
            update(p.portal_circuits)
            .where(c.portal == portal)
            .values(open_until=func.greatest(c.open_until, _in(wait)))
        )


async def _may_try(connection: AsyncConnection, portal: str) -> bool:
    """While the portal has failed too often, one worker at a time may try it."""
    c = p.portal_circuits.c
    found = (
        await connection.execute(
            select(c.failures, (c.open_until > func.now()).label("open"))
            .where(c.portal == portal)
            .with_for_update()
        )
    ).one_or_none()
    if found is None or found.failures < BREAKS_AFTER:
        return found is None or not found.open
    if found.open:
        return False
    await connection.execute(
        update(p.portal_circuits).where(c.portal == portal).values(open_until=_in(FIRST_BREAK))
    )
    return True


def _mine(held: Claim) -> ColumnElement[bool]:
    c = p.portal_copies.c
    return and_(c.dataset == held.dataset, c.portal == held.portal, c.leased_by == held.lease)


def _in(seconds: float) -> object:
    return func.now() + literal(timedelta(seconds=seconds))

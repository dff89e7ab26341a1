"""Deliveries to the city's own portal: rows that workers share by lease, each tried until it is done
or called off. Those to other portals: `services.publish.portals.worker`.

A step can be repeated: what it did is seen before it is done again.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.own_portal import OwnPortal
from services.publish.portals.promises import OWN
from services.publish.records import mark_stale, may_go_out, write_ledger
from shared import metrics
from shared.crash_points import crash_point
from shared.database import Database, wait_for
from shared.failures import OursAway, Quarantined, SourceAway
from shared.logs import failure_place, logger
from shared.messages import Reason

FIRST_WAIT = 2.0
LONGEST_WAIT = 6 * 3600.0


@dataclass(frozen=True)
class DeliveryWorker:
    """Takes due deliveries, one at a time and one per dataset, oldest first."""

    database: Database
    portal: OwnPortal
    lease_seconds: float
    idle_seconds: float

    async def run(self) -> None:
        """Delivers for ever."""
        while True:
            # A decision is announced in the transaction that writes its delivery.
            decided = self.database.next_event
            try:
                row = await self._claim()
                if row is None:
                    await wait_for(decided, self.idle_seconds)
                else:
                    await self._deliver(row)
            except OursAway as failure:
                logger().warning("waiting", reason=failure.reasons[0].code)
                await asyncio.sleep(1)

    async def _claim(self) -> Row[Any] | None:
        d = t.deliveries.c
        earlier = t.deliveries.alias()
        before = (
            select(earlier.c.id)
            .where(
                earlier.c.dataset == d.dataset,
                earlier.c.portal == d.portal,
                earlier.c.id < d.id,
                earlier.c.state == "pending",
            )
            .exists()
        )
        async with self.database.transaction() as connection:
            found = (
                await connection.execute(
                    select(t.deliveries)
                    .where(
                        d.portal == OWN,
                        d.state == "pending",
                        d.next_try <= func.now(),
                        or_(d.lease_until.is_(None), d.lease_until < func.now()),
                        ~before,
                    )
                    .order_by(d.id)
                    .limit(1)
                    .with_for_update(skip_locked=True)
                )
            ).one_or_none()
            if found is not None:
                await connection.execute(
                    update(t.deliveries)
                    .where(d.id == found.id)
                    .values(
                        attempts=d.attempts + 1,
                        lease_until=func.now() + text(f"interval '{self.lease_seconds} seconds'"),
                    )
                )
        if found is not None:
            crash_point("after-claim")
        return found

    async def _deliver(self, row: Row[Any]) -> None:
        log = logger(dataset=row.dataset, portal=row.portal, act=row.act)
        try:
            done = await (
                self.portal.publish(row) if row.act == "publish" else self.portal.withdraw(row)
            )
        except OursAway:
            await self._later(row, "ours_away")
            raise
        except (SourceAway, Quarantined) as failure:
            code = failure.reasons[0].code
            log.warning("delivery failed", reason=code, attempts=row.attempts + 1)
            await self._later(row, code, stops=isinstance(failure, Quarantined))
            return
        except Exception as error:  # noqa: BLE001 - one delivery must not stop the others
            log.error("defect", failure=failure_place(error))
            await self._later(row, "internal_error")
            return
        state = "done" if done else "cancelled"
        metrics.deliveries.labels(portal=row.portal, outcome=state).inc()
        async with self.database.transaction("settle") as connection:
            if not done and row.act == "publish":
                if await may_go_out(connection, row.publication):
                    # Paused when it was tried, resumed since: nobody else would take it up again.
                    state = "pending"
                else:
                    await mark_stale(connection, row.publication)
            await self._finish(connection, row, state)
        log.info("delivered" if done else "called off")

    async def _finish(self, connection: AsyncConnection, row: Row[Any], state: str) -> None:
        await connection.execute(
            update(t.deliveries)
            # Another worker may have finished it while this one was taken for dead.
            .where(t.deliveries.c.id == row.id, t.deliveries.c.state == "pending")
            .values(
                state=state,
                done_at=None if state == "pending" else func.now(),
                lease_until=None,
                code=None,
            )
        )

    async def _later(self, row: Row[Any], code: str, *, stops: bool = False) -> None:
        """Longer each time, up to six hours, never all at the same moment.

        `stops`: a repeat alone will not help, which the ledger says to the people concerned.
        """
        wait = min(FIRST_WAIT * 2**row.attempts, LONGEST_WAIT) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        metrics.deliveries.labels(portal=row.portal, outcome="retry").inc()
        async with self.database.transaction("later") as connection:
            await connection.execute(
                update(t.deliveries)
                .where(t.deliveries.c.id == row.id, t.deliveries.c.state == "pending")
                .values(
                    code=code,
                    lease_until=None,
                    next_try=func.now() + text(f"interval '{wait:.2f} seconds'"),
                )
            )
            if stops and row.act == "publish":
                found = await connection.execute(
                    select(t.publications).where(t.publications.c.publication == row.publication)
                )
                reasons = (Reason(code=code),)
                await write_ledger(
                    self.database, connection, found.one(), "quarantined", reasons=reasons
                )

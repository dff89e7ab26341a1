"""Brings datasets to one portal, and takes them off it: read, write if needed, read back, fetch.

What to do is read from the database at the moment it is done, not from the delivery: a portal gets
what is public now, so an older release never overwrites a newer one, whatever is repeated or late.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from services.publish.portals import claims, compare, records
from services.publish.portals.claims import Claim
from services.publish.portals.connector import Connector, Ids, Seen
from services.publish.portals.failures import PortalAway, Unknown
from services.publish.portals.identity import IdentityMap, ids_of
from services.publish.portals.proof import few, prove
from services.publish.portals.records import Target
from services.publish.portals.where import where
from services.publish.portals.withdrawn_copies import Looks
from shared import metrics
from shared.crash_points import crash_point
from shared.database import Database, wait_for
from shared.failures import OursAway, Quarantined, SourceAway
from shared.logs import failure_place, logger
from shared.messages import Reason
from shared.portal_settings import PortalAccess
from shared.settings import Settings

PAUSED_SECONDS = 30.0
# Deliveries under way for each call that is allowed: most of their time they read the database and
# fetch files, and the portal should not wait for that.
DELIVERIES_A_CALL = 4


@dataclass(frozen=True)
class PortalWorker:
    """One portal's deliveries: several at a time, one a dataset."""

    database: Database
    name: str
    portal: PortalAccess
    connector: Connector
    settings: Settings
    http: httpx.AsyncClient
    idle_seconds: float
    files: asyncio.Semaphore = field(default_factory=few)

    @property
    def _looks(self) -> Looks:
        return Looks(self.database, self.http, where(self.settings, self.name))

    async def run(self) -> None:
        """Delivers for ever: one takes what is due, several work on it."""
        free = asyncio.Semaphore(self.portal.at_once * DELIVERIES_A_CALL)
        async with asyncio.TaskGroup() as working:
            while True:
                await free.acquire()
                decided = self.database.next_event
                try:
                    held = await claims.claim(self.database, self.name, self.settings.lease_seconds)
                except OursAway as failure:
                    free.release()
                    await self._waits(failure)
                    continue
                if held is not None:
                    working.create_task(self._one(held, free))
                    continue
                free.release()
                await wait_for(decided, self.idle_seconds)

    async def _one(self, held: Claim, free: asyncio.Semaphore) -> None:
        try:
            await self._leased(held)
        except OursAway as failure:
            await self._waits(failure)
        finally:
            free.release()

    async def _waits(self, failure: OursAway) -> None:
        logger().warning("waiting", reason=failure.reasons[0].code)
        await asyncio.sleep(1)

    async def _leased(self, held: Claim) -> None:
        """Works on a delivery for as long as its lease is ours."""
        crash_point("after-portal-claim")
        work = asyncio.ensure_future(self._deliver(held))
        beat = asyncio.ensure_future(self._keep(held))
        try:
            await asyncio.wait((work, beat), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                with suppress(asyncio.CancelledError):
                    await work
                logger(dataset=held.dataset, portal=self.name).warning("lease lost")
            else:
                work.result()
        finally:
            for task in (work, beat):
                task.cancel()
            await asyncio.gather(work, beat, return_exceptions=True)

    async def _keep(self, held: Claim) -> None:
        """Holds the lease while the work goes on; returns when it is lost."""
        while True:
            await asyncio.sleep(self.settings.lease_seconds / 3)
            with suppress(OursAway):
                if not await claims.keep(self.database, held, self.settings.lease_seconds):
                    return

    async def _still_mine(self, held: Claim) -> bool:
        """Whether nobody took the copy over while this process stood still. Asked before each write: who
        took it over may have brought a newer release there.
        """
        return await claims.keep(self.database, held, self.settings.lease_seconds)

    async def _deliver(self, held: Claim) -> None:
        log = logger(dataset=held.dataset, portal=self.name, act=held.act)
        try:
            outcome = await self._work(held)
        except OursAway:
            async with self.database.transaction() as connection:
                await claims.later(connection, held, "ours_away")
                await claims.release(connection, held)
            raise
        except SourceAway as failure:
            log.warning("delivery put off", reason=failure.reasons[0].code, attempts=held.attempts)
            metrics.deliveries.labels(portal=self.name, outcome="retry").inc()
            await self._away(held, failure)
            return
        except Quarantined as failure:
            log.warning("delivery failed", reason=failure.reasons[0].code, attempts=held.attempts)
            metrics.deliveries.labels(portal=self.name, outcome="failed").inc()
            async with self.database.transaction("portal-failed") as connection:
                await records.failed(self.database, connection, held, failure.reasons)
                await claims.answered(connection, held)
                await claims.later(connection, held, failure.reasons[0].code)
                await claims.release(connection, held)
            return
        except Exception as error:  # noqa: BLE001 - one delivery must not stop the others
            log.error("defect", failure=failure_place(error))
            async with self.database.transaction() as connection:
                await claims.later(connection, held, "internal_error")
                await claims.release(connection, held)
            return
        metrics.deliveries.labels(portal=self.name, outcome=outcome).inc()
        log.info({"done": "delivered", "failed": "not as promised"}.get(outcome, "called off"))

    async def _away(self, held: Claim, failure: SourceAway) -> None:
        wait = failure.retry_after if isinstance(failure, PortalAway) else None
        code = failure.reasons[0].code
        async with self.database.transaction("portal-away") as connection:
            await claims.away(connection, self.name, code, wait)
            unknown = isinstance(failure, Unknown)
            await claims.later(connection, held, code, state="unknown" if unknown else "pending")
            await claims.release(connection, held)

    async def _work(self, held: Claim) -> str:
        """What became of the delivery: done, failed, or cancelled, which a pause is for a while."""
        async with self.database.transaction() as connection:
            target = await records.target(connection, held, self.settings.public_url)
            ids = await ids_of(connection, held.dataset, held.portal)
        if target is not None and target.paused:
            async with self.database.transaction() as connection:
                await claims.later(connection, held, "paused", seconds=PAUSED_SECONDS)
                await claims.release(connection, held)
            return "cancelled"
        if target is None:
            return await self._withdraw(held, ids)
        if held.act == "publish" and target.publication != held.publication:
            # What is public now has a delivery of its own.
            return await self._end(held, "cancelled")
        # A withdrawal whose place another release has taken: that one is put there.
        return await self._put(held, target, ids)

    async def _put(self, held: Claim, target: Target, ids: Ids) -> str:
        wanted = target.wanted
        told = await self.connector.describe(wanted)
        known = IdentityMap(self.database, held, wanted.uri, ids)
        before = await self.connector.read_back(wanted.uri, ids, stranger=False)
        if before is None and ids.dataset:
            # Deleted for good: found again by our key, or made anew.
            before = await self.connector.read_back(wanted.uri, Ids(), stranger=False)
        if before is not None:
            await known.learn(before.ids)
        edited = compare.edits(target.left, before)
        if before is not None and self.portal.hand_edits == "keep":
            told = compare.without(told, edited, before)
            if any(one.field == "hidden" for one in edited):
                raise Quarantined(Reason(code="portal_hidden_by_hand"))
        if held.act == "withdraw" and before is not None and target.there != wanted.release:
            await self._looks.note(held, before.served)
        if before is None or before.hidden or compare.differences(told, before):
            crash_point("before-portal-write")
            if not await self._still_mine(held):
                return "cancelled"
            await self.connector.upsert(told, wanted, before, known.remember)
            crash_point("after-portal-write")
        after = await self.connector.read_back(wanted.uri, known.ids, stranger=False)
        if after is None:
            raise Quarantined(Reason(code="portal_dataset_gone"))
        await known.learn(after.ids)
        proof = await prove(
            self.connector, self.http, self.settings, self.name, told, wanted, after.ids,
            self.files,
        )  # fmt: skip
        standing = await self._looks.look(held, after.served) if held.act == "withdraw" else ()
        async with self.database.transaction("portal-arrived") as connection:
            await claims.answered(connection, held)
            await records.arrived(
                self.database, connection, held, target, after, proof, edited, told.warnings,
                self.portal,
            )  # fmt: skip
            if reasons := (*proof.reasons, *standing):
                await claims.later(connection, held, reasons[0].code)
                outcome = "failed"
            else:
                await claims.settle(connection, held, "done")
                outcome = "done"
            await claims.release(connection, held)
        return outcome

    async def _withdraw(self, held: Claim, ids: Ids) -> str:
        """Nothing is to be there: asks the portal, and sees as a stranger that it is gone, and all
        that the portal served of it beside.
        """
        if held.act == "publish":
            return await self._end(held, "cancelled")
        uri = held.dataset_uri(self.settings.public_url)
        there = await self.connector.read_back(uri, ids, stranger=False)
        if there is not None:
            await self._looks.note(held, there.served)
        if there is not None and (not there.hidden or _stays(there)):
            crash_point("before-portal-withdraw")
            if not await self._still_mine(held):
                return "cancelled"
            await self.connector.withdraw(there)
        if await self.connector.read_back(uri, ids, stranger=True) is not None:
            raise Quarantined(Reason(code="portal_still_shown"))
        standing = await self._looks.look(held)
        async with self.database.transaction("portal-gone") as connection:
            await claims.answered(connection, held)
            await records.gone(self.database, connection, held, standing)
            if standing:
                await claims.later(connection, held, standing[0].code)
            else:
                await claims.settle(connection, held, "done")
            await claims.release(connection, held)
        return "failed" if standing else "done"

    async def _end(self, held: Claim, state: str) -> str:
        async with self.database.transaction() as connection:
            await claims.settle(connection, held, state)
            await claims.release(connection, held)
        return state


def _stays(seen: Seen) -> bool:
    """Whether something of ours would stay there when somebody else hid the dataset."""
    return any(one.kind in ("file", "dataservice") for one in seen.served)

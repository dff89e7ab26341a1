"""Looks whether other portals took what they were promised, and writes down what was found.

No timer of its own: when a check is looked at next stands in its row. The rows that are due are taken
by lease, all of one portal together, so that the portal's run is asked for once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import ColumnElement, Row, Update, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on

from services.notify import tables as t
from services.notify.harvest_verdict import ENDED, Finding, Promise, Seen, is_ours, judge
from services.notify.look_for_ever import look_for_ever
from services.notify.own_feed import OwnFeed
from services.notify.udata_api import HarvestSource, Item, UdataApi
from shared import metrics
from shared.database import Database
from shared.failures import OursAway, SourceAway
from shared.logs import failure_place, logger
from shared.messages import Reason
from shared.settings import HarvestPortal

BATCH = 50
# So long after a check was due, what the portal does with this release is not news any more.
GIVE_UP = timedelta(days=30)


@dataclass(frozen=True)
class HarvestChecks:
    """The worker. Several may run: rows are shared by lease."""

    database: Database
    feed: OwnFeed
    http: httpx.AsyncClient
    portals: Mapping[str, HarvestPortal]
    look_seconds: float
    lease_seconds: float

    async def run(self) -> None:
        """Looks for ever."""
        await look_for_ever(self.look, self._count, self.look_seconds)

    async def look(self) -> int:
        """Looks at what is due of one portal; how many datasets."""
        rows = await self._claim()
        if rows:
            await self._look_at(rows)
        return len(rows)

    async def _claim(self) -> Sequence[Row[Any]]:
        c = t.harvest_checks.c
        due: tuple[ColumnElement[bool], ...] = (
            c.settled_at.is_(None),
            c.next_at <= func.now(),
            or_(c.lease_until.is_(None), c.lease_until < func.now()),
        )
        first = select(c.portal).where(*due).order_by(c.next_at).limit(1).scalar_subquery()
        async with self.database.transaction() as connection:
            rows = (
                await connection.execute(
                    select(t.harvest_checks)
                    .where(*due, c.portal == first)
                    .order_by(c.next_at, c.dataset)
                    .limit(BATCH)
                    .with_for_update(skip_locked=True)
                )
            ).all()
            for row in rows:
                await connection.execute(
                    update(t.harvest_checks)
                    .where(*_is(row))
                    .values(lease_until=func.now() + _seconds(self.lease_seconds))
                )
        return rows

    async def _look_at(self, rows: Sequence[Row[Any]]) -> None:
        portal = rows[0].portal
        log = logger(portal=portal)
        left = list(rows)
        try:
            config = self.portals.get(portal)
            if config is None:
                raise SourceAway(Reason(code="harvest_portal_unknown"))
            api = UdataApi(config.url, self.http)
            promises = await self.feed.promises()
            source, items = await _last_run(api, config.source, rows)
            while left:
                row = left[0]
                promise = promises.get(row.dataset)
                seen = await self._seen(api, row, promise, source, items)
                await self._write(row, promise, seen, config)
                left.pop(0)
        except SourceAway as failure:
            log.warning("harvest not looked at", reason=failure.reasons[0].code)
            await self._away(left, failure.reasons)
        except OursAway:
            raise
        except Exception as error:  # noqa: BLE001 - one portal must not stop the others
            log.error("defect", failure=failure_place(error))
            await self._away(left, (Reason(code="internal_error", detail="harvest"),))

    async def _seen(
        self,
        api: UdataApi,
        row: Row[Any],
        promise: Promise | None,
        source: HarvestSource | None,
        items: tuple[Item, ...],
    ) -> Seen:
        if promise is None:
            return Seen(source, items)
        ran = _ran_since(source, row)
        mine = [one.dataset.id for one in items if is_ours(promise, one) and one.dataset]
        remote = (mine[-1] if ran and mine else None) or row.remote or await self._known(row)
        # Before a run nothing can have changed there: the dataset is not asked for in vain.
        asked = remote if remote and (ran or row.due_at <= datetime.now(UTC)) else None
        dataset = await api.dataset(asked) if asked else None
        return Seen(source, items if ran else (), dataset, remote=remote)

    async def _known(self, row: Row[Any]) -> str | None:
        """The dataset's id at the portal, from an earlier release's check."""
        c = t.harvest_checks.c
        async with self.database.transaction() as connection:
            found: str | None = await connection.scalar(
                select(c.remote)
                .where(c.dataset == row.dataset, c.portal == row.portal, c.remote.is_not(None))
                .order_by(c.published_at.desc())
                .limit(1)
            )
        return found

    async def _write(
        self, row: Row[Any], promise: Promise | None, seen: Seen, config: HarvestPortal
    ) -> None:
        now = datetime.now(UTC)
        finding = judge(
            promise,
            seen,
            published_at=row.published_at,
            organization=config.organization,
            overdue=row.due_at <= now,
        )
        outcome = finding.verdict if finding else "pending"
        metrics.harvest_looks.labels(portal=row.portal, outcome=outcome).inc()
        told = [one.model_dump(exclude_none=True) for one in finding.reasons] if finding else []
        values: dict[str, Any] = {
            "remote": seen.remote,
            "checked_at": now,
            "next_at": self._next(now),
            "lease_until": None,
            "away": None,
        }
        if finding:
            values |= {"verdict": finding.verdict, "reasons": told}
        if _ends(finding, row, now):
            values["settled_at"] = now
        async with self.database.transaction("harvest") as connection:
            written = await connection.execute(_still_open(row).values(values))
            new = finding and (finding.verdict, told) != (row.verdict, row.reasons)
            if finding and new and written.rowcount:
                await connection.execute(
                    t.harvest_history.insert().values(
                        publication=row.publication,
                        portal=row.portal,
                        verdict=finding.verdict,
                        reasons=told,
                    )
                )

    async def _away(self, rows: Sequence[Row[Any]], reasons: Sequence[Reason]) -> None:
        """The verdicts stay; why they could not be looked at is said beside them."""
        now = datetime.now(UTC)
        async with self.database.transaction("harvest-later") as connection:
            for row in rows:
                metrics.harvest_looks.labels(portal=row.portal, outcome="away").inc()
                await connection.execute(
                    _still_open(row).values(
                        lease_until=None,
                        next_at=self._next(now),
                        away=[one.model_dump(exclude_none=True) for one in reasons],
                        settled_at=now if _ends(None, row, now) else None,
                    )
                )

    def _next(self, now: datetime) -> datetime:
        # On a common grid, so that a portal's datasets come due together and its run is read once.
        rhythm = self.look_seconds
        return datetime.fromtimestamp((now.timestamp() // rhythm + 1) * rhythm, UTC)

    async def _count(self) -> None:
        """The gauges: each dataset's latest check of each portal."""
        async with self.database.transaction() as connection:
            rows = (await connection.execute(latest_checks())).all()
        metrics.harvest_checks.clear()
        metrics.harvest_overdue.clear()
        now = datetime.now(UTC)
        for row in rows:
            verdict = row.verdict or "pending"
            metrics.harvest_checks.labels(portal=row.portal, verdict=verdict).inc()
            late = row.settled_at is None and row.due_at <= now and verdict != "RECEIVED"
            metrics.harvest_overdue.labels(portal=row.portal).inc(int(late))


def latest_checks() -> Any:
    """Selects each dataset's latest check of each portal."""
    c = t.harvest_checks.c
    return (
        select(t.harvest_checks)
        .ext(distinct_on(c.dataset, c.portal))
        .order_by(c.dataset, c.portal, c.published_at.desc())
    )


async def _last_run(
    api: UdataApi, name: str, rows: Sequence[Row[Any]]
) -> tuple[HarvestSource | None, tuple[Item, ...]]:
    """The source with its last run, and the run's items if it can have seen any of these releases."""
    source = await api.source(name)
    last = source.last_job if source else None
    if source is None or last is None or not any(_ran_since(source, row) for row in rows):
        return source, ()
    whole = await api.job(last.id)
    return source.model_copy(update={"last_job": whole or last}), await api.items(last.id)


def _ran_since(source: HarvestSource | None, row: Row[Any]) -> bool:
    """Whether the last run has ended and began after the release was public."""
    job = source.last_job if source else None
    return bool(job and job.status in ENDED and (job.started or job.created) >= row.published_at)


def _ends(finding: Finding | None, row: Row[Any], now: datetime) -> bool:
    return bool(finding and finding.settled) or row.due_at + GIVE_UP < now


def _is(row: Row[Any]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    c = t.harvest_checks.c
    return c.publication == row.publication, c.portal == row.portal


def _still_open(row: Row[Any]) -> Update:
    # A later release may have taken its place while the portal was asked.
    return update(t.harvest_checks).where(*_is(row), t.harvest_checks.c.settled_at.is_(None))


def _seconds(seconds: float) -> ColumnElement[Any]:
    return text(f"interval '{seconds} seconds'")  # type: ignore[return-value]  # a fragment

"""Asks each portal that harvests for a dry run of a dataset as soon as the feed has changed.

After the release went out, not before: what a portal would refuse is public on the city's own portal all
the same, for no portal holds a change back, and the feed has to describe the files that lie at its
addresses. The portal reads the feed at night; what its dry run refuses can be mended until then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy import Row, func, literal, or_, select, update

from services.notify import tables as t
from services.notify.look_for_ever import look_for_ever
from services.notify.own_feed import OwnFeed
from services.notify.preview_verdict import judge_preview
from services.notify.udata_api import UdataApi
from shared import metrics
from shared.database import Database
from shared.failures import OursAway, SourceAway
from shared.logs import failure_place, logger
from shared.messages import Reason
from shared.settings import HarvestPortal


@dataclass(frozen=True)
class FeedPreviews:
    """The worker. Several may run: a row that one works on is not due for the others."""

    database: Database
    feed: OwnFeed
    http: httpx.AsyncClient
    portals: Mapping[str, HarvestPortal]
    keys: Mapping[str, SecretStr]
    public_url: str
    look_seconds: float
    lease_seconds: float

    async def run(self) -> None:
        """Tries for ever."""
        await look_for_ever(self.look, self._count, self.look_seconds)

    async def look(self) -> bool:
        """Tries one dataset on one portal; False if none is due."""
        row = await self._claim()
        if row is None:
            return False
        log = logger(dataset=row.dataset, portal=row.portal)
        try:
            found = await self._try(row)
        except SourceAway as failure:
            log.warning("feed not previewed", reason=failure.reasons[0].code)
            found = None
        except OursAway:
            raise
        except Exception as error:  # noqa: BLE001 - one dataset must not stop the others
            log.error("defect", failure=failure_place(error))
            found = None
        if found:
            log.warning("preview refuses", reason=found[0].code)
        await self._write(row, found)
        return True

    def _tried(self) -> list[str]:
        """The portals that can be asked: those with a key."""
        return [name for name, portal in self.portals.items() if portal.token in self.keys]

    async def _claim(self) -> Row[Any] | None:
        c = t.harvest_checks.c
        async with self.database.transaction() as connection:
            row = (
                await connection.execute(
                    select(t.harvest_checks)
                    .where(
                        c.settled_at.is_(None),
                        # What is as it should be is not tried again; a corrected card is.
                        or_(c.preview.is_(None), func.jsonb_array_length(c.preview) > 0),
                        c.preview_next <= func.now(),
                        c.portal.in_(self._tried()),
                    )
                    .order_by(c.preview_next)
                    .limit(1)
                    .with_for_update(skip_locked=True)
                )
            ).one_or_none()
            if row is not None:
                await self._put_off(connection, row, self.lease_seconds)
        return row

    async def _try(self, row: Row[Any]) -> tuple[Reason, ...]:
        """What the portal says against the dataset. Raises SourceAway."""
        promise = (await self.feed.promises()).get(row.dataset)
        if promise is None:
            # Withdrawn since; the check of the harvest says what else may be wrong.
            return ()
        portal = self.portals[row.portal]
        key = self.keys[portal.token].get_secret_value()
        address = f"{self.public_url.rstrip('/')}/datasets/{row.dataset}/catalog.ttl"
        api = UdataApi(portal.url, self.http)
        try:
            preview = await api.preview(address, portal.organization, key)
        except SourceAway as failure:
            said = failure.reasons[0].detail
            if said in ("HTTP 401", "HTTP 403"):
                return (Reason(code="preview_key_refused", detail=said),)
            raise
        return judge_preview(promise, preview)

    async def _write(self, row: Row[Any], found: tuple[Reason, ...] | None) -> None:
        c = t.harvest_checks.c
        async with self.database.transaction("preview") as connection:
            await self._put_off(connection, row, self.look_seconds)
            if found is None:
                return
            await connection.execute(
                update(t.harvest_checks)
                .where(c.publication == row.publication, c.portal == row.portal)
                .values(
                    preview=[one.model_dump(exclude_none=True) for one in found],
                    previewed_at=func.now(),
                )
            )

    async def _put_off(self, connection: Any, row: Row[Any], seconds: float) -> None:
        c = t.harvest_checks.c
        await connection.execute(
            update(t.harvest_checks)
            .where(c.publication == row.publication, c.portal == row.portal)
            .values(preview_next=func.now() + literal(timedelta(seconds=seconds)))
        )

    async def _count(self) -> None:
        """The gauge: what portals would not take as it is."""
        c = t.harvest_checks.c
        refused = func.count().filter(func.jsonb_array_length(c.preview) > 0)
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                select(c.portal, refused).where(c.settled_at.is_(None)).group_by(c.portal)
            )
            counted = list(rows)
        metrics.harvest_preview_refused.clear()
        for portal, number in counted:
            metrics.harvest_preview_refused.labels(portal=portal).set(number)

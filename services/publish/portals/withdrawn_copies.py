"""What a portal still serves of a withdrawn release, beside the dataset: listed before the withdrawal is
asked for, since afterwards nobody tells where it lies; then fetched as a stranger would until it is
gone, made anew from the release that took its place, or settled by a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin

import httpx
from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.portals import tables as p
from services.publish.portals.claims import Claim
from services.publish.portals.connector import Served
from services.publish.portals.fetch_file import MOST_REDIRECTS
from services.publish.portals.where import Refused, Where
from services.publish.views import plain
from shared.database import Database
from shared.messages import Reason

LOOK_SECONDS = 10.0
LOOKS_AT_ONCE = 4
# What the proof of the release's arrival has fetched or compared itself.
PROVEN = ("file", "dataservice")
GONE, CLOSED = (404, 410), (401, 403)
# The longest that udata-hydra works on a file (180 s, five times that for exceptions): what it began to
# read later than this after the listing, it read from the release that took the withdrawn one's place.
LONGEST_ANALYSIS = timedelta(seconds=900)


@dataclass(frozen=True)
class Looks:
    """Looks at addresses of one portal, without its token."""

    database: Database
    http: httpx.AsyncClient
    where: Where

    async def note(self, held: Claim, served: Iterable[Served]) -> None:
        """Lists what is served now, once: what is listed already stays as it is."""
        found = list(served)
        async with self.database.transaction() as connection:
            known = {(row.resource, row.kind) for row in await _rows(connection, held)}
        new = [one for one in found if (one.resource, one.kind) not in known]
        if not new:
            return
        # However many there are, the portal is asked to withdraw the dataset soon.
        statuses = await self.statuses([one.address for one in new], within=LOOK_SECONDS)
        rows = [
            {
                "publication": held.publication, "portal": held.portal, "dataset": held.dataset,
                "resource": one.resource, "kind": one.kind, "address": one.address,
                "answered": status in (200, 206), "http": status or None,
            }
            for one, status in zip(new, statuses, strict=True)
        ]  # fmt: skip
        async with self.database.transaction("portal-copies-listed") as connection:
            await connection.execute(
                insert(p.withdrawn_copies).values(rows).on_conflict_do_nothing()
            )

    async def look(self, held: Claim, instead: Iterable[Served] = ()) -> tuple[Reason, ...]:
        """Fetches what is listed and not settled; why the withdrawal is not over, if it is not.

        `instead`: what the portal serves of the release that took the withdrawn one's place.
        """
        async with self.database.transaction() as connection:
            rows = [row for row in await _rows(connection, held) if row.state != "settled"]
        now = {(one.resource, one.kind): one for one in instead}
        statuses = await self.statuses([row.address for row in rows])
        standing = []
        async with self.database.transaction("portal-copies-looked-at") as connection:
            for row, status in zip(rows, statuses, strict=True):
                state = judge(
                    status,
                    address=row.address,
                    answered=row.answered,
                    listed=row.listed_at,
                    now=now.get((row.resource, row.kind)),
                )
                values = {"state": state, "http": status or None, "looked_at": func.now()}
                written = await connection.execute(
                    update(p.withdrawn_copies)
                    .where(*_is(row), p.withdrawn_copies.c.state != "settled")
                    .values(values)
                )
                # A person may have settled it meanwhile.
                if state == "stands" and written.rowcount:
                    standing.append(row.kind)
        if not standing:
            return ()
        kinds = ", ".join(sorted(set(standing)))
        return (Reason(code="portal_copies_stand", count=len(standing), detail=kinds),)

    async def statuses(self, addresses: Sequence[str], within: float | None = None) -> list[int]:
        """What a stranger gets at each; 0 for what has not answered `within` so many seconds in all."""
        gate = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def status(address: str) -> int:
            async with gate:
                return await status_of(self.http, self.where, address) if address else 0

        looks = [asyncio.ensure_future(status(one)) for one in addresses]
        try:
            done, _ = await asyncio.wait(looks, timeout=within) if looks else (set(), set())
            return [one.result() if one in done else 0 for one in looks]
        finally:
            for one in looks:
                one.cancel()
            await asyncio.gather(*looks, return_exceptions=True)


def judge(
    status: int, *, address: str, answered: bool, listed: datetime, now: Served | None
) -> str:
    """Whether a copy `stands`, is `gone` or was `rebuilt` from the release that is there `now`.

    Only an answer that says so makes it gone: a host that does not answer may do so tomorrow. One that
    keeps strangers out says so only if it let them in before; it may keep out us alone.
    """
    if status in GONE or (answered and status in CLOSED):
        return "gone"
    if now is not None and now.kind in PROVEN and now.address == address:
        return "rebuilt"
    if now is not None and now.began and now.began > listed + LONGEST_ANALYSIS:
        return "rebuilt"
    return "stands"


async def status_of(http: httpx.AsyncClient, where: Where, address: str) -> int:
    """The HTTP status that a stranger gets there in the end, whatever the body; 0 without one."""
    # One byte is enough; who ignores the range is not listened to.
    headers = {"Accept-Encoding": "identity", "Range": "bytes=0-0"}
    try:
        for _ in range(MOST_REDIRECTS + 1):
            asked = await where.request(address, headers)
            async with http.stream("GET", **asked, timeout=LOOK_SECONDS) as answer:
                if not answer.is_redirect:
                    return answer.status_code
                address = urljoin(address, answer.headers.get("location", ""))
    except (Refused, httpx.HTTPError, httpx.InvalidURL):
        return 0
    return 0


async def settle(
    connection: AsyncConnection, dataset: str, portal: str, by: str, kind: str | None
) -> int:
    """A person answers for what stands on a portal (of one kind): how many copies.

    The withdrawals that waited for it are tried again at once.
    """
    c, d = p.withdrawn_copies.c, t.deliveries.c
    chosen = [c.dataset == dataset, c.portal == portal, c.state == "stands"]
    if kind:
        chosen.append(c.kind == kind)
    done = await connection.scalars(
        update(p.withdrawn_copies)
        .where(*chosen)
        .values(state="settled", settled_by=by, settled_at=func.now())
        .returning(c.publication)
    )
    publications = list(done)
    await connection.execute(
        update(t.deliveries)
        .where(
            d.publication.in_(publications),
            d.portal == portal,
            d.act == "withdraw",
            d.state == "pending",
        )
        .values(next_try=func.now())
    )
    return len(publications)


async def copies_listed(
    connection: AsyncConnection, dataset: str, publications: Sequence[str] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """What is listed of a dataset (or of these publications), by portal, for people."""
    c = p.withdrawn_copies.c
    chosen = (
        select(
            c.portal, c.resource, c.kind, c.address, c.state, c.http, c.looked_at, c.settled_by
        )
        .where(c.dataset == dataset)
        .order_by(c.portal, c.listed_at, c.resource, c.kind)
    )  # fmt: skip
    if publications is not None:
        chosen = chosen.where(c.publication.in_(publications))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in await connection.execute(chosen):
        told = plain(row._mapping)
        found.setdefault(told.pop("portal"), []).append(told)
    return found


async def _rows(connection: AsyncConnection, held: Claim) -> Sequence[Row[Any]]:
    c = p.withdrawn_copies.c
    chosen = select(p.withdrawn_copies).where(
        c.publication == held.publication, c.portal == held.portal
    )
    return (await connection.execute(chosen.order_by(c.resource, c.kind))).all()


def _is(row: Row[Any]) -> tuple[Any, ...]:
    c = p.withdrawn_copies.c
    return (
        c.publication == row.publication,
        c.portal == row.portal,
        c.resource == row.resource,
        c.kind == row.kind,
    )

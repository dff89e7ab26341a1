"""Where the copies on other portals stand: for people, and for metrics."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.portals import tables as p
from services.publish.portals.promises import OPEN, Portals
from services.publish.portals.withdrawn_copies import copies_listed
from services.publish.views import plain
from shared import metrics


def latest_arrivals(dataset: str) -> Select[Any]:
    """The dataset's latest promise to each portal, and what became of it."""
    a = p.arrivals.c
    chosen = select(p.arrivals).where(a.dataset == dataset)
    return chosen.ext(distinct_on(a.portal)).order_by(a.portal, a.made_at.desc())


async def copies_of(connection: AsyncConnection, dataset: str) -> list[dict[str, Any]]:
    """Each portal's copy of a dataset: its latest arrival with the proof, edits, what is under way, what
    was still served of withdrawn releases."""
    c, d = p.portal_copies.c, t.deliveries.c
    latest = latest_arrivals(dataset).subquery()
    rows = await connection.execute(
        select(
            c.portal,
            latest.c.release,
            latest.c.state,
            latest.c.reasons,
            latest.c.files,
            latest.c.differences,
            latest.c.due,
            latest.c.verified_at,
            latest.c.arrived_at,
            c.edits,
            c.warnings,
            c.looked_at,
        )
        .select_from(p.portal_copies)
        .outerjoin(latest, latest.c.portal == c.portal)
        .where(c.dataset == dataset)
        .order_by(c.portal)
    )
    told = [plain(row._mapping) for row in rows]
    served = await copies_listed(connection, dataset)
    for one in told:
        one["withdrawn_copies"] = served.get(one["portal"], [])
        open_ones = await connection.execute(
            select(d.act, d.state, d.attempts, d.code, d.next_try)
            .where(d.dataset == dataset, d.portal == one["portal"], d.state.in_(OPEN))
            .order_by(d.id)
        )
        one["deliveries"] = [plain(row._mapping) for row in open_ones]
        ids = await connection.execute(
            select(p.portal_ids.c.ours, p.portal_ids.c.theirs).where(
                p.portal_ids.c.dataset == dataset, p.portal_ids.c.portal == one["portal"]
            )
        )
        one["ids"] = {row.ours: row.theirs for row in ids}
    return told


async def portals_of(connection: AsyncConnection, portals: Portals) -> list[dict[str, Any]]:
    """Each portal of the settings: how many datasets are in which state there, how many deliveries
    are under way or `unknown`, and until when it is left alone."""
    a, d, o = p.arrivals.c, t.deliveries.c, p.portal_circuits.c
    latest = (
        select(a.portal, a.state)
        .ext(distinct_on(a.dataset, a.portal))
        .order_by(a.dataset, a.portal, a.made_at.desc())
        .subquery()
    )
    states = await connection.execute(
        select(latest.c.portal, latest.c.state, func.count()).group_by(
            latest.c.portal, latest.c.state
        )
    )
    found: dict[str, dict[str, int]] = {name: {} for name in portals}
    for portal, state, number in states:
        found.setdefault(portal, {})[state] = number
    under_way = await connection.execute(
        select(d.portal, d.state, func.count())
        .where(d.portal.in_(found), d.state.in_(OPEN))
        .group_by(d.portal, d.state)
    )
    deliveries: dict[str, dict[str, int]] = {name: {} for name in found}
    for portal, state, number in under_way:
        deliveries[portal][state] = number
    opened = await connection.execute(
        select(o.portal, o.code, o.open_until).where(o.open_until > func.now())
    )
    circuits = {row.portal: row for row in opened}
    return [
        {
            "portal": name,
            "datasets": found[name],
            "deliveries": deliveries[name],
            "open_until": circuits[name].open_until.isoformat() if name in circuits else None,
            "code": circuits[name].code if name in circuits else None,
        }
        for name in sorted(found)
    ]


async def count(connection: AsyncConnection, portals: Portals) -> None:
    """The gauges that operators watch."""
    a, c, o = p.arrivals.c, p.portal_copies.c, p.portal_circuits.c
    w = p.withdrawn_copies.c
    arrivals = await connection.execute(
        select(a.portal, a.state, func.count()).group_by(a.portal, a.state)
    )
    edited = await connection.execute(
        select(c.portal, func.count()).where(c.edits != []).group_by(c.portal)
    )
    served = await connection.execute(
        select(w.portal, w.state, func.count()).group_by(w.portal, w.state)
    )
    metrics.withdrawn_copies.clear()
    for portal, state, number in served:
        metrics.withdrawn_copies.labels(portal=portal, state=state).set(number)
    opened = set(await connection.scalars(select(o.portal).where(o.open_until > func.now())))
    metrics.arrivals.clear()
    for portal, state, number in arrivals:
        metrics.arrivals.labels(portal=portal, state=state).set(number)
    metrics.portal_edits.clear()
    for portal, number in edited:
        metrics.portal_edits.labels(portal=portal).set(number)
    for name in portals:
        metrics.portal_circuit.labels(portal=name).set(name in opened)

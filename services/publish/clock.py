"""The one clock: a unique row per subject and due time, sent once through the outbox."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import captures, schedules
from services.publish import tables as t
from services.publish.portals.promises import Portals, look_again
from services.publish.portals.records import mark_late
from services.publish.portals.standing import count
from services.publish.records import card_row, rerun
from shared import metrics
from shared.crash_points import crash_point
from shared.database import Database
from shared.failures import OursAway
from shared.logs import logger


async def run_clock(database: Database, seconds: float, portals: Portals | None = None) -> None:
    """Looks for what is due, for ever."""
    while True:
        try:
            await tick(database)
            await _count(database)
            if portals:
                await _portals(database, portals)
        except OursAway as failure:
            logger().warning("waiting", reason=failure.reasons[0].code)
        await asyncio.sleep(seconds)


async def tick(database: Database) -> int:
    """Sends every tick that is due and was not sent; how many. Two clocks share them."""
    async with database.transaction() as connection:
        await schedules.plan(connection)
        due = (
            await connection.execute(
                select(t.ticks)
                .where(t.ticks.c.due <= func.now(), t.ticks.c.sent_at.is_(None))
                .order_by(t.ticks.c.due)
                .limit(100)
                .with_for_update(skip_locked=True)
            )
        ).all()
        for one in due:
            if one.kind == schedules.KIND:
                await schedules.send(database, connection, one)
                await _sent(connection, one)
                continue
            change = (
                await connection.execute(select(t.changes).where(t.changes.c.change == one.subject))
            ).one_or_none()
            card = await card_row(connection, change.dataset) if change else None
            if change and change.end is None and change.number is not None and card:
                asked = f"tick:{one.kind}:{one.subject}:{one.due.isoformat()}"
                await rerun(database, connection, change, card.revision, asked, fetch="again")
            await _sent(connection, one)
        sent = len(due) + await captures.send_due(database, connection)
        if sent:
            crash_point("inside-tick")
    return sent


async def _portals(database: Database, portals: Portals) -> None:
    async with database.transaction() as connection:
        await look_again(connection, portals)
        await mark_late(database, connection)
        await count(connection, portals)


async def _sent(connection: AsyncConnection, one: Row[Any]) -> None:
    await connection.execute(
        update(t.ticks)
        .where(
            t.ticks.c.kind == one.kind,
            t.ticks.c.subject == one.subject,
            t.ticks.c.due == one.due,
        )
        .values(sent_at=func.now())
    )


async def _count(database: Database) -> None:
    """The gauges that operators watch."""
    async with database.transaction() as connection:
        counted = (
            await connection.execute(
                select(t.publications.c.state, func.count()).group_by(t.publications.c.state)
            )
        ).all()
        opened = (
            await connection.execute(
                select(t.changes.c.state, func.count())
                .where(t.changes.c.end.is_(None))
                .group_by(t.changes.c.state)
            )
        ).all()
    for gauge, rows in ((metrics.publications, counted), (metrics.changes_open, opened)):
        gauge.clear()
        for state, number in rows:
            gauge.labels(state=state).set(number)

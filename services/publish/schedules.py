"""Schedules of cards: the next due time of each lies in the clock's table before it comes.

A process that dies loses none: the row is there, and is sent late. Several missed ones are one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.records import card_row
from shared.database import Database
from shared.events import DatasetChanged
from shared.logs import logger
from shared.schedule import Schedule

KIND = "schedule"


async def plan(connection: AsyncConnection) -> None:
    """Writes the next due time of every card that has a schedule and is not paused."""
    now: datetime = (await connection.execute(select(func.now()))).scalar_one()
    cards = await connection.execute(
        select(t.cards.c.dataset, t.cards.c.body["schedule"].label("schedule")).where(
            t.cards.c.body.has_key("schedule"), t.cards.c.paused.is_(False)
        )
    )
    for card in cards.all():
        schedule = _read(card.dataset, card.schedule)
        due = schedule.after(now) if schedule else None
        if due is not None:
            await connection.execute(
                insert(t.ticks)
                .values(kind=KIND, subject=card.dataset, due=due)
                .on_conflict_do_nothing()
            )


async def send(database: Database, connection: AsyncConnection, one: Row[Any]) -> None:
    """Says that the dataset is to be fetched, if its card still has that due time."""
    row = await card_row(connection, one.subject)
    if row is None or row.paused:
        return
    schedule = _read(one.subject, row.body.get("schedule"))
    if schedule is not None and schedule.has(one.due):
        await database.emit(connection, DatasetChanged(dataset=one.subject, due=one.due))


def _read(dataset: str, told: object) -> Schedule | None:
    """The schedule of a stored card; None, and said, for one that today's rules do not take: one
    card must not stop the clock of all."""
    if told is None:
        return None
    try:
        return Schedule.model_validate(told)
    except ValidationError:
        logger().warning("schedule_invalid", dataset=dataset)
        return None

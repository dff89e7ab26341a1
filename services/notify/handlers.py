"""notify: a verified publication comes in, a news item goes out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify import tables as t
from services.notify.news_item import make_news, wanted
from shared import metrics
from shared.card import Card
from shared.database import Database
from shared.events import CatalogDataset, DatasetPublished
from shared.failures import OursAway
from shared.messages import Reason
from shared.table import TableView

TABLE_SECONDS = 30.0


@dataclass(frozen=True)
class Room:
    """What notify works with."""

    database: Database
    cards: TableView[CatalogDataset]
    harvest_overdue: timedelta
    harvest_look: timedelta


async def on_published(event: DatasetPublished, room: Room) -> None:
    """Posts one news item a publication, and notes which portals have to harvest it.

    Raises OursAway while the dataset's card has not reached this process's table.
    """
    if not await room.cards.until(lambda: room.cards.get(event.dataset) is not None, TABLE_SECONDS):
        raise OursAway(Reason(code="table_behind"))
    entry = room.cards.get(event.dataset)
    card = Card.model_validate(entry.body if entry else {})
    item = make_news(event, card)
    async with room.database.transaction("news") as connection:
        if not await room.database.first_time(connection, event.id):
            return
        if wanted(event, card):
            await connection.execute(
                insert(t.news)
                .values(
                    news=item.news,
                    dataset=item.dataset,
                    publication=item.publication,
                    kind=item.kind,
                    body=item.model_dump(mode="json"),
                    at=item.at,
                )
                .on_conflict_do_nothing()
            )
            await room.database.emit(connection, item)
            metrics.news_posted.labels(kind=item.kind).inc()
        await _expect_harvests(connection, event, card, room)


async def _expect_harvests(
    connection: AsyncConnection, event: DatasetPublished, card: Card, room: Room
) -> None:
    """One check for each portal that has to harvest this; what it replaces is looked at no more."""
    checks = t.harvest_checks
    await connection.execute(
        update(checks)
        .where(
            checks.c.dataset == event.dataset,
            checks.c.published_at <= event.at,
            checks.c.settled_at.is_(None),
        )
        .values(settled_at=func.now(), lease_until=None)
    )
    if event.state != "published":
        return
    for portal in card.portals or ():
        if portal.by == "harvest":
            await connection.execute(
                insert(checks)
                .values(
                    publication=event.publication,
                    portal=portal.name,
                    dataset=event.dataset,
                    published_at=event.at,
                    due_at=event.at + room.harvest_overdue,
                    next_at=event.at + room.harvest_look,
                )
                .on_conflict_do_nothing()
            )

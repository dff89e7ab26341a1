"""notify: a verified publication comes in, a news item goes out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.dialects.postgresql import insert

from services.notify import tables as t
from services.notify.news_item import make_news, wanted
from shared import metrics
from shared.card import Card
from shared.database import Database
from shared.events import CatalogDataset, DatasetPublished
from shared.failures import OursAway
from shared.messages import Reason
from shared.table import TableView

# A portal that harvests each night has taken a change by then.
HARVEST_HOURS = 26
TABLE_SECONDS = 30.0


@dataclass(frozen=True)
class Room:
    """What notify works with."""

    database: Database
    cards: TableView[CatalogDataset]


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
        for portal in card.portals or ():
            if portal.by == "harvest" and event.state == "published":
                await connection.execute(
                    insert(t.harvest_checks)
                    .values(
                        publication=event.publication,
                        portal=portal.name,
                        dataset=event.dataset,
                        due_at=event.at + timedelta(hours=HARVEST_HOURS),
                    )
                    .on_conflict_do_nothing()
                )

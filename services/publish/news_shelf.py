"""The news items that notify posted, kept where the portal reads them."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import insert

from services.publish import tables as t
from shared.database import Database
from shared.events import NewsPosted


async def on_news(event: NewsPosted, database: Database) -> None:
    """Puts a news item on the shelf; one of the same id is replaced."""
    fields = {
        "dataset": event.dataset,
        "kind": event.kind,
        "title": event.title,
        "body": event.body,
        "at": event.at,
    }
    async with database.transaction("shelve") as connection:
        await connection.execute(
            insert(t.news)
            .values(news=event.news, **fields)
            .on_conflict_do_update(index_elements=["news"], set_=fields)
        )

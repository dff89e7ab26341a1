"""Captured changes (`capture:` in cards), a burst of them debounced to one fetch.

One row a dataset says since when and until when its source changed; when it is due, the change goes
to the outbox and the row goes, in one transaction. How far each topic was read stands there too: what
ingest says again after a death is known by its offset and is no second change.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from shared.capture import Capture
from shared.database import Database
from shared.events import DatasetCaptured, DatasetChanged


async def on_captured(event: DatasetCaptured, database: Database) -> None:
    """Notes that a dataset's source changed just now."""
    async with database.transaction("capture") as connection:
        if await _further(connection, event):
            await stir(connection, event.dataset)


async def stir(connection: AsyncConnection, dataset: str) -> None:
    """The dataset is to be fetched once its source has been quiet."""
    await connection.execute(
        insert(t.captures)
        .values(dataset=dataset)
        .on_conflict_do_update(index_elements=["dataset"], set_={"last_at": func.now()})
    )


async def _further(connection: AsyncConnection, event: DatasetCaptured) -> bool:
    """Whether this was not said before. A topic made anew begins at 0 again, but later."""
    mark = t.capture_marks
    values = {"offset": event.offset, "at": event.at}
    noted = await connection.scalar(
        insert(mark)
        .values(dataset=event.dataset, place=f"{event.topic}/{event.partition}", **values)
        .on_conflict_do_update(
            index_elements=["dataset", "place"],
            set_=values,
            where=or_(mark.c.offset < event.offset, mark.c.at < event.at),
        )
        .returning(mark.c.dataset)
    )
    return noted is not None


async def send_due(database: Database, connection: AsyncConnection) -> int:
    """Says which datasets are to be fetched now; how many. Paused ones wait, none is forgotten."""
    rows = await connection.execute(
        select(
            t.captures,
            t.cards.c.body["capture"].label("capture"),
            t.cards.c.paused,
            func.now().label("now"),
        )
        .join(t.cards, t.cards.c.dataset == t.captures.c.dataset, isouter=True)
        .order_by(t.captures.c.dataset)
        .with_for_update(of=t.captures, skip_locked=True)
    )
    sent = 0
    for row in rows.all():
        if row.capture is not None:
            due: datetime = Capture.model_validate(row.capture).due(row.first_at, row.last_at)
            if row.paused or due > row.now:
                continue
            await database.emit(connection, DatasetChanged(dataset=row.dataset, due=due))
            sent += 1
        await connection.execute(delete(t.captures).where(t.captures.c.dataset == row.dataset))
    return sent

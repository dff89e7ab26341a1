"""notify: the wiring."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.notify.handlers import Room, on_published
from services.notify.tables import BOXES
from shared.app import Service
from shared.broker import Flow
from shared.database import Database, open_engine
from shared.events import CatalogDataset, DatasetPublished, NewsPosted
from shared.migrate import is_current
from shared.settings import Settings
from shared.table import Table

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMA = "notify"


def make_flow(settings: Settings, room: Room) -> Flow:
    """notify's subscribers."""
    flow = Flow(settings, "notify")

    @flow.reads(DatasetPublished, writes=(NewsPosted,))
    async def published(event: DatasetPublished) -> None:
        await on_published(event, room)

    return flow


def make_service(settings: Settings) -> Service:
    """The process `ecluse serve notify`."""
    database = Database(open_engine(settings), BOXES, settings, "notify")
    cards = Table(settings, CatalogDataset)
    flow = make_flow(settings, Room(database, cards))

    async def migrated() -> bool:
        url = settings.database.get_secret_value()
        return await asyncio.to_thread(is_current, url, MIGRATIONS, SCHEMA)

    async def nothing() -> None:
        return None

    async def tables_alive() -> bool:
        return cards.alive

    return Service(
        name="notify",
        settings=settings,
        port=settings.notify_port,
        flow=flow,
        starts=((nothing, database.engine.dispose), (cards.start, cards.stop)),
        tasks=(lambda: database.relay(flow),),
        checks={"database": database.alive, "schema": migrated, "tables": tables_alive},
    )

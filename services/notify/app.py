"""notify: the wiring."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from services.notify.feed_previews import FeedPreviews
from services.notify.handlers import Room, on_published
from services.notify.harvest_checks import HarvestChecks
from services.notify.harvest_pages import HarvestPages
from services.notify.own_feed import OwnFeed
from services.notify.tables import BOXES
from services.notify.udata_api import open_http
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
    overdue = timedelta(hours=settings.harvest_overdue_hours)
    look = timedelta(seconds=settings.harvest_look_seconds)
    flow = make_flow(settings, Room(database, cards, overdue, look))
    http = open_http()
    feed = OwnFeed(settings.verify_url, http)
    previews = FeedPreviews(
        database,
        feed,
        http,
        settings.harvest_portals,
        settings.portal_tokens,
        settings.public_url,
        settings.harvest_look_seconds,
        settings.lease_seconds,
    )
    harvests = HarvestChecks(
        database,
        feed,
        http,
        settings.harvest_portals,
        settings.harvest_look_seconds,
        settings.lease_seconds,
    )

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
        starts=(
            (nothing, database.engine.dispose),
            (nothing, http.aclose),
            (cards.start, cards.stop),
        ),
        tasks=(lambda: database.relay(flow), harvests.run, previews.run),
        checks={"database": database.alive, "schema": migrated, "tables": tables_alive},
        routes=HarvestPages(database).routes(),
    )

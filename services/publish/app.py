"""publish: the wiring."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.publish import handlers
from services.publish.acts import Acts
from services.publish.admin_api import AdminApi
from services.publish.clock import run_clock
from services.publish.deliveries import DeliveryWorker
from services.publish.own_portal import OwnPortal
from services.publish.portals.checker import Checker
from services.publish.portals.registry import open_portals
from services.publish.portals.worker import PortalWorker
from services.publish.tables import BOXES
from services.publish.verify_files import stranger
from shared.app import Service
from shared.broker import NOTHING_TO_SAY, Flow
from shared.card_file import load_strategy
from shared.database import Database, open_engine
from shared.events import (
    CatalogDataset,
    CatalogPublished,
    DatasetCaptured,
    DatasetChanged,
    DatasetConfirmed,
    DatasetConverted,
    DatasetDecided,
    DatasetDelivered,
    DatasetPublished,
    LedgerRow,
    NewsPosted,
)
from shared.identity import load_identities
from shared.migrate import is_current
from shared.policy_signature import load_trusted
from shared.settings import Settings
from shared.storage import open_store

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMA = "publish"
WRITES = (
    DatasetChanged,
    DatasetDecided,
    DatasetPublished,
    DatasetDelivered,
    CatalogDataset,
    CatalogPublished,
)
LEDGER_BATCH = 200
DELIVERY_WORKERS = 2


def make_flow(settings: Settings, database: Database) -> Flow:
    """publish's subscribers. What they write goes through the outbox."""
    flow = Flow(settings, "publish")

    @flow.reads(DatasetConverted, writes=WRITES)
    async def converted(event: DatasetConverted) -> object:
        await handlers.on_converted(event, database)
        return NOTHING_TO_SAY

    @flow.reads(DatasetConfirmed)
    async def confirmed(event: DatasetConfirmed) -> object:
        await handlers.on_confirmed(event, database)
        return NOTHING_TO_SAY

    @flow.reads(NewsPosted)
    async def news(event: NewsPosted) -> object:
        await handlers.on_news(event, database)
        return NOTHING_TO_SAY

    @flow.reads(DatasetCaptured)
    async def captured(event: DatasetCaptured) -> object:
        await handlers.on_captured(event, database)
        return NOTHING_TO_SAY

    @flow.reads_batch(LedgerRow, most=LEDGER_BATCH)
    async def ledger(events: list[LedgerRow]) -> None:
        await handlers.on_ledger(events, database)

    return flow


def make_service(settings: Settings) -> Service:
    """The process `ecluse serve publish`."""
    database = Database(open_engine(settings), BOXES, settings, "publish")
    flow = make_flow(settings, database)
    store = open_store(settings, "publish")
    http = stranger()
    worker = DeliveryWorker(
        database,
        OwnPortal(database, store, settings, http),
        settings.lease_seconds,
        min(settings.clock_seconds, 0.25),
    )
    connectors = open_portals(settings, store.checked)
    workers = [
        PortalWorker(
            database,
            name,
            portal,
            connectors[name],
            settings,
            http,
            min(settings.clock_seconds, 0.25),
        )
        for name, portal in settings.portals.items()
    ]

    async def close_portals() -> None:
        for connector in connectors.values():
            await connector.close()

    api = AdminApi(
        database,
        Acts(database, load_trusted(settings.trusted_keys_file), settings.portals),
        load_identities(settings.identities_file),
        load_strategy(settings.strategy_file),
        settings,
        Checker(database, connectors, settings, http),
    )

    async def migrated() -> bool:
        url = settings.database.get_secret_value()
        return await asyncio.to_thread(is_current, url, MIGRATIONS, SCHEMA)

    async def store_alive() -> bool:
        return await store.alive("staged")

    async def nothing() -> None:
        return None

    return Service(
        name="publish",
        settings=settings,
        port=settings.publish_port,
        flow=flow,
        starts=(
            (nothing, database.engine.dispose),
            (nothing, http.aclose),
            (nothing, close_portals),
        ),
        tasks=(
            lambda: database.relay(flow),
            lambda: run_clock(database, settings.clock_seconds, settings.portals),
            *([worker.run] * DELIVERY_WORKERS),
            *(one.run for one in workers),
        ),
        checks={"database": database.alive, "schema": migrated, "store": store_alive},
        routes=api.routes(),
    )

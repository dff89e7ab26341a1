"""ingest: the wiring."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

from services.ingest.drops import Drops
from services.ingest.handlers import Room, on_changed
from services.ingest.http_api import ChangesApi
from shared.app import Service
from shared.broker import Flow, current
from shared.envelope import encode, headers
from shared.events import (
    CatalogDataset,
    CatalogPublished,
    DatasetChanged,
    DatasetConfirmed,
    DatasetIngested,
)
from shared.identity import load_identities
from shared.settings import Settings
from shared.storage import open_store
from shared.table import Table
from shared.workers import WorkerPool


def make_flow(room: Room) -> Flow:
    """ingest's subscribers."""
    flow = Flow(room.settings, "ingest")

    @flow.reads(DatasetChanged, writes=(DatasetIngested, DatasetConfirmed))
    async def changed(event: DatasetChanged) -> DatasetIngested | DatasetConfirmed:
        return await on_changed(event, current(), room)

    return flow


def make_service(settings: Settings) -> Service:
    """The process `ecluse serve ingest`."""
    if len(settings.city_secret.get_secret_value()) < 16:
        raise ValueError("ECLUSE_CITY_SECRET needs at least 16 characters")
    spool = settings.spool / "ingest"
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True, exist_ok=True)
    settings = settings.model_copy(update={"spool": spool})
    store = open_store(settings, "ingest")
    pool = WorkerPool(
        size=settings.workers,
        modules=("services.ingest.source_to_table",),
        jobs=settings.worker_jobs,
        memory_bytes=settings.worker_memory_bytes,
        seconds=settings.worker_seconds,
    )
    cards, published = Table(settings, CatalogDataset), Table(settings, CatalogPublished)
    room = Room(settings, store, pool, cards, published)
    flow = make_flow(room)

    async def send(change: DatasetChanged, event_id: str, source: str) -> None:
        named = headers(change, source, datetime.now(UTC)) | {"ce_id": event_id}
        topic = settings.topic(DatasetChanged.TOPIC)
        await flow.send_raw(topic, change.key.encode(), encode(change), named)

    drops = Drops(
        store, flow.send, seconds=settings.drop_poll_seconds, stand_still=settings.store != "s3"
    )
    api = ChangesApi(settings, load_identities(settings.identities_file), store, cards, send)

    async def tables_alive() -> bool:
        return cards.alive and published.alive

    async def store_alive() -> bool:
        return await store.alive("raw")

    return Service(
        name="ingest",
        settings=settings,
        port=settings.ingest_port,
        flow=flow,
        starts=(
            (pool.start, pool.stop),
            (cards.start, cards.stop),
            (published.start, published.stop),
        ),
        tasks=(drops.watch,),
        checks={"tables": tables_alive, "store": store_alive},
        routes=api.routes(),
    )

"""ingest: the wiring."""

from __future__ import annotations

from datetime import UTC, datetime

from services.ingest.captures import Captures
from services.ingest.drops import Drops
from services.ingest.handlers import Room, on_changed, on_notified
from services.ingest.http_api import ChangesApi
from shared.app import Service
from shared.broker import NOTHING_TO_SAY, Flow, current
from shared.envelope import encode, headers
from shared.events import (
    CatalogDataset,
    CatalogPublished,
    DatasetCaptured,
    DatasetChanged,
    DatasetConfirmed,
    DatasetIngested,
    DeadLetter,
    DropNotified,
)
from shared.identity import load_identities
from shared.settings import Settings
from shared.stage_app import empty_spool, make_pool
from shared.storage import open_store
from shared.table import Table


def make_flow(room: Room) -> Flow:
    """ingest's subscribers."""
    flow = Flow(room.settings, "ingest")

    @flow.reads(DatasetChanged, writes=(DatasetIngested, DatasetConfirmed))
    async def changed(event: DatasetChanged) -> DatasetIngested | DatasetConfirmed:
        return await on_changed(event, current(), room)

    return flow


def take_notices(flow: Flow, drops: Drops) -> None:
    """The subscriber of what the object store says of the drop bucket."""

    @flow.reads(DropNotified, writes=(DatasetChanged,))
    async def notified(event: DropNotified) -> object:
        await on_notified(event, drops, flow.settings)
        return NOTHING_TO_SAY


def make_service(settings: Settings) -> Service:
    """The process `ecluse serve ingest`."""
    if len(settings.city_secret.get_secret_value()) < 16:
        raise ValueError("ECLUSE_CITY_SECRET needs at least 16 characters")
    settings = empty_spool(settings, "ingest")
    store = open_store(settings, "ingest")
    pool = make_pool(settings, "services.ingest.source_to_table")
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
    take_notices(flow, drops)
    flow.declare(DatasetCaptured)

    async def put_aside(letter: DeadLetter) -> None:
        await flow.put_aside(letter, DatasetCaptured)

    captures = Captures(settings, cards.values, flow.send, put_aside)
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
        tasks=(drops.watch, captures.watch),
        checks={"tables": tables_alive, "store": store_alive},
        routes=api.routes(),
    )

"""convert: the wiring."""

from __future__ import annotations

from services.convert.handlers import Room, on_anonymized
from shared.app import Service
from shared.broker import Flow
from shared.events import CatalogPublished, DatasetAnonymized, DatasetConverted
from shared.settings import Settings
from shared.stage_app import empty_spool, make_pool
from shared.storage import open_store
from shared.table import Table


def make_flow(room: Room) -> Flow:
    """convert's subscribers."""
    flow = Flow(room.settings, "convert")

    @flow.reads(DatasetAnonymized, writes=(DatasetConverted,))
    async def anonymized(event: DatasetAnonymized) -> DatasetConverted:
        return await on_anonymized(event, room)

    return flow


def make_service(settings: Settings) -> Service:
    """The process `ecluse serve convert`."""
    settings = empty_spool(settings, "convert")
    store = open_store(settings, "convert")
    pool = make_pool(settings, "services.convert.convert_table", "services.convert.row_difference")
    published = Table(settings, CatalogPublished)
    room = Room(settings, store, pool, published)

    async def table_alive() -> bool:
        return published.alive

    async def store_alive() -> bool:
        return await store.alive("staged")

    return Service(
        name="convert",
        settings=settings,
        port=settings.convert_port,
        flow=make_flow(room),
        starts=((pool.start, pool.stop), (published.start, published.stop)),
        checks={"table": table_alive, "store": store_alive},
    )

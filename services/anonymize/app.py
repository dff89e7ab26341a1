"""anonymize: the wiring."""

from __future__ import annotations

from services.anonymize.handlers import Room, on_ingested
from shared.app import Service
from shared.broker import Flow
from shared.events import DatasetAnonymized, DatasetIngested
from shared.policy_signature import load_trusted
from shared.settings import Settings
from shared.stage_app import empty_spool, make_pool
from shared.storage import open_store


def make_flow(room: Room) -> Flow:
    """anonymize's subscribers."""
    flow = Flow(room.settings, "anonymize")

    @flow.reads(DatasetIngested, writes=(DatasetAnonymized,))
    async def ingested(event: DatasetIngested) -> DatasetAnonymized:
        return await on_ingested(event, room)

    return flow


def make_service(settings: Settings) -> Service:
    """The process `ecluse serve anonymize`."""
    settings = empty_spool(settings, "anonymize")
    store = open_store(settings, "anonymize")
    pool = make_pool(settings, "services.anonymize.anonymize_table")
    room = Room(settings, store, pool, load_trusted(settings.trusted_keys_file))

    async def store_alive() -> bool:
        return await store.alive("safe")

    return Service(
        name="anonymize",
        settings=settings,
        port=settings.anonymize_port,
        flow=make_flow(room),
        starts=((pool.start, pool.stop),),
        checks={"store": store_alive},
    )

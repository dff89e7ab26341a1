"""anonymize: the wiring."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.anonymize.handlers import Room, on_ingested
from services.anonymize.register import Register
from services.anonymize.tables import MIGRATIONS, SCHEMA
from shared.app import Service
from shared.broker import Flow
from shared.database import open_engine
from shared.events import DatasetAnonymized, DatasetIngested
from shared.migrate import is_current
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
    worked_with = ("services.anonymize.anonymize_table", "services.anonymize.warm_lists")
    pool = make_pool(settings, *worked_with)
    # Without a database what is about people stops; all else passes.
    url = settings.database.get_secret_value()
    # A dataset's turn is a transaction that lasts as long as its work, a repeat included.
    longest = 3 * settings.worker_seconds
    register = Register(open_engine(settings, idle_seconds=longest)) if url else None
    room = Room(settings, store, pool, load_trusted(settings.trusted_keys_file), register)

    async def store_alive() -> bool:
        return await store.alive("safe")

    async def nothing() -> None:
        return None

    async def migrated() -> bool:
        return await asyncio.to_thread(is_current, url, MIGRATIONS, SCHEMA)

    checks: dict[str, Callable[[], Awaitable[bool]]] = {"store": store_alive}
    starts = [(pool.start, pool.stop)]
    if register:
        checks["schema"] = migrated
        starts.append((nothing, register.engine.dispose))
    return Service(
        name="anonymize",
        settings=settings,
        port=settings.anonymize_port,
        flow=make_flow(room),
        starts=tuple(starts),
        checks=checks,
    )

"""Broker and store cannot be reached for a while: everything waits, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from deploy.local.child import free_port
from deploy.local.kafka import LocalKafka
from deploy.local.postgres import PostgresServer
from tests.connected.busy_town import ended, made, open_town, passage
from tests.connected.stores import Buckets
from tests.connected.town import Town, eventually
from tests.connected.toxiproxy import Toxiproxy

OUTAGE_SECONDS = 20


@pytest.fixture(scope="module")
def toxiproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toxiproxy]:
    """What stands between the town and its servers."""
    with Toxiproxy(tmp_path_factory.mktemp("toxiproxy")) as proxies:
        yield proxies


@pytest.mark.parametrize("way", ["cut", "stall"])
async def test_broker_and_store_cannot_be_reached(
    toxiproxy: Toxiproxy,
    postgres: PostgresServer,
    buckets: Buckets,
    database: str,
    tmp_path: Path,
    way: str,
) -> None:
    """For twenty seconds no connection, or one through which nothing comes: nothing is lost."""
    door = free_port()
    folder = tmp_path / "town"
    folder.mkdir()
    with LocalKafka(tmp_path / "kafka", advertised=door) as kafka:
        broker, store = f"broker-{way}", f"store-{way}"
        toxiproxy.proxy(broker, kafka.bootstrap, door)
        endpoint = free_port()
        toxiproxy.proxy(store, buckets.server.endpoint.removeprefix("http://"), endpoint)
        town = Town(
            folder, kafka.found_at, postgres, database, buckets,
            s3_endpoint=f"http://127.0.0.1:{endpoint}",
        )  # fmt: skip
        await town.prepare()
        try:
            driver = await open_town(town)
            for start, servers in ((1, (broker,)), (4, (store,)), (7, (broker, store))):
                load = asyncio.create_task(passage(driver, range(start, start + 3)))
                await eventually(partial(made, town, start), "nothing was published", 180)
                for server in servers:
                    getattr(toxiproxy, way)(server)
                await asyncio.sleep(OUTAGE_SECONDS)
                for server in servers:
                    toxiproxy.mend(server)
                await load
            await ended(town, driver)
        finally:
            await town.stop()

"""publish dies while it brings a dataset to another portal: it arrives once, whatever was half done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from tests.connected.account import all_is_right
from tests.connected.load_driver import LoadDriver
from tests.connected.portal_copies import PORTAL, at_rest, promised
from tests.connected.process_town import ProcessTown
from tests.connected.town import PATIENCE
from tests.peers.udata_server import Udata

# One a life, in the order in which a delivery meets them; the last call is lost with its answer.
POINTS = (
    "after-portal-claim", "before-portal-write", "inside-portal-id", "after-portal-write",
    "inside-portal-arrived", "after-portal-arrived",
)  # fmt: skip


@pytest.fixture
async def processes(
    kafka: str, postgres: PostgresServer, database: str, tmp_path: Path, udata: Udata
) -> AsyncIterator[tuple[ProcessTown, str]]:
    """A city whose services are processes, and its organisation on the portal."""
    ours = await asyncio.to_thread(udata.make_organization, f"Ville {database}")
    access = {"kind": "udata", "url": udata.url, "organization": ours, "token": "key"}
    town = ProcessTown(
        tmp_path, kafka, postgres, database,
        portals=json.dumps({PORTAL: access}), portal_tokens=json.dumps({"key": udata.key}),
    )  # fmt: skip
    await town.prepare()
    yield town, ours
    await town.stop()


async def test_publish_is_killed_on_its_way_to_a_portal(
    processes: tuple[ProcessTown, str], udata: Udata
) -> None:
    """Killed at each step of one delivery: one dataset there, its files once, and proven."""
    town, ours = processes
    town.points["publish"].extend(POINTS)
    await town.start()
    driver = LoadDriver(town)
    await driver.declare(promised(), settle=False)
    await driver.change("id;places\nB1;1\nB2;4\n")
    town.patience = PATIENCE
    await at_rest(town)
    await town.quiet()
    assert [point for _, code, point in town.deaths if code == -9] == list(POINTS)
    path = f"/api/1/datasets/?organization={ours}"
    [there] = (await asyncio.to_thread(udata.public, path))["data"]
    whole = await asyncio.to_thread(udata.public, f"/api/1/datasets/{there['id']}/")
    assert sorted(one["format"] for one in whole["resources"]) == ["csv", "json", "parquet"]
    await all_is_right(town, driver)

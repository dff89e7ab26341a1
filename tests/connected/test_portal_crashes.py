"""publish dies while it brings a dataset to another portal: it arrives once, whatever was half done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from tests.connected.account import all_is_right
from tests.connected.load_driver import LoadDriver
from tests.connected.portal_copies import PORTAL, at_rest, promised, stands, tried_again, until
from tests.connected.process_town import ProcessTown
from tests.connected.town import PATIENCE
from tests.peers.copies_server import CopiesServer
from tests.peers.udata_server import Udata

# One a life, in the order in which a delivery meets them; the last call is lost with its answer.
POINTS = (
    "after-portal-claim", "before-portal-write", "inside-portal-id", "after-portal-write",
    "inside-portal-arrived", "after-portal-arrived",
)  # fmt: skip


OUT = (
    "inside-portal-copies-listed", "before-portal-withdraw", "inside-portal-copies-looked-at",
    "inside-portal-gone",
)  # fmt: skip


@pytest.fixture
def copies() -> Iterator[CopiesServer]:
    with CopiesServer() as server:
        yield server


@pytest.fixture
async def processes(
    kafka: str,
    postgres: PostgresServer,
    database: str,
    tmp_path: Path,
    udata: Udata,
    copies: CopiesServer,
) -> AsyncIterator[tuple[ProcessTown, str]]:
    """A city whose services are processes, and its organisation on the portal."""
    ours = await asyncio.to_thread(udata.make_organization, f"Ville {database}")
    access = {
        "kind": "udata", "url": udata.url, "organization": ours, "token": "key",
        "tabular_url": copies.url,
    }  # fmt: skip
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


async def test_publish_is_killed_while_it_takes_a_dataset_off_a_portal(
    processes: tuple[ProcessTown, str], udata: Udata, copies: CopiesServer
) -> None:
    """Killed at each step of the withdrawal: gone there, and no copy that the portal's crawler made is
    forgotten, although nobody tells any more where it lies.
    """
    town, ours = processes
    await town.start()
    driver = LoadDriver(town)
    await driver.declare(promised(), settle=False)
    await driver.change("id;places\nB1;1\nB2;4\n")
    town.patience = PATIENCE
    await at_rest(town)
    path = f"/api/1/datasets/?organization={ours}"
    [there] = (await asyncio.to_thread(udata.public, path))["data"]
    whole = await asyncio.to_thread(udata.public, f"/api/1/datasets/{there['id']}/")
    [csv] = [one["id"] for one in whole["resources"] if one["format"] == "csv"]
    path = f"/api/2/datasets/{there['id']}/resources/{csv}/extras/"
    await asyncio.to_thread(udata.call, "PUT", path, copies.derive(csv))
    town.arm({"publish": OUT})
    await town.ready("publish")
    [(release,)] = town.rows("select release from publish.datasets")
    await driver.decide(release, "withdrawn")
    told = await until(town, stands("pending", "portal_copies_stand"), "copies are not told")
    assert [point for _, code, point in town.deaths if code == -9 and point] == list(OUT)
    assert len(told["withdrawn_copies"]) == 3
    assert await asyncio.to_thread(udata.public, f"/api/1/datasets/{there['id']}/") is None
    copies.there.clear()
    tried_again(town)
    told = await at_rest(town, "withdrawn")
    assert {one["state"] for one in told["withdrawn_copies"]} == {"gone"}

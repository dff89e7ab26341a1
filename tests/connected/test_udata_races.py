"""Two publishers bring datasets to one real udata: at the same time, and one after it stood still."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.local.child import free_port
from deploy.local.postgres import PostgresServer
from tests.connected.account import all_is_right
from tests.connected.load_driver import LoadDriver
from tests.connected.portal_copies import PORTAL, promised
from tests.connected.process_town import ProcessTown
from tests.connected.town import eventually
from tests.peers.moody_proxy import MoodyProxy
from tests.peers.udata_server import Udata

CREATED = "POST /api/1/datasets/"
NAMES = ("bancs", "arbres", "places")


def content(number: int) -> str:
    return f"id;places\nB1;{number}\nB2;4\n"


class Place:
    """A city whose services are processes, and its organisation on the portal behind a proxy."""

    def __init__(self, town: ProcessTown, udata: Udata, proxy: MoodyProxy, ours: str) -> None:
        self.town, self.udata, self.proxy, self.ours = town, udata, proxy, ours

    async def twin(self) -> None:
        """A second publisher."""
        spool = str(self.town.folder / "spool-2")
        told = {"publish_port": str(free_port()), "spool": spool}
        await self.town.another("publish", "-2", **told)

    async def there(self) -> dict[str, str]:
        """The datasets on the portal as anybody sees them: our URI → our release."""
        path = f"/api/1/datasets/?organization={self.ours}"
        found = (await asyncio.to_thread(self.udata.public, path))["data"]
        told = [(one["extras"]["ecluse:dataset"], one["extras"]["ecluse:release"]) for one in found]
        assert len(dict(told)) == len(told), "a dataset is there twice"
        return dict(told)

    async def arrived(self, *names: str) -> None:
        """Waits until what is public of these datasets has arrived, and nothing is under way."""
        last: list[tuple[Any, ...]] = []

        async def done() -> bool:
            nonlocal last
            last = self.town.rows(
                "select d.dataset, a.state, (select count(*) from publish.deliveries v"
                " where v.dataset = d.dataset and v.state in ('pending', 'unknown'))"
                " from publish.datasets d left join publish.arrivals a"
                f" on a.publication = d.publication and a.portal = '{PORTAL}' order by 1"
            )
            return last == [(name, "arrived", 0) for name in sorted(names)]

        try:
            await eventually(done, "", self.town.patience)
        except AssertionError:
            raise AssertionError(f"not arrived: {last}") from None

    def public(self) -> dict[str, str]:
        """What is public here: our URI → our release."""
        base = self.town.settings.public_url
        rows = self.town.rows("select dataset, release from publish.datasets")
        return {f"{base}/datasets/{dataset}": release for dataset, release in rows}


@pytest.fixture
async def place(
    kafka: str, postgres: PostgresServer, database: str, tmp_path: Path, udata: Udata
) -> AsyncIterator[Place]:
    ours = await asyncio.to_thread(udata.make_organization, f"Ville {database}")
    with MoodyProxy(udata.url) as proxy:
        access = {"kind": "udata", "url": proxy.url, "organization": ours, "token": "key"}
        town = ProcessTown(
            tmp_path, kafka, postgres, database,
            portals=json.dumps({PORTAL: access}), portal_tokens=json.dumps({"key": udata.key}),
        )  # fmt: skip
        await town.prepare()
        yield Place(town, udata, proxy, ours)
        await town.stop()


async def test_two_publishers_at_once_make_each_dataset_once(place: Place) -> None:
    """Several datasets, several releases, both at work all the time: each is there once, with the
    release that is public.
    """
    town = place.town
    await town.start()
    await place.twin()
    driver = LoadDriver(town)
    for name in NAMES:
        await driver.declare(promised(dataset=name), settle=False)
    for number in (1, 2, 3):
        await asyncio.gather(
            *(driver.change(content(number), dataset=name) for name in NAMES)
        )  # fmt: skip
    await town.quiet()
    await place.arrived(*NAMES)
    assert await place.there() == place.public()
    assert place.proxy.written().count(CREATED) == len(NAMES)
    await all_is_right(town, driver)


async def test_a_publisher_that_stood_still_brings_nothing_old(place: Place) -> None:
    """It stops dead before its first word to the portal; another makes the dataset, and brings a newer
    release there. When the first goes on it makes no second dataset and overwrites nothing.
    """
    town = place.town
    town.points["publish"].append("before-portal-write~stop")
    await town.start()
    zombie = psutil.Process(town.pid("publish"))
    driver = LoadDriver(town)
    await driver.declare(promised(), settle=False)
    await driver.change(content(1))

    async def hangs() -> bool:
        return zombie.status() == psutil.STATUS_STOPPED

    await eventually(hangs, "publish did not stop before its write", town.patience)
    await place.twin()
    await driver.change(content(2))
    await place.arrived("bancs")
    second = await place.there()
    assert second == place.public()
    zombie.send_signal(signal.SIGCONT)
    await driver.change(content(3))
    await town.quiet()
    await place.arrived("bancs")
    assert await place.there() == place.public() != second
    assert place.proxy.written().count(CREATED) == 1
    await all_is_right(town, driver)

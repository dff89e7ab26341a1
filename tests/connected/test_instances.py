"""Processes that hang, join, leave, or run out of room: the work is shared and done once."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import AsyncIterator
from hashlib import blake2b
from pathlib import Path

import psutil
import pytest

from deploy.local.child import free_port
from deploy.local.postgres import PostgresServer
from tests.cards import card
from tests.connected.account import all_is_right
from tests.connected.load_driver import LoadDriver
from tests.connected.process_town import ProcessTown
from tests.connected.town import eventually

LIMIT = 512 * 1024


@pytest.fixture
async def town(
    kafka: str, postgres: PostgresServer, database: str, tmp_path: Path
) -> AsyncIterator[ProcessTown]:
    """A city whose services are processes."""
    town = ProcessTown(tmp_path, kafka, postgres, database)
    await town.prepare()
    yield town
    await town.stop()


def benches(number: int) -> str:
    return f"id;places\nB1;{number}\nB2;4\n"


def hard_to_compress() -> str:
    """40,000 benches that every stage needs more than the limit for; the same each time, for among
    random codes there is now and then one that a guard stops."""
    names = (blake2b(str(number).encode(), digest_size=24).hexdigest() for number in range(40_000))
    return "id;places\n" + "".join(f"{name};{number}\n" for number, name in enumerate(names))


async def twin(town: ProcessTown, name: str, instance: str) -> None:
    """A second process of a service."""
    spool = str(town.folder / f"spool-{instance}")
    await town.another(name, instance, **{f"{name}_port": str(free_port()), "spool": spool})


@pytest.mark.parametrize(
    ("service", "point"),
    [
        ("ingest", "after-object"),
        ("anonymize", "after-manifest"),
        ("convert", "after-event"),
        ("publish", "inside-consider"),
        ("publish", "after-copy"),
        ("publish", "inside-flip"),
        ("notify", "inside-news"),
    ],
)
async def test_a_zombie_changes_nothing(town: ProcessTown, service: str, point: str) -> None:
    """A process stops dead in the middle of its work, another takes it over, the first comes back."""
    town.points[service].append(f"{point}~stop")
    await town.start()
    zombie = psutil.Process(town.pid(service))
    driver = LoadDriver(town)
    await driver.declare(card(), settle=False)
    await driver.change(benches(1))

    async def hangs() -> bool:
        return zombie.status() == psutil.STATUS_STOPPED

    await eventually(hangs, f"{service} did not stop at {point}", town.patience)
    await twin(town, service, "-2")
    await driver.change(benches(2))

    async def public() -> bool:
        news = town.rows("select count(*) from publish.news")
        return await town.csv() == "id,places\r\nB1,2\r\nB2,4\r\n" and news >= [(1,)]

    await eventually(public, "nobody took the work over", town.patience)
    zombie.send_signal(signal.SIGCONT)
    await driver.change(benches(3))
    await town.quiet()
    await all_is_right(town, driver)
    assert await town.csv() == "id,places\r\nB1,3\r\nB2,4\r\n"


@pytest.mark.parametrize("fate", ["", "~stop"], ids=["dies", "goes on"])
async def test_what_cannot_be_verified_is_put_back(town: ProcessTown, fate: str) -> None:
    """The portal dies between the moment a release is shown and its verification: the last verified
    one is shown again, whether its publisher goes on or dies as well."""
    await town.start()
    driver = LoadDriver(town)
    await driver.declare(card())
    await driver.change(benches(1))
    await town.quiet()
    [first] = town.rows("select release from publish.datasets")
    town.arm({"publish": [f"after-flip{fate}"]})
    await town.ready("publish")
    publisher = psutil.Process(town.pid("publish"))
    await driver.change(benches(2))

    async def shown() -> bool:
        return town.rows("select release from publish.datasets") != [first]

    await eventually(shown, "the second release was not shown", town.patience)
    town.kill_for_good("portal")
    if fate:
        publisher.send_signal(signal.SIGCONT)

    async def back() -> bool:
        return town.rows("select release from publish.datasets") == [first]

    await eventually(back, "the first release was not put back", town.patience)
    await town.start("portal")
    await town.quiet()
    await all_is_right(town, driver)
    assert await town.csv() == "id,places\r\nB1,2\r\nB2,4\r\n"


async def test_instances_join_and_leave(town: ProcessTown) -> None:
    """A second and a third process of each stage come and go while changes pass."""
    await town.start()
    driver = LoadDriver(town)
    await driver.declare(card())
    await driver.declare(card(dataset="arbres"))

    async def load() -> None:
        for number in range(1, 16):
            await driver.change(benches(number))
            await driver.change(benches(number), "arbres")

    work = asyncio.create_task(load())
    stages = ("ingest", "anonymize", "convert", "publish", "notify")
    await asyncio.gather(*(twin(town, name, "-2") for name in stages))
    await asyncio.gather(*(twin(town, name, "-3") for name in stages))
    await town.stop(*(f"{name}-2" for name in stages))
    town.kill_for_good(*(f"{name}-3" for name in stages))
    await work
    await town.quiet()
    await all_is_right(town, driver)


@pytest.mark.parametrize("service", ["ingest", "anonymize", "convert", "publish"])
async def test_a_full_disk_is_waited_for(town: ProcessTown, service: str) -> None:
    """No room for spool or store: the change waits, and passes once there is room."""
    await town.start()
    driver = LoadDriver(town)
    await driver.declare(card())
    town.limit_files(service, LIMIT)
    sent = await driver.change(hard_to_compress())

    async def waits() -> bool:
        ended = 'select stage, state, reasons from publish.changes where "end" is not null'
        assert town.rows(ended) == []
        return '"waiting"' in town.log(service) or "ours_away" in str(
            town.rows("select code from publish.deliveries")
        )

    await eventually(waits, f"{service} did not meet its limit", town.patience)
    assert await town.csv() is None
    town.limit_files(service, resource.RLIM_INFINITY)
    await town.quiet()
    await all_is_right(town, driver)
    assert await town.ends(sent) == ["published"]

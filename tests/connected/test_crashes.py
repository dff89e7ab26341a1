"""Every process is killed at every place where a crash could leave something half done.

`ECLUSE_TEST_WHOLE=1` (`make test-faults`) runs the whole matrix, else a sample of it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from tests.cards import card
from tests.connected.account import all_is_right
from tests.connected.crash_matrix import LIVES, passes
from tests.connected.load_driver import LoadDriver
from tests.connected.process_town import ProcessTown

WHOLE = os.environ.get("ECLUSE_TEST_WHOLE") == "1"


@pytest.fixture
async def processes(
    kafka: str, postgres: PostgresServer, database: str, tmp_path: Path
) -> AsyncIterator[ProcessTown]:
    """A city whose services are processes, prepared; none runs yet."""
    town = ProcessTown(tmp_path, kafka, postgres, database)
    await town.prepare()
    yield town
    await town.stop()


async def test_every_service_is_killed_at_every_point(processes: ProcessTown) -> None:
    """Each change has one end, each object its checksum, each news item and delivery stands once."""
    town = processes
    await town.start()
    driver = LoadDriver(town)
    await driver.declare(card())
    await driver.declare(card(dataset="arbres"), person=True)
    await driver.declare(card(dataset="fontaines"))
    numbers = itertools.count(1)
    for wanted in passes(whole=WHOLE):
        deaths = len(town.deaths)
        town.arm(wanted)
        for _ in range(3 * LIVES):
            await round_of(driver, next(numbers))
            if not town.still_to_come():
                break
        assert not town.still_to_come()
        killed = [name for name, code, _ in town.deaths[deaths:] if code == -9]
        assert len(killed) == sum(len(points) + 1 for points in wanted.values())
        await town.quiet()
        await all_is_right(town, driver)


async def round_of(driver: LoadDriver, number: int) -> None:
    """All that can happen to a dataset: changes, the same again, decisions, acts, a withdrawal."""
    text = f"id;places\nB1;{number}\nB2;4\n"
    await driver.change(text)
    await driver.change(text)
    await driver.change(text, "arbres")
    await driver.change(text, "fontaines")
    await driver.town.quiet()
    await driver.approve_all()
    await driver.describe(card(keywords=[f"banc {number}", "mobilier urbain"]))
    await driver.act("/pause", {"scope": "arbres", "reason": "essai"})
    await driver.act("/resume", {"scope": "arbres", "reason": "essai"})
    await driver.act("/replay", {"dataset": "bancs"})
    await driver.withdraw("fontaines")
    await driver.town.quiet()

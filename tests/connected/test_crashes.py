"""Every process is killed at every place where a crash could leave something half done."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from tests.cards import card
from tests.connected.account import all_is_right
from tests.connected.load_driver import LoadDriver
from tests.connected.process_town import ProcessTown

STAGE = (
    "before-work", "after-object", "after-manifest", "after-work", "after-event", "after-ledger",
    "before-commit",
)  # fmt: skip


def around(*steps: str) -> tuple[str, ...]:
    return tuple(f"{when}-{step}" for step in steps for when in ("before", "inside", "after"))


POINTS: dict[str, tuple[str, ...]] = {
    "ingest": STAGE,
    "anonymize": STAGE,
    "convert": STAGE,
    "publish": (
        "after-claim", "after-copy", *around("show", "flip"), "after-verify", *around("finish"),
        *around("settle", "consider", "confirm", "decide", "fold", "shelve"),
        "inside-relay", "after-relay", "before-work", "after-work", "before-commit",
    ),
    "notify": (
        "before-work", *around("news"), "inside-relay", "after-relay", "after-work",
        "after-ledger", "before-commit",
    ),
}  # fmt: skip
LIVES = 3
WHOLE = os.environ.get("ECLUSE_TEST_WHOLE") == "1"


def passes() -> list[dict[str, tuple[str, ...]]]:
    """The matrix, several lives of every service in one pass; a service with few points repeats."""
    most = max(len(points) for points in POINTS.values())
    told = []
    for start in range(0, most, LIVES):
        told.append(
            {
                name: tuple(points[at % len(points)] for at in range(start, start + LIVES))
                for name, points in POINTS.items()
            }
        )
    return told if WHOLE else told[:2]


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
    numbers = itertools.count(1)
    for wanted in passes():
        deaths = len(town.deaths)
        town.arm(wanted)

        async def worked_off() -> bool:
            """Goes on sending as long as a point has not been reached."""
            number = next(numbers)
            text = f"id;places\nB1;{number}\nB2;4\n"
            await driver.change(text)
            await driver.change(text)
            await driver.change(text, "arbres")
            await town.quiet()
            await driver.approve_all()
            await town.quiet()
            return not any(town.still_to_come().values())

        for _ in range(3 * LIVES):
            if await worked_off():
                break
        assert not any(town.still_to_come().values()), town.still_to_come()
        killed = [name for name, code, _ in town.deaths[deaths:] if code == -9]
        assert len(killed) == sum(len(points) + 1 for points in wanted.values())
        await town.quiet()
        await all_is_right(town, driver)

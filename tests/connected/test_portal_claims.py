"""Workers share a portal's deliveries: one a dataset, withdrawals first, none while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from deploy.local.postgres import PostgresServer
from services.publish import app
from services.publish import tables as t
from services.publish.portals import claims
from services.publish.portals.claims import BREAKS_AFTER, Claim
from shared.database import Database, open_engine
from shared.migrate import upgrade
from shared.settings import Settings

PORTAL = "agglo"


class Queue:
    """publish's database alone."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server, self.name = server, name
        url = server.url(name)
        upgrade(url, app.MIGRATIONS, app.SCHEMA)
        settings = Settings(database=SecretStr(url))
        self.database = Database(open_engine(settings), t.BOXES, settings, "publish")

    async def promise(self, dataset: str, publication: str, act: str = "publish") -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                t.deliveries.insert().values(
                    publication=publication, dataset=dataset, portal=PORTAL, act=act
                )
            )
        self.sql(
            f"insert into publish.portal_copies (dataset, portal) values ('{dataset}', '{PORTAL}')"
            " on conflict do nothing"
        )

    def sql(self, statement: str) -> None:
        self.server.run_sql(self.name, statement)

    async def claim(self) -> Claim | None:
        return await claims.claim(self.database, PORTAL, 60)

    async def end(self, held: Claim) -> None:
        async with self.database.transaction() as connection:
            await claims.settle(connection, held, "done")
            await claims.release(connection, held)


@pytest.fixture
async def queue(postgres: PostgresServer, database: str) -> AsyncIterator[Queue]:
    made = await asyncio.to_thread(Queue, postgres, database)
    yield made
    await made.database.engine.dispose()


async def test_one_worker_a_dataset_whatever_the_race(queue: Queue) -> None:
    """Eight at once on three datasets of two deliveries each: three get work, in release order."""
    for dataset in ("a", "b", "c"):
        await queue.promise(dataset, f"{dataset}1")
        await queue.promise(dataset, f"{dataset}2")
    found = await asyncio.gather(*(queue.claim() for _ in range(8)))
    held = [one for one in found if one]
    assert sorted(one.publication for one in held) == ["a1", "b1", "c1"]
    await queue.promise("b", "b3", "withdraw")
    for one in held:
        await queue.end(one)
    again = [await queue.claim() for _ in range(4)]
    assert [one and one.publication for one in again] == ["b3", "a2", "c2", None]


async def test_a_dead_workers_lease_is_taken_over_and_it_lets_go(queue: Queue) -> None:
    """After its time another takes the copy; the first learns that it holds it no more."""
    await queue.promise("a", "a1")
    first = await queue.claim()
    assert first
    assert await claims.keep(queue.database, first, 60)
    assert await queue.claim() is None
    queue.sql("update publish.portal_copies set lease_until = now() - interval '1 second'")
    second = await queue.claim()
    assert second
    assert (second.publication, second.attempts) == ("a1", 2)
    assert not await claims.keep(queue.database, first, 60)


async def test_a_portal_that_is_away_is_left_alone_then_tried_by_one(queue: Queue) -> None:
    """The circuit opens after failures in a row, or as the portal asks; one try closes or opens it."""
    for number in range(4):
        await queue.promise(f"d{number}", f"p{number}")
    async with queue.database.transaction() as connection:
        for _ in range(BREAKS_AFTER - 1):
            await claims.away(connection, PORTAL, "portal_away", None)
    held = await queue.claim()
    assert held
    async with queue.database.transaction() as connection:
        await claims.away(connection, PORTAL, "portal_away", None)
    assert await queue.claim() is None
    queue.sql("update publish.portal_circuits set open_until = now() - interval '1 second'")
    tries = await asyncio.gather(*(queue.claim() for _ in range(4)))
    (trial,) = [one for one in tries if one]
    async with queue.database.transaction() as connection:
        await claims.answered(connection, trial)
    assert await queue.claim() is not None


async def test_what_the_portal_asks_of_one_worker_holds_for_all(queue: Queue) -> None:
    """`Retry-After` stands, even when another worker's call is answered after it."""
    for dataset in ("a", "b", "c"):
        await queue.promise(dataset, f"{dataset}1")
    held = await queue.claim()
    assert held
    async with queue.database.transaction() as connection:
        await claims.away(connection, PORTAL, "portal_busy", 60.0)
    async with queue.database.transaction() as connection:
        await claims.answered(connection, held)
    assert await queue.claim() is None
    queue.sql("update publish.portal_circuits set open_until = now() - interval '1 second'")
    assert await queue.claim() is not None

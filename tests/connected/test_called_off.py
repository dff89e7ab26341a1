"""A delivery that was called off for a while goes out all the same, whatever comes in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import select, text

from services.publish import tables as t
from services.publish.decisions import approve
from services.publish.deliveries import DeliveryWorker
from services.publish.records import may_go_out
from shared.database import Database
from tests.cards import card
from tests.connected.town import eventually

if TYPE_CHECKING:
    from services.publish.own_portal import OwnPortal

PUBLICATION, RELEASE = "p" + "1" * 31, "r" + "2" * 31


@pytest.fixture
async def publish(publish: Database) -> Database:
    """publish's database with one card and one approved publication of it."""
    async with publish.transaction() as connection:
        await connection.execute(
            t.cards.insert().values(
                dataset="bancs", domain="espaces-verts", revision=1, digest="0" * 64,
                shaping="0" * 64, body=card().body(), declared_by="test",
            )
        )  # fmt: skip
        await connection.execute(
            t.publications.insert().values(
                publication=PUBLICATION, dataset="bancs", change="c" * 32, run="r" * 32, release=RELEASE,
                generation=1, number=1, revision=1, kind="update", shaping="0" * 64,
                policy="0" * 64, columns="0" * 64, rows=2, files=[], state="approved",
            )
        )  # fmt: skip
    return publish


class Closed:
    """A portal that nothing may go out to."""

    async def publish(self, _: object) -> bool:
        return False


async def do(publish: Database, statement: str) -> list[Any]:
    async with publish.transaction() as connection:
        done = await connection.execute(text(statement))
        return [tuple(row) for row in done.all()] if done.returns_rows else []


@pytest.mark.parametrize("was", ["true", "false"])
async def test_who_asks_waits_for_who_pauses(publish: Database, was: str) -> None:
    """While the dataset is being paused or resumed, nobody is told that it is or is not."""
    await do(publish, f"update publish.cards set paused = {was}")
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"

    async def ask() -> bool:
        async with publish.transaction() as connection:
            return await may_go_out(connection, PUBLICATION)

    async with publish.transaction() as connection:
        await connection.execute(text("update publish.cards set paused = not paused"))
        asked = asyncio.create_task(ask())

        async def waits() -> bool:
            assert not asked.done()
            return await do(publish, waiting) != [(0,)]

        await eventually(waits, "nobody waits")
    assert await asked is (was == "true")


@pytest.mark.parametrize(("shaping", "state"), [("0", "approved"), ("1", "stale")])
async def test_called_off_under_another_card(publish: Database, shaping: str, state: str) -> None:
    """What a changed card called off can be weighed again; what a pause did stays approved."""
    async with publish.transaction() as connection:
        row = (await connection.execute(select(t.publications))).one()
        await approve(publish, connection, row, by="automatic", automatic=True)
    await do(publish, f"update publish.cards set paused = true, shaping = repeat('{shaping}', 64)")
    worker = asyncio.create_task(DeliveryWorker(publish, cast("OwnPortal", Closed()), 5, 0.1).run())

    async def settled() -> bool:
        return await do(publish, "select state from publish.deliveries") == [("cancelled",)]

    await eventually(settled, "it was not called off")
    worker.cancel()
    assert await do(publish, "select state from publish.publications") == [(state,)]


async def test_an_approval_takes_up_what_was_called_off(publish: Database) -> None:
    """A release that was overtaken on its way out and has become the latest again goes out."""
    async with publish.transaction() as connection:
        row = (await connection.execute(select(t.publications))).one()
        await approve(publish, connection, row, by="automatic", automatic=True)
    await do(publish, "update publish.deliveries set state = 'cancelled', attempts = 7")
    async with publish.transaction() as connection:
        await approve(publish, connection, row, by="automatic", automatic=True)
    assert await do(publish, "select state, attempts from publish.deliveries") == [("pending", 0)]


async def test_an_approval_leaves_what_is_under_way(publish: Database) -> None:
    """A delivery that is tried at the moment keeps its lease and its count."""
    async with publish.transaction() as connection:
        row = (await connection.execute(select(t.publications))).one()
        await approve(publish, connection, row, by="automatic", automatic=True)
    await do(publish, "update publish.deliveries set attempts = 7, lease_until = now()")
    async with publish.transaction() as connection:
        await approve(publish, connection, row, by="automatic", automatic=True)
    found = await do(publish, "select state, attempts, lease_until is null from publish.deliveries")
    assert found == [("pending", 7, False)]

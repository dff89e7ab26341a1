"""Where the other portals stand, told from the database: to operators, and to everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func

from deploy.local.postgres import PostgresServer
from services.publish import app
from services.publish import tables as t
from services.publish.portal.catalogue import Copy, SqlCatalogue
from services.publish.portals import claims
from services.publish.portals import tables as p
from services.publish.portals.claims import BREAKS_AFTER
from services.publish.portals.standing import portals_of
from shared.database import Database, open_engine
from shared.migrate import upgrade
from shared.portal_settings import PortalAccess
from shared.settings import Settings

PORTALS = {
    name: PortalAccess(kind="ckan", url=f"https://{name}.example") for name in ("agglo", "region")
}
WRONG = {"format": "csv", "wrong": ["sha256"]}
VERIFIED = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def publish(postgres: PostgresServer, database: str) -> AsyncIterator[Database]:
    url = postgres.url(database)
    await asyncio.to_thread(upgrade, url, app.MIGRATIONS, app.SCHEMA)
    settings = Settings(database=SecretStr(url))
    made = Database(open_engine(settings), t.BOXES, settings, "publish")
    yield made
    await made.engine.dispose()


async def arrive(database: Database, dataset: str, publication: str, **more: Any) -> None:
    facts = {"publication": publication, "portal": "agglo", "dataset": dataset, "release": "r",
             "due": func.now(), **more}  # fmt: skip
    async with database.transaction() as connection:
        await connection.execute(p.arrivals.insert().values(facts))


async def test_each_portal_is_told_with_its_datasets_deliveries_and_circuit(
    publish: Database,
) -> None:
    """The latest release of each dataset counts, deliveries that are open, and until when none goes."""
    await arrive(publish, "a", "a1", state="failed", made_at=VERIFIED)
    await arrive(publish, "a", "a2", state="arrived")
    await arrive(publish, "b", "b1", state="pending")
    async with publish.transaction() as connection:
        for state in ("unknown", "done"):
            await connection.execute(
                t.deliveries.insert().values(
                    publication=f"b-{state}",
                    dataset="b",
                    portal="agglo",
                    act="publish",
                    state=state,
                )
            )
        for _ in range(BREAKS_AFTER):
            await claims.away(connection, "agglo", "portal_away", None)
    async with publish.transaction() as connection:
        agglo, region = await portals_of(connection, PORTALS)
    assert agglo["datasets"] == {"arrived": 1, "pending": 1}
    assert (agglo["deliveries"], agglo["code"]) == ({"unknown": 1}, "portal_away")
    assert datetime.fromisoformat(agglo["open_until"]) > datetime.now(UTC)
    assert region == {
        "portal": "region", "datasets": {}, "deliveries": {}, "open_until": None, "code": None,
    }  # fmt: skip


async def test_everybody_sees_what_was_found_of_the_public_release_alone(
    publish: Database,
) -> None:
    """Neither an earlier release, nor what was withdrawn, nor a dataset that is not public."""
    await arrive(publish, "a", "a1", state="arrived")
    await arrive(
        publish, "a", "a2", state="failed", files=[WRONG], differences=[{"field": "title"}],
        verified_at=VERIFIED,
    )  # fmt: skip
    await arrive(publish, "a", "a3", state="pending")
    await arrive(publish, "b", "b1", state="arrived")
    async with publish.transaction() as connection:
        await connection.execute(
            t.datasets.insert().values(dataset="a", publication="a2", release="r")
        )
        await connection.execute(t.datasets.insert().values(dataset="b"))
    catalogue = SqlCatalogue(publish.engine)
    assert await catalogue.copies("a") == [Copy("agglo", "failed", [WRONG], 1, VERIFIED)]
    assert await catalogue.copies("b") == []
    async with publish.transaction() as connection:
        await connection.execute(p.arrivals.update().values(state="withdrawn"))
    assert await catalogue.copies("a") == []

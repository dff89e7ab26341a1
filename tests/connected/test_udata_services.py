"""An API that a card declares is a dataservice of a real udata, over its life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.portal_settings import PortalAccess
from tests.connected.portal_copies import A, at_rest, looked_at_now, promised, until, with_portal
from tests.connected.town import Town, eventually
from tests.peers.udata_server import Udata

API = {
    "url": "https://api.ville.example/bancs",
    "documentation": "https://api.ville.example/doc",
    "description": "https://api.ville.example/openapi.json",
    "availability": 99.5,
}


class Place:
    """The town's organisation on the portal, and its dataservices as anybody sees them."""

    def __init__(self, town: Town, udata: Udata) -> None:
        self.town, self.udata = town, udata
        self.organization = udata.make_organization(f"Ville {town.database}")
        portal = PortalAccess(kind="udata", url=udata.url, organization=self.organization)
        with_portal(town, portal, udata.key)

    async def call(self, method: str, path: str, body: object = None) -> Any:
        return await asyncio.to_thread(self.udata.call, method, path, body)

    async def shown(self) -> list[dict[str, Any]]:
        path = f"/api/1/dataservices/?organization={self.organization}"
        found: list[dict[str, Any]] = (await asyncio.to_thread(self.udata.public, path))["data"]
        return found

    async def served(self, dataset: str) -> list[str]:
        """The dataservices that lead to a dataset."""
        path = f"/api/1/dataservices/?dataset={dataset}"
        found = await asyncio.to_thread(self.udata.public, path)
        return [one["id"] for one in found["data"]]


@pytest.fixture
async def place(town: Town, udata: Udata) -> AsyncIterator[Place]:
    yield await asyncio.to_thread(Place, town, udata)
    await town.stop(*town.running)


async def test_a_declared_api_over_its_life(place: Place) -> None:
    """Made, changed, hidden by hand and shown again, found again by our key, undeclared, declared anew,
    withdrawn with its dataset: one id, linked to the dataset all the time.
    """
    town = place.town
    await town.start()
    await town.declare(promised(exposure="both", api=API))
    await town.send(A)
    await town.quiet()
    copy = await at_rest(town)
    [service] = await place.shown()
    uri = f"{town.settings.public_url}/datasets/bancs"
    dataset = copy["ids"][uri]
    assert copy["ids"][f"{uri}#api"] == service["id"]
    assert await place.served(dataset) == [service["id"]]
    assert (service["title"], service["base_api_url"]) == ("Bancs publics (API)", API["url"])
    assert (service["availability"], service["license"]) == (99.5, "lov2")
    assert service["tags"] == ["banc", "mobilier-urbain"]

    # Another address: at once, without a new release.
    moved = API | {"url": "https://api.ville.example/v2/bancs", "availability": None}
    await town.declare(promised(exposure="both", api=moved))
    await at_rest(town)
    [second] = await place.shown()
    assert (second["id"], second["base_api_url"]) == (service["id"], moved["url"])
    assert second["availability"] is None

    # Somebody hides it and takes the link away; our map of its id is lost as well.
    await place.call("PATCH", f"/api/1/dataservices/{service['id']}/", {"private": True})
    await place.call("DELETE", f"/api/1/dataservices/{service['id']}/datasets/{dataset}/")
    await place.call(
        "POST", f"/api/1/dataservices/{service['id']}/datasets/", [{"id": dataset}]
    )  # fmt: skip
    town.postgres.run_sql(
        town.database, "delete from publish.portal_ids where right(ours, 4) = '#api'"
    )  # fmt: skip
    looked_at_now(town)
    await until(town, lambda one: f"{uri}#api" in one["ids"], "it is not found again")
    await at_rest(town)
    assert [one["id"] for one in await place.shown()] == [service["id"]]

    # Hidden, and its link taken away: both are mended, and the dataset is held up by neither.
    await place.call("PATCH", f"/api/1/dataservices/{service['id']}/", {"private": True})
    await place.call("DELETE", f"/api/1/dataservices/{service['id']}/datasets/{dataset}/")
    looked_at_now(town)

    async def linked() -> bool:
        found = [one["id"] for one in await place.shown()]
        return await place.served(dataset) == found == [service["id"]]

    await eventually(linked, "the link is not made again", town.patience)
    await at_rest(town)

    # The card declares no API any more, then one again.
    await town.declare(promised())
    await at_rest(town)
    assert await place.shown() == []
    await town.declare(promised(exposure="api", api=API))
    await at_rest(town)
    assert [one["id"] for one in await place.shown()] == [service["id"]]

    [(release,)] = town.rows("select release from publish.datasets")
    await town.act(f"/releases/{release}/decision", {"verdict": "withdrawn", "reason": "essai"})
    told = await at_rest(town, "withdrawn")
    assert await place.shown() == []
    assert [(one["kind"], one["state"]) for one in told["withdrawn_copies"]] == [
        ("dataservice", "gone")
    ]

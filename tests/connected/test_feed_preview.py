"""As soon as a release is out, a real udata is asked what it would make of the feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from shared.settings import HarvestPortal
from tests.cards import card
from tests.connected.town import Town, eventually
from tests.peers.altered_feed import AlteredFeed, only
from tests.peers.udata_server import Udata

PORTAL = "data.gouv.fr"
PORTALS: list[Any] = ["own", {"udata": PORTAL, "by": "harvest"}]
A = "id;places\nB1;3\nB2;4\n"


class Place:
    """The town as the portal knows it: an organisation, and nothing harvested yet."""

    def __init__(self, town: Town, udata: Udata) -> None:
        self.town, self.udata = town, udata
        self.organization = udata.make_organization(f"Ville {town.database}")
        self.with_key(udata.key)

    def with_key(self, key: str) -> None:
        portal = HarvestPortal(
            url=self.udata.url, source="none", organization=self.organization, token="key"
        )
        self.town.settings = self.town.settings.model_copy(
            update={
                "harvest_portals": {PORTAL: portal},
                "portal_tokens": {"key": SecretStr(key)},
                "harvest_look_seconds": 0.3,
            }
        )

    async def check(self, dataset: str) -> dict[str, Any]:
        answer = await self.town.http.get(f"{self.town.settings.notify_url}/harvest/{dataset}")
        found: dict[str, Any] = answer.json()["harvest"][0]
        return found

    async def says(self, dataset: str, *codes: str) -> dict[str, Any]:
        """Waits until the latest dry run says this, and nothing else."""
        found: dict[str, Any] = {}

        async def said() -> bool:
            nonlocal found
            found = await self.check(dataset)
            told = [one["code"] for one in found["preview"]]
            return found["previewed_at"] is not None and told == list(codes)

        await eventually(said, f"the dry run does not say {codes}", self.town.patience)
        return found

    async def counted(self, number: int) -> None:
        line = f'ecluse_harvest_preview_refused{{portal="{PORTAL}"}} {number}.0'

        async def told() -> bool:
            metrics = await self.town.http.get(f"{self.town.settings.notify_url}/metrics")
            return line in metrics.text

        await eventually(told, f"{line} is not counted", self.town.patience)


@pytest.fixture
async def place(town: Town, udata: Udata) -> AsyncIterator[Place]:
    yield await asyncio.to_thread(Place, town, udata)
    await town.stop(*town.running)


async def test_what_the_portal_would_refuse_is_told_before_it_harvests(place: Place) -> None:
    """Two datasets go out at once; the one whose identifier another city has taken is told, with what to
    do, and told mended once it is. The harvest itself has not run at all.
    """
    town, udata = place.town, place.udata
    await town.start()
    for name in ("bancs", "arbres"):
        await town.declare(card(dataset=name, portals=PORTALS), settle=False)
    await town.quiet()
    base = town.settings.public_url

    async def send(name: str) -> None:
        await town.send(A, dataset=name)
        await town.quiet()

    await send("bancs")
    found = await place.says("bancs")
    # Nobody has harvested anything: the dry run is all there is.
    assert found["verdict"] in (None, "JOB_NOT_RUN")

    # Another city harvests what will be our identifier, from a feed of its own.
    def page(number: int) -> str:
        text = httpx.get(f"{base}/catalog.ttl?page={number}", trust_env=False, timeout=30).text
        return text.replace("/datasets/bancs", "/datasets/arbres")

    other = await asyncio.to_thread(udata.make_organization, "Une autre ville")
    with AlteredFeed(base, page) as feed:
        feed.alter = only(f"{base}/datasets/arbres")
        source = await asyncio.to_thread(udata.make_source, other, feed.url)
        job = await asyncio.to_thread(udata.harvest, source)
    assert job["items"]["by_status"]["done"] == 1
    await send("arbres")
    found = await place.says("arbres", "preview_refused")
    assert found["preview"][0]["detail"] == "owner"
    await place.counted(1)
    # Nothing was held back, and nothing was saved over there.
    assert town.rows("select count(*) from publish.publications where state = 'published'") == [
        (2,)
    ]
    path = f"/api/1/datasets/?organization={place.organization}"
    assert (await asyncio.to_thread(udata.public, path))["data"] == []

    # The other city gives it up.
    path = f"/api/1/datasets/?organization={other}"
    [taken] = (await asyncio.to_thread(udata.public, path))["data"]
    transfer = {
        "subject": {"class": "Dataset", "id": taken["id"]},
        "recipient": {"class": "Organization", "id": place.organization},
        "comment": "rendu",
    }
    asked = await asyncio.to_thread(udata.call, "POST", "/api/1/transfer/", transfer)
    path = f"/api/1/transfer/{asked['id']}/"
    await asyncio.to_thread(udata.call, "POST", path, {"response": "accept"})
    await place.says("arbres")
    await place.counted(0)


async def test_an_api_is_harvested_with_its_dataset(place: Place) -> None:
    """The feed's data service becomes a dataservice there, linked to the dataset; the dry run and the
    checks of the harvest know the dataset beside it.
    """
    town, udata = place.town, place.udata
    await town.start()
    api = {
        "url": "https://api.ville.example/bancs",
        "description": "https://api.ville.example/o.json",
    }
    await town.declare(card(portals=PORTALS, exposure="both", api=api))
    await town.send(A)
    await town.quiet()
    await place.says("bancs")
    feed = f"{town.settings.public_url}/catalog.ttl"
    source = await asyncio.to_thread(udata.make_source, place.organization, feed)
    job = await asyncio.to_thread(udata.harvest, source)
    assert job["items"]["by_status"]["done"] == 2
    path = f"/api/1/dataservices/?organization={place.organization}"
    [there] = (await asyncio.to_thread(udata.public, path))["data"]
    assert (there["title"], there["base_api_url"]) == ("Bancs publics (API)", api["url"])
    assert (there["machine_documentation_url"], there["license"]) == (api["description"], "lov2")
    path = f"/api/1/datasets/?dataservice={there['id']}"
    [served] = (await asyncio.to_thread(udata.public, path))["data"]
    assert served["title"] == "Bancs publics"


async def test_a_key_that_the_portal_refuses_is_told(place: Place) -> None:
    """The release is out, the harvest needs no key; with a new one the dry run takes place."""
    town = place.town
    place.with_key("udata_wrong")
    await town.start()
    await town.declare(card(portals=PORTALS))
    await town.send(A)
    await town.quiet()
    found = await place.says("bancs", "preview_key_refused")
    assert found["preview"][0]["detail"] == "HTTP 401"
    await town.stop("notify")
    place.with_key(place.udata.key)
    await town.start("notify")
    await place.says("bancs")

"""What a real udata's crawler made of our files is looked at after a withdrawal, until it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.portal_settings import PortalAccess
from tests.connected.portal_copies import (
    PORTAL,
    A,
    B,
    at_rest,
    promised,
    stands,
    tried_again,
    until,
    with_portal,
)
from tests.connected.town import Town, eventually
from tests.peers.altered_feed import AlteredFeed
from tests.peers.copies_server import CopiesServer
from tests.peers.udata_server import Udata


class Crawled:
    """The town's organisation on the portal, and what its crawler derives."""

    def __init__(self, town: Town, udata: Udata, copies: CopiesServer) -> None:
        self.town, self.udata, self.copies = town, udata, copies
        self.organization = udata.make_organization(f"Ville {town.database}")
        portal = PortalAccess(
            kind="udata", url=udata.url, organization=self.organization, tabular_url=copies.url
        )
        with_portal(town, portal, udata.key)

    async def csv(self) -> tuple[str, str]:
        """The ids of the dataset and its CSV file, as strangers see them."""
        path = f"/api/1/datasets/?organization={self.organization}"
        found: list[dict[str, Any]] = []

        async def listed() -> bool:
            # While the portal writes a dataset, its stand-in for a database may leave it out.
            found[:] = (await asyncio.to_thread(self.udata.public, path))["data"]
            return bool(found)

        await eventually(listed, "the portal does not list the dataset")
        [dataset] = found
        whole = await asyncio.to_thread(self.udata.public, f"/api/1/datasets/{dataset['id']}/")
        [csv] = [one["id"] for one in whole["resources"] if one["format"] == "csv"]
        return whole["id"], csv

    async def crawl(self, **more: str) -> tuple[str, str]:
        """The crawler reads the CSV file, and writes what it made of it."""
        dataset, csv = await self.csv()
        path = f"/api/2/datasets/{dataset}/resources/{csv}/extras/"
        told = self.copies.derive(csv) | {f"analysis:parsing:{n}": v for n, v in more.items()}
        await asyncio.to_thread(self.udata.call, "PUT", path, told)
        return dataset, csv

    async def withdraw(self, **more: object) -> dict[str, Any]:
        [(release,)] = self.town.rows("select release from publish.datasets")
        told = {"verdict": "withdrawn", "reason": "un nom", "motive": "personal_data", **more}
        return await self.town.act(f"/releases/{release}/decision", told)

    async def sheet(self) -> dict[str, Any]:
        """The breach sheet's line about the portal."""
        [sheet] = (await self.town.call("GET", "/breaches")).json()["breaches"]
        [told] = [one for one in sheet["portals"] if one["portal"] == PORTAL]
        return dict(told)

    async def states(self) -> dict[str, str]:
        return {one["kind"]: one["state"] for one in (await self.sheet())["copies"]}


@pytest.fixture
async def crawled(town: Town, udata: Udata) -> AsyncIterator[Crawled]:
    with CopiesServer() as copies:
        yield await asyncio.to_thread(Crawled, town, udata, copies)
        await town.stop(*town.running)


async def test_a_withdrawal_is_open_until_the_last_copy_is_gone_or_answered_for(
    crawled: Crawled,
) -> None:
    """The dataset goes at once; its copies are named with their addresses, each until it is gone."""
    town, copies = crawled.town, crawled.copies
    await town.start()
    await town.declare(promised())
    await town.send(A)
    await town.quiet()
    await at_rest(town)
    dataset, csv = await crawled.crawl()
    await crawled.withdraw()
    told = await until(town, stands("pending", "portal_copies_stand"), "copies are not told")
    assert await asyncio.to_thread(crawled.udata.public, f"/api/1/datasets/{dataset}/") is None
    assert (told["state"], told["reasons"][0]["count"]) == ("failed", 3)
    assert {one["address"] for one in told["withdrawn_copies"]} == {
        f"{copies.url}{path}" for path in copies.there
    }
    assert await crawled.states() == dict.fromkeys(("parquet", "pmtiles", "tabular"), "stands")
    assert not (await crawled.sheet())["gone"]
    listed = await town.http.get(f"http://127.0.0.1:{town.settings.publish_port}/metrics")
    assert f'ecluse_withdrawn_copies{{portal="{PORTAL}",state="stands"}} 3.0' in listed.text

    # The portal's team takes one away; a person answers for another; the third goes last.
    copies.there.discard(f"/{csv}.parquet")
    body = {"portal": PORTAL, "kind": "tabular", "reason": "l'équipe confirme par écrit"}
    assert (await town.call("POST", "/datasets/bancs/copies", body, "demo-exploitation")).is_error
    assert (await town.act("/datasets/bancs/copies", body))["settled"] == 1
    await until(
        town,
        lambda one: (
            {each["kind"]: each["state"] for each in one["withdrawn_copies"]}
            == {"parquet": "gone", "pmtiles": "stands", "tabular": "settled"}
        ),
        "one that is gone is not seen",
    )
    assert not (await crawled.sheet())["gone"]
    copies.there.discard(f"/{csv}.pmtiles")
    tried_again(town)
    await at_rest(town, "withdrawn")
    assert (await crawled.sheet())["gone"]
    assert (await crawled.states())["pmtiles"] == "gone"
    # As a stranger: our token goes nowhere but to the portal.
    assert {key for _, key in copies.asked} == {None}
    [(detail,)] = town.rows("select detail from publish.audit where act = 'copies settled'")
    assert detail == body["reason"]
    again = await town.call("POST", "/datasets/bancs/copies", body)
    assert (again.status_code, again.json()["refused"][0]["code"]) == (404, "copies_none")


async def test_copies_made_anew_from_the_release_put_back_are_no_breach(crawled: Crawled) -> None:
    """The release of before is back at once; the withdrawal stays open until the crawler has read it."""
    town, copies = crawled.town, crawled.copies
    await town.start()
    await town.declare(promised())
    await town.send(A)
    await town.quiet()
    await at_rest(town)
    [(good,)] = town.rows("select release from publish.datasets")
    await town.send(B)
    await town.quiet()
    await until(
        town, lambda one: one["release"] != good and not one["deliveries"], "no second release"
    )
    began = datetime.now(UTC)
    _, csv = await crawled.crawl(started_at=began.isoformat())
    await crawled.withdraw(put_back=True)
    await until(
        town,
        lambda one: (
            one["release"] == good
            and one["state"] == "arrived"
            and stands("pending", "portal_copies_stand")(one)
        ),
        "the copies of the withdrawn release are not told",
    )
    # The crawler comes back, long after: what lies there now is of the release put back.
    await crawled.crawl(started_at=(began + timedelta(hours=12)).isoformat())
    tried_again(town)
    await at_rest(town)
    assert copies.rows(csv) in copies.there
    assert set((await crawled.states()).values()) == {"rebuilt"}
    assert (await crawled.sheet())["gone"]


@pytest.mark.parametrize("token", ["key", ""], ids=["our token", "no token"])
async def test_a_harvested_dataset_and_its_copies_go(crawled: Crawled, token: str) -> None:
    """Nothing was ever pushed there: found under our URI, deleted with its API, its copies looked at.

    Without the organisation's token a person writes to the portal's team, and is told what; that it has
    done all of it is seen.
    """
    town, udata = crawled.town, crawled.udata
    portal = town.settings.portals[PORTAL].model_copy(update={"token": token})
    town.settings = town.settings.model_copy(update={"portals": {PORTAL: portal}})
    await town.start()
    api = {"url": "https://api.ville.example/bancs"}
    by_harvest = ["own", {"udata": PORTAL, "by": "harvest"}]
    await town.declare(promised(portals=by_harvest, exposure="both", api=api))
    await town.send(A)
    await town.quiet()
    base = town.settings.public_url

    def page(number: int) -> str:
        address = f"{base}/catalog.ttl?page={number}"
        return httpx.get(address, timeout=30, trust_env=False).raise_for_status().text

    with AlteredFeed(base, page) as feed:
        source = await asyncio.to_thread(udata.make_source, crawled.organization, feed.url)
        await asyncio.to_thread(udata.harvest, source)
    dataset, csv = await crawled.crawl()
    await crawled.withdraw()
    services = f"/api/1/dataservices/?organization={crawled.organization}"
    if not token:
        await until(town, stands("pending", "portal_token_refused"), "the refusal is not told")
        told = await crawled.sheet()
        assert (told["gone"], told["ask"]) == (False, True)
        kinds = {one["kind"]: one["address"] for one in told["copies"]}
        assert set(kinds) == {"parquet", "pmtiles", "tabular", "dataservice"}
        assert all(address in told["request"]["fr"] for address in kinds.values())
        # Its team does what it is asked, but forgets the copies.
        [there] = (await asyncio.to_thread(udata.public, services))["data"]
        for path in (f"/api/1/datasets/{dataset}/", f"/api/1/dataservices/{there['id']}/"):
            await asyncio.to_thread(udata.call, "DELETE", path)
        tried_again(town)
    await until(town, stands("pending", "portal_copies_stand"), "copies are not told")
    assert await asyncio.to_thread(udata.public, f"/api/1/datasets/{dataset}/") is None
    told = await crawled.sheet()
    assert (told["by"], told["gone"], told["ask"]) == ("harvest", False, False)
    assert f"/{csv}.parquet" in told["request"]["en"]
    assert [one["kind"] for one in told["copies"] if one["state"] == "gone"] == ["dataservice"]
    assert len([one for one in told["copies"] if one["state"] == "stands"]) == 3
    assert (await asyncio.to_thread(udata.public, services))["data"] == []
    crawled.copies.there.clear()
    tried_again(town)
    await until(town, lambda one: not one["deliveries"], "what is gone holds the withdrawal open")
    told = await crawled.sheet()
    assert told["gone"]
    assert "request" not in told

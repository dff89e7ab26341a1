"""Datasets go to a real udata, the software of data.gouv.fr, by its API, and come back from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.portal_settings import PortalAccess
from tests.connected.portal_copies import (
    A,
    B,
    at_rest,
    copy,
    promised,
    stands,
    tried_again,
    until,
    with_portal,
)
from tests.connected.town import Town, eventually
from tests.peers.moody_proxy import MoodyProxy, calm, writes
from tests.peers.udata_server import Udata


class Place:
    """The town's organisation on the portal, reached through a proxy that can fail."""

    def __init__(self, town: Town, udata: Udata, proxy: MoodyProxy) -> None:
        self.town, self.udata, self.proxy = town, udata, proxy
        self.organization = udata.make_organization(f"Ville {town.database}")

    def portal(self, **fields: Any) -> PortalAccess:
        told = {"kind": "udata", "url": self.proxy.url, "organization": self.organization}
        return PortalAccess.model_validate(told | fields)

    async def shown(self) -> list[dict[str, Any]]:
        """The organisation's datasets, as anybody sees them."""
        path = f"/api/1/datasets/?organization={self.organization}"
        found: list[dict[str, Any]] = (await asyncio.to_thread(self.udata.public, path))["data"]
        return found

    async def there(self) -> dict[str, Any]:
        """The one dataset."""
        [one] = await self.shown()
        whole: dict[str, Any] = await asyncio.to_thread(
            self.udata.public, f"/api/1/datasets/{one['id']}/"
        )
        return whole

    async def edit(self, **fields: object) -> None:
        """A person edits the dataset in the portal's form, which sends the others as they are."""
        form = ("title", "description", "tags", "license", "frequency", "temporal_coverage")
        there = await self.there()
        sent = {name: there[name] for name in form} | fields
        path = f"/api/1/datasets/{there['id']}/"
        await asyncio.to_thread(self.udata.call, "PUT", path, sent)


@pytest.fixture
async def place(town: Town, udata: Udata) -> AsyncIterator[Place]:
    with MoodyProxy(udata.url) as proxy:
        yield await asyncio.to_thread(Place, town, udata, proxy)
        # The services stop before their portal does.
        await town.stop(*town.running)


def ids(dataset: dict[str, Any]) -> dict[str, str]:
    return {one["format"]: one["id"] for one in dataset["resources"]}


async def test_a_dataset_over_its_life(place: Place) -> None:
    """Made, renamed, relicensed, files added and removed and replaced, edited by hand, withdrawn, back:
    the addresses stay, and each state is proven by what a stranger fetches.
    """
    town = place.town
    with_portal(town, place.portal(), place.udata.key)
    await town.start()
    await town.declare(promised())
    await town.send(A)
    await town.quiet()
    arrived = await at_rest(town)
    assert [one["wrong"] for one in arrived["files"]] == [[], [], []]
    assert all(all(one["checks"].values()) for one in arrived["files"])
    first = await place.there()
    assert (first["title"], first["license"], first["frequency"]) == (
        "Bancs publics",
        "lov2",
        "monthly",
    )
    assert first["tags"] == ["banc", "mobilier-urbain"]
    assert first["spatial"]["zones"] == ["fr:commune:69123"]
    assert first["temporal_coverage"]["start"].startswith("2020-01-01")
    [point] = first["contact_points"]
    assert point["email"] == "espaces-verts@ville.example"
    assert set(ids(first)) == {"csv", "json", "parquet"}

    # Another title and licence, one file less and one more: a new release, the same addresses.
    changed = promised(
        title={"fr": "Bancs de la ville"},
        licence="odbl",
        formats=["csv", "parquet", "ndjson"],
        departures={
            "licence": "une source sous ODbL y est mêlée",
            "formats": "le JSON n'est plus demandé par personne",
        },
    )
    await town.declare(changed)
    await town.send(B)
    await town.quiet()
    await until(town, lambda one: one["state"] == "arrived" and len(one["ids"]) == 5, "no update")
    await at_rest(town)
    second = await place.there()
    assert (second["id"], second["title"], second["license"]) == (
        first["id"],
        "Bancs de la ville",
        "odc-odbl",
    )
    kept = {form: one for form, one in ids(first).items() if form != "json"}
    assert {form: ids(second)[form] for form in kept} == kept
    assert set(ids(second)) == {"csv", "parquet", "ndjson"}

    # A person edits a text and adds a document: both stay, and are shown; the licence does not.
    document = {"title": "Notice", "type": "documentation", "filetype": "remote",
                "url": "https://ville.example/notice.pdf", "format": "pdf"}  # fmt: skip
    path = f"/api/1/datasets/{first['id']}/resources/"
    await asyncio.to_thread(place.udata.call, "POST", path, document)
    await place.edit(description="Écrit à la main.", license="notspecified")
    await town.send(A)
    await town.quiet()
    edited = await until(
        town, lambda one: not one["deliveries"] and one["edits"], "the edit is not seen"
    )
    assert [one["field"] for one in edited["edits"]] == ["description", "license"]
    third = await place.there()
    assert (third["description"], third["license"]) == ("Écrit à la main.", "odc-odbl")
    assert set(ids(third)) == {"csv", "parquet", "ndjson", "pdf"}

    # Withdrawn: gone for strangers; approved again: back under the same ids.
    [(release,)] = town.rows("select release from publish.datasets")
    await town.act(f"/releases/{release}/decision", {"verdict": "withdrawn", "reason": "essai"})
    await at_rest(town, "withdrawn")
    assert await place.shown() == []
    path = f"/api/1/datasets/{first['id']}/"
    assert await asyncio.to_thread(place.udata.public, path) is None
    await town.send(B)
    await town.quiet()
    await at_rest(town)
    back = await place.there()
    assert (back["id"], ids(back)["csv"]) == (first["id"], ids(first)["csv"])


async def test_a_portal_that_fails(place: Place) -> None:
    """Away for the whole publication, busy, cut off after it did what it was told, answering pages of
    errors: nothing is lost, nothing is made twice, the change has its end at once.
    """
    town, proxy = place.town, place.proxy
    with_portal(town, place.portal(), place.udata.key)
    await town.start()
    await town.declare(promised())
    proxy.down()
    change = await town.send(A)
    await town.quiet()
    assert (await town.change(change))["end"] == "published"

    await until(town, stands("pending", "portal_away"), "away is not told")
    proxy.up()
    proxy.mood = writes("busy")
    tried_again(town)
    await until(town, stands("pending", "portal_busy"), "busy is not told")
    assert town.rows("select open_until > now() - interval '1 minute' from publish.portal_circuits")
    proxy.mood = lambda method, path: (
        "cut" if method == "POST" and path == "/api/1/datasets/" else "pass"
    )
    tried_again(town)
    await until(town, stands("unknown", "portal_unanswered"), "what is not known is not told")
    assert (await copy(town))["state"] == "pending"
    proxy.mood = calm
    tried_again(town)
    await at_rest(town)
    assert len([one for one in proxy.written() if one == "POST /api/1/datasets/"]) == 1
    dataset = await place.there()

    proxy.mood = writes("page")
    await town.send(B)
    await town.quiet()
    await until(town, stands("unknown", "portal_unreadable"), "a page of errors passed")
    proxy.mood = calm
    tried_again(town)
    await at_rest(town)
    assert (await place.there())["id"] == dataset["id"]

    async def counted() -> bool:
        address = f"http://127.0.0.1:{town.settings.publish_port}/metrics"
        listed = (await town.http.get(address)).text
        return 'ecluse_portal_arrivals{portal="agglo",state="arrived"} 2.0' in listed

    await eventually(counted, "arrivals are not counted", town.patience)


async def test_a_token_that_is_revoked_while_the_service_runs(place: Place) -> None:
    """Said once the portal refuses it; the release is out all the same, strangers keep what they had
    there, and a new token brings what was missed.
    """
    town, udata = place.town, place.udata
    made = await asyncio.to_thread(
        udata.call, "POST", "/api/1/me/api_tokens/", {"name": town.database}
    )
    with_portal(town, place.portal(), made["token"])
    await town.start()
    await town.declare(promised())
    await town.send(A)
    await town.quiet()
    await at_rest(town)
    first = await place.there()
    path = f"/api/1/me/api_tokens/{made['id']}/"
    await asyncio.to_thread(udata.call, "DELETE", path)
    change = await town.send(B)
    await town.quiet()
    assert (await town.change(change))["end"] == "published"
    await until(town, stands("pending", "portal_token_refused"), "the refusal is not told")
    still = await place.there()
    assert still["extras"] == first["extras"]
    assert ids(still) == ids(first)
    await town.stop("publish")
    with_portal(town, place.portal(), udata.key)
    await town.start("publish")
    tried_again(town)
    await at_rest(town)
    there = await place.there()
    assert (there["id"], ids(there)) == (first["id"], ids(first))
    assert there["extras"]["ecluse:release"] != first["extras"]["ecluse:release"]


async def test_a_portal_that_hosts_the_files(place: Place) -> None:
    """Proven by what a stranger fetches there; a withdrawal leaves nothing at their addresses, and the
    release of before comes back to the same dataset.
    """
    town, udata = place.town, place.udata
    # Its files lie elsewhere than its API.
    with_portal(town, place.portal(mode="upload", public_url=udata.url), udata.key)
    await town.start()
    await town.declare(promised())
    await town.send(A)
    await town.quiet()
    told = await at_rest(town)
    assert [(one["code"], one["detail"]) for one in told["warnings"]] == [
        ("portal_format_linked", "parquet")
    ]
    assert {one["format"]: one["ours"] for one in told["files"]} == {
        "csv": False, "json": False, "parquet": True,
    }  # fmt: skip
    assert [one["wrong"] for one in told["files"]] == [[], [], []]
    first = await place.there()
    [(good,)] = town.rows("select release from publish.datasets")
    await town.send(B)
    await town.quiet()
    await until(town, lambda one: one["release"] != good, "the second is not under way")
    await at_rest(town)
    second = await place.there()
    assert (second["id"], ids(second)) == (first["id"], ids(first))
    [(bad,)] = town.rows("select release from publish.datasets")
    await town.act(
        f"/releases/{bad}/decision",
        {"verdict": "withdrawn", "reason": "un nom", "motive": "personal_data", "put_back": True},
    )
    await until(
        town,
        lambda one: one["release"] == good and one["state"] == "arrived" and not one["deliveries"],
        "the release of before is not back",
    )
    back = await place.there()
    assert back["id"] == first["id"]

    async def status(address: str) -> int:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(address)).status_code

    def hosted(dataset: dict[str, Any]) -> set[str]:
        return {one["url"] for one in dataset["resources"] if one["filetype"] == "file"}

    assert {await status(one) for one in hosted(back)} == {200}
    gone = (hosted(first) | hosted(second)) - hosted(back)
    assert {await status(one) for one in gone} == {404}
    listed = (await copy(town))["withdrawn_copies"]
    assert {one["address"] for one in listed} == hosted(second)
    assert {one["state"] for one in listed} <= {"gone", "rebuilt"}

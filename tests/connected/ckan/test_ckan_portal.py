"""Datasets go to a real CKAN by its API, and come back from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.portal_settings import PortalAccess
from tests.connected.portal_copies import (
    A,
    B,
    at_rest,
    looked_at_now,
    promised,
    stands,
    tried_again,
    until,
    with_portal,
)
from tests.connected.town import Town
from tests.peers.ckan_server import CkanServer
from tests.peers.moody_proxy import MoodyProxy, calm, writes


class Place:
    """The town's organisation on the portal, reached through a proxy that can fail."""

    def __init__(self, town: Town, ckan: CkanServer, proxy: MoodyProxy) -> None:
        self.town, self.ckan, self.proxy = town, ckan, proxy
        self.organization = town.database.replace("_", "-")
        ckan.call("organization_create", name=self.organization)

    def portal(self, **fields: Any) -> PortalAccess:
        told = {
            "kind": "ckan",
            "url": self.proxy.url,
            # The portal gives its files' addresses by its own name, not by the proxy's.
            "public_url": self.ckan.url,
            "organization": self.organization,
            "prefix": f"{self.organization}-",
        }
        return PortalAccess.model_validate(told | fields)

    async def there(self) -> dict[str, Any] | None:
        """The dataset as anybody sees it."""
        name = f"{self.organization}-bancs"
        found: dict[str, Any] | None = await asyncio.to_thread(
            self.ckan.public, "package_show", id=name
        )
        return found

    async def edit(self, **fields: object) -> None:
        name = f"{self.organization}-bancs"
        await asyncio.to_thread(self.ckan.call, "package_patch", id=name, **fields)


@pytest.fixture
async def place(town: Town, ckan: CkanServer) -> AsyncIterator[Place]:
    with MoodyProxy(ckan.url) as proxy:
        yield await asyncio.to_thread(Place, town, ckan, proxy)
        await town.stop(*town.running)


def ids(dataset: dict[str, Any]) -> dict[str, str]:
    return {one["format"].lower(): one["id"] for one in dataset["resources"]}


async def test_a_dataset_over_its_life(place: Place) -> None:
    """Made, renamed, relicensed, files added and removed, edited by hand, withdrawn, back: the
    addresses stay, and a stranger finds what was promised.
    """
    town = place.town
    with_portal(town, place.portal(), place.ckan.token)
    await town.start()
    await town.declare(promised())
    await town.send(A)
    await town.quiet()
    arrived = await at_rest(town)
    assert [one["code"] for one in arrived["warnings"]] == ["portal_licence_unknown"]
    first = await place.there()
    assert first
    assert (first["title"], first["license_id"], first["private"]) == (
        "Bancs publics",
        "other-at",
        False,
    )
    assert {one["name"] for one in first["tags"]} == {"banc", "mobilier urbain"}
    assert first["organization"]["name"] == place.organization
    assert set(ids(first)) == {"csv", "json", "parquet"}
    # A second look writes nothing.
    before = len(place.proxy.written())
    looked_at_now(town)
    await until(town, lambda one: bool(one["looked_at"] > arrived["looked_at"]), "no second look")
    assert [one for one in place.proxy.written()[before:] if "_show" not in one] == []

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
    await until(town, lambda one: len(one["ids"]) == 5 and not one["deliveries"], "no update")
    await at_rest(town)
    second = await place.there()
    assert second
    assert (second["id"], second["title"], second["license_id"]) == (
        first["id"],
        "Bancs de la ville",
        "odc-odbl",
    )
    assert set(ids(second)) == {"csv", "parquet", "ndjson"}
    assert [ids(second)[form] for form in ("csv", "parquet")] == [
        ids(first)[form] for form in ("csv", "parquet")
    ]

    document = {"name": "Notice", "url": "https://ville.example/notice.pdf", "format": "PDF"}
    extras = [*second["extras"], {"key": "comment", "value": "d'une personne"}]
    await place.edit(
        notes="Écrit à la main.", extras=extras, resources=[*second["resources"], document]
    )
    await town.send(A)
    await town.quiet()
    edited = await until(
        town, lambda one: not one["deliveries"] and one["edits"], "the edit is not seen"
    )
    assert [one["field"] for one in edited["edits"]] == ["notes"]
    third = await place.there()
    assert third
    assert third["notes"] == "Écrit à la main."
    assert set(ids(third)) == {"csv", "parquet", "ndjson", "pdf"}
    assert {"key": "comment", "value": "d'une personne"} in third["extras"]

    [(release,)] = town.rows("select release from publish.datasets")
    await town.act(f"/releases/{release}/decision", {"verdict": "withdrawn", "reason": "essai"})
    await at_rest(town, "withdrawn")
    assert await place.there() is None
    gone = await asyncio.to_thread(place.ckan.public, "resource_show", id=ids(first)["csv"])
    assert gone is None
    await town.send(B)
    await town.quiet()
    await at_rest(town)
    back = await place.there()
    assert back
    assert (back["id"], ids(back)["csv"]) == (first["id"], ids(first)["csv"])


async def test_files_are_uploaded_and_the_portal_fails(place: Place) -> None:
    """Uploaded files are replaced under their addresses; a cut answer makes nothing twice; a revoked
    token is said, and mended by a new one without anybody's help.
    """
    town, proxy = place.town, place.proxy
    with_portal(town, place.portal(mode="upload"), place.ckan.token)
    await town.start()
    await town.declare(promised())
    cut = {"left": 1}

    def once(_method: str, path: str) -> Any:
        if path.endswith("package_create") and cut["left"]:
            cut["left"] = 0
            return "cut"
        return "pass"

    proxy.mood = once
    change = await town.send(A)
    await town.quiet()
    assert (await town.change(change))["end"] == "published"
    await until(town, stands("unknown", "portal_unanswered"), "what is not known is not told")
    tried_again(town)
    await at_rest(town)
    creations = [one for one in proxy.written() if one.endswith("/package_create")]
    assert len(creations) == 1
    first = await place.there()
    assert first
    hosted = {one["format"].lower(): one["url"] for one in first["resources"]}
    assert all("/download/" in url for url in hosted.values())

    proxy.mood = writes("page")
    await town.send(B)
    await town.quiet()
    await until(town, stands("unknown", "portal_unreadable"), "a page of errors passed")
    proxy.mood = calm
    tried_again(town)
    await at_rest(town)
    second = await place.there()
    assert second
    assert ids(second) == ids(first)
    text = (await town.http.get(hosted["csv"])).text
    assert "B2" in text
    assert "5" in text

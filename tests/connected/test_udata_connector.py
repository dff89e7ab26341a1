"""The connector alone on a real udata: many files, and a token that ends while it is used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from services.publish.portals import compare
from services.publish.portals import udata as connector
from services.publish.portals.connector import Access, Connector, Ids, Seen, Wanted
from services.publish.portals.wanted import make_wanted
from shared.event_parts import FileRef
from shared.failures import Quarantined
from shared.portal_settings import PortalAccess
from tests.cards import card
from tests.peers.udata_server import Udata
from tests.services.publish.test_udata_words import Publication

MANY = 200


async def nothing(_: FileRef) -> AsyncIterator[bytes]:
    for part in tuple[bytes, ...]():
        yield part


def connect(peer: Udata, organization: str, token: str) -> Connector:
    told = PortalAccess(kind="udata", url=peer.url, organization=organization)
    return connector.open_portal(Access("agglo", told, SecretStr(token), nothing))


def wanted(dataset: str, files: int) -> Wanted:
    made = Publication()
    made.dataset = dataset
    made.files = tuple(
        {"role": "data", "format": f"f{count}", "name": f"{dataset}.f{count}",
         "media_type": "application/octet-stream", "bytes": 10, "sha256": "0" * 64,
         "bucket": "staged", "key": "x", "rows": 1}
        for count in range(files)
    )  # type: ignore[assignment]  # fmt: skip
    return make_wanted(card(dataset=dataset), made, f"http://{dataset}.example")


async def put(portal: Connector, aim: Wanted, before: Seen | None) -> Seen:
    """Brings it there; what strangers see of it, which is what was told."""
    learnt: dict[str, str] = {}

    async def remember(pairs: dict[str, str]) -> None:
        learnt.update(pairs)

    told = await portal.describe(aim)
    await portal.upsert(told, aim, before, remember)
    seen = await portal.read_back(aim.uri, Ids(learnt[aim.uri]), stranger=True)
    assert seen is not None
    assert compare.differences(told, seen) == ()
    return seen


async def test_two_hundred_files_and_then_half_of_them(udata: Udata) -> None:
    """All are there under our ids, and keep them when the others go."""
    organization = await asyncio.to_thread(udata.make_organization, "Ville aux cent fichiers")
    portal = connect(udata, organization, udata.key)
    whole = await put(portal, wanted("cent", MANY), None)
    assert len(set(whole.ids.resources.values())) == MANY
    half = await put(portal, wanted("cent", MANY // 2), whole)
    assert half.ids.resources.items() < whole.ids.resources.items()
    assert len(half.ids.resources) == MANY // 2
    await portal.close()


async def test_territories_by_code_and_by_name(udata: Udata) -> None:
    """INSEE and EPCI codes and names become the portal's zones; what may be several is not guessed."""
    organization = await asyncio.to_thread(udata.make_organization, "Ville aux territoires")
    portal = connect(udata, organization, udata.key)
    aim = wanted("zones", 1)
    zones = ("69123", "métropole d’essai", "fr:commune:93066", "Saint-Denis", "Nulle-Part")
    spatial = aim.card.spatial.model_copy(update={"zones": zones})  # type: ignore[union-attr]
    aim = replace(aim, card=aim.card.model_copy(update={"spatial": spatial}))
    told = await portal.describe(aim)
    assert [(one.code, one.expected) for one in told.warnings] == [
        ("portal_zone_unknown", "Nulle-Part"),
        ("portal_zone_several", "Saint-Denis"),
    ]
    seen = await put(portal, aim, None)
    assert seen.dataset["spatial"] == {
        "zones": ["fr:commune:69123", "fr:commune:93066", "fr:epci:200046977"],
        "granularity": "poi",
    }
    await portal.close()


async def test_a_token_that_is_revoked_while_it_is_used(udata: Udata) -> None:
    """What strangers see stays; with a new token the same dataset is gone on with."""
    organization = await asyncio.to_thread(udata.make_organization, "Ville au jeton")

    def make() -> tuple[str, str]:
        made = udata.call("POST", "/api/1/me/api_tokens/", {"name": "agglo"})
        return made["id"], made["token"]

    number, token = await asyncio.to_thread(make)
    portal = connect(udata, organization, token)
    seen = await put(portal, wanted("jeton", 1), None)
    await asyncio.to_thread(udata.call, "DELETE", f"/api/1/me/api_tokens/{number}/")
    with pytest.raises(Quarantined) as stopped:
        await put(portal, wanted("jeton", 2), seen)
    assert [one.code for one in stopped.value.reasons] == ["portal_token_refused"]
    still = await portal.read_back("http://jeton.example/datasets/jeton", seen.ids, stranger=True)
    assert still is not None
    assert still.resources == seen.resources
    await portal.close()
    _, token = await asyncio.to_thread(make)
    portal = connect(udata, organization, token)
    again = await put(portal, wanted("jeton", 2), seen)
    assert again.ids.dataset == seen.ids.dataset
    assert again.ids.resources.items() > seen.ids.resources.items()
    await portal.close()

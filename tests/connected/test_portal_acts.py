"""What people do about other portals: verify, back-fill, withdraw with a breach, put back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

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
from tests.peers.udata_server import Udata


@pytest.fixture
async def organization(town: Town, udata: Udata) -> AsyncIterator[str]:
    made = await asyncio.to_thread(udata.make_organization, f"Ville {town.database}")
    portal = PortalAccess(kind="udata", url=udata.url, organization=made)
    with_portal(town, portal, udata.key)
    yield made
    await town.stop(*town.running)


async def test_a_breach_is_withdrawn_and_the_release_of_before_put_back(
    town: Town, udata: Udata, organization: str
) -> None:
    """The bad release is gone everywhere, the one of before is back everywhere, under the same
    addresses; the sheet says what the data protection officer has to tell, and by when.
    """
    await town.start()
    await town.declare(promised())
    await town.send(A)
    await town.quiet()
    await at_rest(town)
    [(good,)] = town.rows("select release from publish.datasets")
    await town.send(B)
    await town.quiet()
    await until(town, lambda one: one["release"] != good, "the second is not under way")
    await at_rest(town)
    [(bad,)] = town.rows("select release from publish.datasets")
    assert (await town.call("GET", f"/datasets/bancs/verify?portal={PORTAL}")).json()["arrived"]

    told = await town.act(
        f"/releases/{bad}/decision",
        {"verdict": "withdrawn", "reason": "un nom", "motive": "personal_data", "put_back": True},
    )
    assert told["put_back"] == good
    await town.quiet()
    await until(
        town,
        lambda one: one["release"] == good and one["state"] == "arrived" and not one["deliveries"],
        "the release of before is not back",
    )
    assert await town.csv() is not None
    verified = (await town.call("GET", f"/datasets/bancs/verify?portal={PORTAL}")).json()
    assert (verified["arrived"], verified["release"]) == (True, good)
    answer = await town.public(f"/datasets/bancs/releases/{bad}/bancs.csv")
    assert answer.status_code in (404, 410)

    [sheet] = (await town.call("GET", "/breaches")).json()["breaches"]
    assert (sheet["dataset"], sheet["release"], sheet["rows"]) == ("bancs", bad, 2)
    assert [one["name"] for one in sheet["columns"]] == ["id", "places"]
    assert 71 < sheet["hours_left"] <= 72
    assert {one["act"] for one in sheet["acts"]} >= {"withdrawn"}
    assert "un nom" not in str(sheet)

    # Nothing older than what is public now goes out by a repeat.
    assert town.rows("select count(*) from publish.publications where state = 'published'") == [
        (1,)
    ]


async def test_a_portal_rebuilt_empty_is_filled_again(
    town: Town, udata: Udata, organization: str
) -> None:
    """A dataset deleted there by hand: the rule says so, and the back-fill with the other rule mends
    it; a token that the portal refuses is said.
    """
    await town.start()
    await town.declare(promised())
    await town.send(A)
    await town.quiet()
    copy = await at_rest(town)
    dataset = next(theirs for ours, theirs in copy["ids"].items() if "#" not in ours)
    await asyncio.to_thread(udata.call, "DELETE", f"/api/1/datasets/{dataset}/")
    wrong = await town.call("GET", f"/datasets/bancs/verify?portal={PORTAL}")
    assert [one["code"] for one in wrong.json()["reasons"]] == ["portal_not_shown"]
    done = await town.act("/backfill", {"portal": PORTAL})
    assert done["datasets"] == ["bancs"]
    await until(town, stands("pending", "portal_hidden_by_hand"), "the hand is not seen")
    await town.stop("publish")
    portals = {
        name: one.model_copy(update={"hand_edits": "reassert"})
        for name, one in town.settings.portals.items()
    }
    keys = town.settings.portal_tokens
    wrong_key = {name: type(key)("udata_wrong") for name, key in keys.items()}
    town.settings = town.settings.model_copy(
        update={"portals": portals, "portal_tokens": wrong_key}
    )
    await town.start("publish")
    tried_again(town)
    await until(town, stands("pending", "portal_token_refused"), "the refusal is not told")
    await town.stop("publish")
    town.settings = town.settings.model_copy(update={"portal_tokens": keys})
    await town.start("publish")
    tried_again(town)
    await at_rest(town)

    async def shown() -> bool:
        path = f"/api/1/datasets/{dataset}/"
        return await asyncio.to_thread(udata.public, path) is not None

    await eventually(shown, "the dataset is not back", town.patience)

"""An API that a card declares, as a dataservice: what is told, sent and found again."""

from __future__ import annotations

from typing import Any

import pytest

from services.publish.portals import udata_services as services
from services.publish.portals import udata_words as words
from services.publish.portals.connector import Fields, Wanted
from services.publish.portals.wanted import make_wanted
from shared.card_file import BadCard
from tests.cards import card
from tests.services.publish.test_udata_words import KNOWN, Publication

URI = "http://ville.example/datasets/bancs"
API: dict[str, object] = {
    "url": "https://api.ville.example/bancs",
    "documentation": "https://api.ville.example/doc",
    "description": "https://api.ville.example/openapi.json",
    "availability": 99.5,
    "rate_limit": "50 appels par seconde",
}


def wanted(**api: object) -> Wanted:
    told = card(exposure="both", api=API | api)
    return make_wanted(told, Publication(), "http://ville.example")


def told(aim: Wanted) -> Fields:
    made = services.describe(aim, words.describe(aim, KNOWN).dataset)
    assert made is not None
    return made


def test_what_is_told_is_the_datasets_and_the_apis_own() -> None:
    """Licence, tags and contact of the dataset; addresses of the API; our key."""
    made = told(wanted())
    assert (made["title"], made["base_api_url"]) == ("Bancs publics (API)", API["url"])
    assert (made["license"], made["tags"]) == ("lov2", ["banc", "mobilier-urbain"])
    assert (made["machine_documentation_url"], made["format"]) == (API["description"], "REST")
    assert made["extras"] == {words.FILE_KEY: f"{URI}#api"}
    # A kind that this portal has no word for is left out.
    assert told(wanted(format="SensorThings"))["format"] is None
    assert told(wanted(title={"fr": "L'API des bancs"}))["title"] == "L'API des bancs"


def test_a_card_without_an_api_declares_none() -> None:
    """Also when it says that there is one, somewhere."""
    for plain in (card(), card(exposure="api")):
        aim = make_wanted(plain, Publication(), "http://ville.example")
        assert services.describe(aim, {}) is None
    with pytest.raises(BadCard, match="exposure: is `dataset`"):
        card(api=API)


class Portal:
    """A portal's dataservices, by path."""

    def __init__(self, **there: Any) -> None:
        self.there = there
        self.written: list[tuple[str, str, Any]] = []

    async def get(self, path: str, *, stranger: bool = False) -> object:
        if "?" in path:
            return {
                "data": [one for one in self.there.values() if not (stranger and one["private"])]
            }
        return self.there.get(path.rstrip("/").rpartition("/")[2])

    async def write(self, method: str, path: str, sent: object) -> Fields | None:
        self.written.append((method, path, sent))
        return {"id": "new"}

    @property
    def services(self) -> services.Services:
        return services.Services("org", self.get, self.write)


def listed(made: Fields, **more: object) -> Fields:
    """As the portal gives it back."""
    points = [{"id": one} for one in made["contact_points"]]  # type: ignore[attr-defined]
    return {**made, "id": "s1", "contact_points": points, "private": False, **more}


async def test_a_first_declaration_is_made_with_its_dataset() -> None:
    """One call, in the organisation's name; nothing of ours that the portal does not know."""
    portal, made = Portal(), told(wanted())
    assert await portal.services.put(made, "d1", None) == "new"
    [(method, path, sent)] = portal.written
    assert (method, path) == ("POST", "/api/1/dataservices/")
    assert (sent["datasets"], sent["organization"]) == (["d1"], "org")
    assert sent.keys().isdisjoint({"linked", "visible"})


async def test_one_whose_id_got_lost_is_found_by_our_key() -> None:
    """The answer never came: it is there once all the same."""
    made = told(wanted())
    other = listed(made, id="s0", extras={})
    portal = Portal(s0=other, s1=listed(made))
    assert await portal.services.put(made, "d1", None) == "s1"
    assert [(method, path) for method, path, _ in portal.written] == [
        ("PATCH", "/api/1/dataservices/s1/"),
        ("POST", "/api/1/dataservices/s1/datasets/"),
    ]
    # Other datasets' links to it are not touched.
    assert "datasets" not in portal.written[0][2]
    assert portal.written[1][2] == [{"id": "d1"}]


async def test_a_harvested_one_is_found_under_our_name() -> None:
    """A harvest writes none of our keys, and tells nobody its ids."""
    made = told(wanted())
    taken = listed(made, id="s2", extras={}, harvest={"remote_id": f"{URI}#api"})
    portal = Portal(s0=listed(made, id="s0", extras={}, harvest=None), s2=taken)
    assert await portal.services.find(f"{URI}#api", "d1") == "s2"
    assert await portal.services.find(f"{URI}x#api", "d1") is None


async def test_what_is_read_back_is_what_was_told() -> None:
    """A hidden one is nothing to strangers, and a difference to us."""
    made = told(wanted())
    portal = Portal(s1=listed(made))
    assert await portal.services.read("s1", "d1", stranger=True) == made
    hidden = Portal(s1=listed(made, private=True))
    assert await hidden.services.read("s1", "d1", stranger=True) is None
    assert await hidden.services.read("s1", "d1", stranger=False) == {**made, "visible": False}
    deleted = Portal(s1=listed(made, deleted_at="2026-03-01T00:00:00"))
    assert await deleted.services.read("s1", "d1", stranger=False) is None
    assert await deleted.services.put(made, "d1", None) == "s1"
    elsewhere = Portal(s2=listed(made, id="s2"))
    assert await elsewhere.services.read("s1", "d1", stranger=False) is None

"""A real udata, the software of data.gouv.fr, harvests the feed, and notify says what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, get_args

import httpx
import pytest

from deploy.demo.story import CITY, STOPPED, data_file
from deploy.local.child import free_port
from shared.card_file import load_card
from shared.card_parts import Frequency
from shared.settings import HarvestPortal
from tests.cards import STRATEGY, card
from tests.connected.town import Town, eventually
from tests.peers.altered_feed import (
    Alter,
    AlteredFeed,
    all_of,
    broken,
    only,
    renamed,
    untouched,
    without_dataset,
    without_file,
    without_title,
)
from tests.peers.udata_server import Udata
from tests.services.publish.portal_town import CARD, CSV, PUBLIC, Memory, dataset, file

PORTAL = "data.gouv.fr"
PORTALS: list[Any] = ["own", {"udata": PORTAL, "by": "harvest"}]
ABSENT, UNKNOWN = "absent.example", "unknown.example"
A = "id;places\nB1;3\nB2;4\n"
B = "id;places\nB1;3\nB2;5\n"
NAMES = [f"bancs-{number}" for number in range(1, 9)]


class Harvest:
    """The town as the portal knows it: an organisation and a source, whose feed can be altered."""

    def __init__(self, town: Town, udata: Udata, feed: AlteredFeed) -> None:
        self.town, self.udata, self.feed = town, udata, feed
        # Many datasets at once, on a machine that may do much else.
        town.patience = 300
        self.organization = udata.make_organization(f"Ville {town.database}")
        self.source = ""

    def register(self, page_size: int) -> None:
        """Before the town's services start: the portal's first run finds nobody."""
        self.source = self.udata.make_source(self.organization, self.feed.url)
        portal = HarvestPortal(
            url=self.udata.url, source=self.source, organization=self.organization
        )
        # As if the time were over from the start: what is missing is told without waiting a night.
        self.town.settings = self.town.settings.model_copy(
            update={
                "harvest_portals": {
                    PORTAL: portal,
                    ABSENT: HarvestPortal(url=f"http://127.0.0.1:{free_port()}", source="x"),
                },
                "harvest_look_seconds": 0.3,
                "harvest_overdue_hours": 1e-9,
                "catalog_page_size": page_size,
            }
        )

    def node(self, dataset: str) -> str:
        return f"{self.town.settings.public_url}/datasets/{dataset}"

    async def publish(
        self,
        names: list[str],
        content: str,
        *,
        declared: bool = False,
        portals: list[Any] = PORTALS,
    ) -> None:
        """Publishes these datasets, promised to the portals."""
        if not declared:
            for name in names:
                await self.town.declare(card(dataset=name, portals=portals), settle=False)
            await self.town.quiet()
        for name in names:
            await self.town.send(content, dataset=name)
        await self.town.quiet()

    async def run(self, alter: Alter = untouched) -> dict[str, Any]:
        """The portal's nightly run, of the feed as altered."""
        self.feed.alter = alter
        return await asyncio.to_thread(self.udata.harvest, self.source)

    async def checks(self, dataset: str = "") -> list[dict[str, Any]]:
        path = f"/harvest/{dataset}" if dataset else "/harvest"
        answer = await self.town.http.get(f"{self.town.settings.notify_url}{path}")
        assert answer.status_code == 200
        found: list[dict[str, Any]] = answer.json()["harvest"]
        return found

    async def says(self, expected: dict[str, str]) -> None:
        """Waits until notify says of each dataset: verdict, first reason, its detail if wanted."""
        told: dict[str, str] = {}

        async def same() -> bool:
            for one in await self.checks():
                if one["portal"] != PORTAL:
                    continue
                reason = one["reasons"][0] if one["reasons"] else {"code": ""}
                said = f"{one['verdict']} {reason['code']} {reason.get('detail', '')}"
                told[one["dataset"]] = said
            return all(told.get(name, "").startswith(said) for name, said in expected.items())

        try:
            await eventually(same, "", self.town.patience)
        except AssertionError:
            assert {name: told.get(name) for name in expected} == expected
            raise

    async def remote(self, dataset: str) -> dict[str, Any]:
        """The dataset as the portal shows it to anybody."""
        check = next(one for one in await self.checks(dataset) if one["portal"] == PORTAL)
        path = f"/api/1/datasets/{check['remote']}/"
        found: dict[str, Any] = await asyncio.to_thread(self.udata.public, path)
        return found

    async def crawled(self, dataset: str, **said: object) -> None:
        """The portal's crawler writes what it found of each file."""
        found = await self.remote(dataset)
        for one in found["resources"]:
            path = f"/api/2/datasets/{found['id']}/resources/{one['id']}/extras/"
            extras = {f"check:{name}": value for name, value in said.items()}
            extras["check:date"] = datetime.now(UTC).isoformat()
            await asyncio.to_thread(self.udata.call, "PUT", path, extras)


@pytest.fixture
def feed(town: Town) -> Iterator[AlteredFeed]:
    base = town.settings.public_url

    def page(number: int) -> str:
        address = f"{base}/catalog.ttl?page={number}"
        return httpx.get(address, timeout=30, trust_env=False).raise_for_status().text

    with AlteredFeed(base, page) as server:
        yield server


@pytest.fixture
async def harvest(town: Town, udata: Udata, feed: AlteredFeed) -> Harvest:
    return await asyncio.to_thread(Harvest, town, udata, feed)


def test_every_frequency_and_licence_is_read_as_meant(udata: Udata) -> None:
    """What a card can say of rhythm and licence, the portal reads back as the same."""
    told = [*get_args(Frequency), "monthly"]
    # A preview shows twenty datasets.
    assert len(told) <= 20
    cards = [
        CARD | {"frequency": one, "licence": "odbl" if place % 2 else "lov2"}
        for place, one in enumerate(told)
    ]
    names = [f"jeu-{place:02}" for place in range(len(told))]
    memory = Memory(
        [dataset(name, card=one) for name, one in zip(names, cards, strict=True)],
        {file(f"{name}.csv", dataset=name, key=name): CSV for name in names},
    )
    organization = udata.make_organization("Ville de toutes les fiches")
    with AlteredFeed(PUBLIC, lambda n: memory.client().get(f"/catalog.ttl?page={n}").text) as feed:
        seen = udata.preview(organization, feed.url)
    read = {one["remote_id"].rpartition("/")[2]: one["dataset"] for one in seen["items"]}
    licences = {"lov2": "lov2", "odbl": "odc-odbl"}
    for name, one in zip(names, cards, strict=True):
        expected = one["frequency"], licences[one["licence"]]
        assert (read[name]["frequency"], read[name]["license"]) == expected


async def test_the_demo_is_previewed_and_taken(harvest: Harvest) -> None:
    """Several pages of the demo's feed: nothing is refused, everything arrives as it was sent."""
    town = harvest.town
    await asyncio.to_thread(harvest.register, 4)
    await town.start()
    cards = {
        path.parent.name: load_card(path, STRATEGY).model_copy(
            update={"portals": card(portals=PORTALS).portals}
        )
        for path in sorted(CITY.glob("*/card.yaml"))
        if path.parent.name != STOPPED
    }
    for one in cards.values():
        await town.declare(one, settle=False)
    await town.quiet()
    for name in cards:
        data = data_file(name)
        copied = town.folder / "sources" / f"{name}{data.suffix}"
        copied.write_bytes(data.read_bytes())
        await town.announce(name, copied.as_uri(), dataset=name)
    await town.quiet()
    seen = await asyncio.to_thread(harvest.udata.preview, harvest.organization, harvest.feed.url)
    assert (seen["status"], seen["errors"]) == ("done", [])
    assert {one["status"]: one["errors"] for one in seen["items"]} == {"done": []}
    assert len(seen["items"]) == len(cards)
    assert {one["kwargs"]["page_number"] for one in seen["items"]} == {0, 1, 2}
    job = await harvest.run()
    assert job["items"]["by_status"]["done"] == len(cards)
    await harvest.says(dict.fromkeys(cards, "RECEIVED harvest_received"))
    for name, one in cards.items():
        there = await harvest.remote(name)
        assert (there["title"], there["frequency"]) == (one.title["fr"], one.frequency)
        assert there["license"] == {"lov2": "lov2", "odbl": "odc-odbl"}[str(one.licence)]
        assert len(there["tags"]) == len(one.keywords)
        assert {each["format"] for each in there["resources"]} == {
            *(one.formats or ()),
            *(one.optional_formats or ()),
        }
        assert there["organization"]["id"] == harvest.organization
    listed = (await town.http.get(f"{town.settings.notify_url}/metrics")).text
    assert f'ecluse_harvest_checks{{portal="{PORTAL}",verdict="RECEIVED"}} {len(cards)}.0' in listed


async def test_what_goes_wrong_is_told_and_what_is_mended_too(harvest: Harvest) -> None:
    """Each fault on the way has its verdict; once it is mended the dataset is received."""
    town, node = harvest.town, harvest.node
    await asyncio.to_thread(harvest.register, 2)
    await town.start()
    await harvest.publish(NAMES, A)
    await harvest.says(dict.fromkeys(NAMES, "JOB_NOT_RUN harvest_job_not_run"))

    # Another city has taken one of the identifiers.
    harvest.feed.alter = only(node("bancs-6"))
    other = await asyncio.to_thread(harvest.udata.make_organization, "Another city")
    taken = await asyncio.to_thread(harvest.udata.make_source, other, harvest.feed.url)
    assert taken != harvest.source
    await harvest.run(
        all_of(
            renamed(node("bancs-2"), f"{node('bancs-2')}-renamed"),
            without_file(node("bancs-3"), "json"),
            without_dataset(node("bancs-4")),
            without_title(node("bancs-5")),
            renamed(node("bancs-8"), node("bancs-7")),
        )
    )
    await harvest.says(
        {
            "bancs-1": "RECEIVED harvest_received",
            "bancs-2": "NOT_IN_FEED harvest_identifier_changed",
            "bancs-3": "RESOURCE_MISSING harvest_file_missing",
            "bancs-4": "NOT_IN_FEED harvest_not_in_feed",
            "bancs-5": "SKIPPED harvest_no_title",
            "bancs-6": "OTHER_OWNER harvest_other_owner",
            "bancs-7": "DUPLICATED harvest_identifier_twice",
            "bancs-8": "NOT_IN_FEED harvest_identifier_changed",
        }
    )
    await harvest.crawled("bancs-3", available=False, status=404)

    # The feed breaks on its second page: what lies before was taken, or by an earlier run.
    received = "RECEIVED harvest_received"
    failed = ["bancs-3", "bancs-4", "bancs-5", "bancs-6", "bancs-8"]
    for status, answer in ((502, broken(2, 502)), (302, broken(2, 302, harvest.feed.url))):
        await harvest.run(answer)
        await harvest.says(
            dict.fromkeys(["bancs-2", "bancs-7"], received)
            | dict.fromkeys(failed, f"FAILED harvest_run_failed HTTP {status}")
        )
    await harvest.run()
    await harvest.says(
        dict.fromkeys(["bancs-4", "bancs-5", "bancs-7", "bancs-8"], received)
        | {
            "bancs-3": "FILE_UNREADABLE harvest_file_unreadable",
            "bancs-6": "OTHER_OWNER harvest_other_owner",
        }
    )
    await harvest.crawled("bancs-3", available=True, status=200)
    await harvest.says({"bancs-3": received})
    [check] = await harvest.checks("bancs-3")
    # One entry a verdict and reasons: how often its reasons change is the portal's pace.
    assert [verdict for verdict, _ in groupby(one["verdict"] for one in check["history"])] == [
        "JOB_NOT_RUN",
        "RESOURCE_MISSING",
        "FAILED",
        "FILE_UNREADABLE",
        "RECEIVED",
    ]
    assert check["settled_at"]


async def test_a_later_release(harvest: Harvest) -> None:
    """An old feed, kept by some cache, is an old version; a dataset left out for long is archived.

    Portals that are away or not in the settings are said so, and hold nothing back.
    """
    town, node = harvest.town, harvest.node
    await asyncio.to_thread(harvest.register, 2)
    await town.start()
    more = [*PORTALS, *({"udata": one, "by": "harvest"} for one in (ABSENT, UNKNOWN))]
    await harvest.publish(NAMES[:3], A, portals=more)
    await harvest.run()
    received = "RECEIVED harvest_received"
    await harvest.says(dict.fromkeys(NAMES[:3], received))

    async def tried() -> bool:
        told = {one["portal"]: one for one in await harvest.checks("bancs-1")}
        codes = [[each["code"] for each in told[name]["away"]] for name in (ABSENT, UNKNOWN)]
        verdicts = {told[name]["verdict"] for name in (ABSENT, UNKNOWN)}
        return (codes, verdicts) == (
            [["harvest_portal_away"], ["harvest_portal_unknown"]],
            {None},
        )

    await eventually(tried, "portals that cannot be asked are not named", town.patience)
    true = harvest.feed.fetch
    kept = {number: await asyncio.to_thread(true, number) for number in (1, 2)}
    await harvest.publish(NAMES[:3], B, declared=True)
    body = {"autoarchive": True}
    path = f"/api/1/harvest/source/{harvest.source}/"
    await asyncio.to_thread(harvest.udata.call, "PUT", path, body)
    harvest.feed.fetch = kept.__getitem__
    await harvest.run(without_dataset(node("bancs-2")))
    await harvest.says(
        {
            "bancs-1": "RECEIVED_OLD_VERSION harvest_old_version",
            "bancs-2": "ARCHIVED harvest_archived",
            "bancs-3": "RECEIVED_OLD_VERSION harvest_old_version",
        }
    )
    harvest.feed.fetch = true
    await harvest.run()
    await harvest.says(dict.fromkeys(NAMES[:3], received))
    checks = [one for one in await harvest.checks("bancs-1") if one["portal"] == PORTAL]
    assert [bool(one["settled_at"]) for one in checks] == [True, True]

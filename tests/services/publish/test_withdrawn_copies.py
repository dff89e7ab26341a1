"""What a portal still serves of a withdrawn release: what is listed, and when it is gone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.publish.portals import udata_answers as answers
from services.publish.portals import udata_words as words
from services.publish.portals.connector import Fields, Served
from services.publish.portals.where import Where
from services.publish.portals.withdrawn_copies import LONGEST_ANALYSIS, Looks, judge, status_of

LISTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = LISTED + LONGEST_ANALYSIS + timedelta(seconds=1)
OURS: Fields = {"id": "a", "filetype": "remote", "url": "http://ville.example/bancs.csv"}
CRAWLED: Fields = {
    "analysis:parsing:started_at": "2026-03-01T12:00:00",
    "analysis:parsing:parquet_url": "http://hydra.example/a.parquet",
    "analysis:parsing:geojson_url": "http://hydra.example/a.geojson",
    "analysis:parsing:pmtiles_url": "http://hydra.example/a.pmtiles",
    "analysis:parsing:parsing_table": "0cc175b9c0f1b6a831c399e269772661",
}


def served(resource: Fields, tabular_url: str = "http://tabular.example/") -> tuple[Served, ...]:
    return answers.served({"id": "1", "resources": [resource]}, tabular_url)


def test_all_that_a_crawler_made_is_listed_with_the_rows_api() -> None:
    """By the keys that udata-hydra writes; a file on the city's own portal is no copy."""
    made = served({**OURS, "extras": {words.FILE_KEY: "uri#csv", **CRAWLED}})
    assert [(one.kind, one.address) for one in made] == [
        ("parquet", "http://hydra.example/a.parquet"),
        ("geojson", "http://hydra.example/a.geojson"),
        ("pmtiles", "http://hydra.example/a.pmtiles"),
        ("tabular", "http://tabular.example/api/resources/a/data/"),
    ]
    assert {one.began for one in made} == {LISTED}
    assert served({**OURS, "extras": {words.FILE_KEY: "uri#csv"}}) == ()


def test_harvested_files_are_ours_and_a_persons_documents_are_not() -> None:
    """A harvest knows no key of ours; what somebody added by hand is not asked away."""
    assert len(served({**OURS, "extras": CRAWLED, "harvest": {"uri": "x"}})) == 4
    assert served({**OURS, "extras": CRAWLED}) == ()


def test_a_hosted_file_is_a_copy_and_rows_without_address_are_listed_all_the_same() -> None:
    """What cannot be fetched must not be taken for gone."""
    hosted: Fields = {
        "id": "a",
        "filetype": "file",
        "url": "http://static.example/bancs.csv",
        "extras": {words.FILE_KEY: "uri#csv", "analysis:parsing:parsing_table": "t"},
    }
    assert [(one.kind, one.address) for one in served(hosted, "")] == [
        ("file", "http://static.example/bancs.csv"),
        ("tabular", ""),
    ]


@pytest.mark.parametrize(
    ("status", "answered", "began", "state"),
    [
        (200, True, None, "stands"),
        (206, True, LISTED, "stands"),
        (404, False, None, "gone"),
        (410, True, None, "gone"),
        # A store that hides what it lacks; or a wall that keeps us out, and others not.
        (403, True, None, "gone"),
        (403, False, None, "stands"),
        (500, True, None, "stands"),
        (0, True, None, "stands"),
        # Begun before the bad release could have left the crawler's hands, or long enough after.
        (200, True, LISTED + LONGEST_ANALYSIS, "stands"),
        (200, True, LATER, "rebuilt"),
    ],
)
def test_a_copy_is_gone_only_when_an_answer_says_so(
    status: int, answered: bool, began: datetime | None, state: str
) -> None:
    """Silence, errors and doors that were never open are no proof."""
    now = Served("a", "parquet", "", began) if began else None
    told = judge(status, address="http://x/", answered=answered, listed=LISTED, now=now)
    assert told == state


def test_a_hosted_file_of_the_release_put_back_is_no_copy_of_the_withdrawn_one() -> None:
    """What is at its address now has been fetched as arrived; an older address has not."""
    now = Served("a", "file", "http://static.example/new.csv")
    for address, state in ((now.address, "rebuilt"), ("http://static.example/old.csv", "stands")):
        told = judge(200, address=address, answered=True, listed=LISTED, now=now)
        assert told == state


async def test_a_stranger_follows_redirects_and_reads_no_body() -> None:
    """No token, one byte asked for; nothing on private addresses but at places of the settings."""
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path == "/moved":
            return httpx.Response(302, headers={"location": "/there"})
        if request.url.path == "/round":
            return httpx.Response(302, headers={"location": "/round"})
        if request.url.path == "/cut":
            raise httpx.ReadError("")
        return httpx.Response(206 if request.url.path == "/there" else 404)

    here = Where(frozenset({("127.0.0.1", 80)}))
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http:
        told = {
            path: await status_of(http, here, f"http://127.0.0.1{path}")
            for path in ("/moved", "/gone", "/round", "/cut")
        }
        elsewhere = await status_of(http, here, "http://127.0.0.2/there")
    assert told == {"/moved": 206, "/gone": 404, "/round": 0, "/cut": 0}
    assert elsewhere == 0
    assert {one.url.host for one in asked} == {"127.0.0.1"}
    assert all(one.headers["range"] == "bytes=0-0" for one in asked)


async def test_many_addresses_that_do_not_answer_do_not_hold_the_withdrawal_up() -> None:
    """What has not answered in time has not been seen: it is listed all the same."""
    slow = asyncio.Event()

    async def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/there":
            await slow.wait()
        return httpx.Response(206)

    here = Where(frozenset({("127.0.0.1", 80)}))
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http:
        looks = Looks(None, http, here)  # type: ignore[arg-type]  # not asked for
        paths = ["/there", *(f"/{number}" for number in range(20))]
        told = await looks.statuses([f"http://127.0.0.1{one}" for one in paths], within=1.0)
    assert told == [206, *[0] * 20]
    assert await Looks(None, http, here).statuses([]) == []  # type: ignore[arg-type]

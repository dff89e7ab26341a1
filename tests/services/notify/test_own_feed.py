"""Our own feed, read as a stranger would: what the portals were promised."""

from __future__ import annotations

import hashlib

import httpx
import pytest
from starlette.testclient import TestClient

from services.notify.own_feed import OwnFeed
from shared.failures import SourceAway
from tests.services.publish.portal_town import CSV, MODIFIED, PUBLIC, Memory, dataset, file

NAMES = ["arbres", "bancs", "cafes"]


class Site:
    """The portal, and how each of its pages was asked for."""

    def __init__(self) -> None:
        self.memory = Memory(
            [dataset(name) for name in NAMES],
            {file(f"{name}.csv", dataset=name, key=name): CSV for name in NAMES},
        )
        self._client: TestClient = self.memory.client(page_size=2)
        self.answers: list[tuple[str, int]] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        found = self._client.get(request.url.raw_path.decode(), headers=dict(request.headers))
        self.answers.append((request.url.params["page"], found.status_code))
        return httpx.Response(found.status_code, content=found.content, headers=found.headers)


def reader(site: Site) -> OwnFeed:
    transport = httpx.MockTransport(site.answer)
    return OwnFeed(PUBLIC, httpx.AsyncClient(transport=transport))


async def test_what_was_promised() -> None:
    """Every dataset of every page: identifier, date, and each file's address, size and checksum."""
    found = await reader(Site()).promises()
    assert sorted(found) == NAMES
    promise = found["cafes"]
    assert promise.identifier == promise.landing_page == f"{PUBLIC}/datasets/cafes"
    assert promise.modified == MODIFIED.replace(microsecond=0)
    [one] = promise.distributions
    assert (one.url, one.format) == (f"{PUBLIC}/datasets/cafes/cafes.csv", "csv")
    assert (one.bytes, one.sha256) == (len(CSV), hashlib.sha256(CSV).hexdigest())


async def test_a_page_that_did_not_change_is_not_sent_again() -> None:
    """Asked again, the portal says so; what was read before still holds."""
    site = Site()
    feed = reader(site)
    first = await feed.promises()
    assert await feed.promises() == first
    assert site.answers == [("1", 200), ("2", 200), ("1", 304), ("2", 304)]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(302, headers={"Location": "/"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[{"no": "id"}]),
    ],
)
async def test_a_feed_that_cannot_be_read(answer: httpx.Response) -> None:
    """Nothing is judged by half a feed."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(SourceAway):
        await OwnFeed(PUBLIC, http).promises()

"""How a portal is asked: whatever it answers, a release that is fine is not judged by it."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from services.notify.udata_api import UdataApi
from shared.failures import SourceAway

Answer = Callable[[httpx.Request], httpx.Response]
JOB = {"id": "j", "status": "done", "created": "2026-03-01T00:00:00"}


def portal(answer: Answer) -> UdataApi:
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return UdataApi("https://portal.example/", http)


def away(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectTimeout("an address that nobody may read")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (away, "harvest_portal_away"),
        (lambda _: httpx.Response(503), "harvest_portal_refuses"),
        (lambda _: httpx.Response(429), "harvest_portal_refuses"),
        (lambda _: httpx.Response(302, headers={"Location": "/"}), "harvest_portal_refuses"),
        (lambda _: httpx.Response(200, html="<p>Maintenance"), "harvest_portal_refuses"),
        (lambda _: httpx.Response(200, json={"id": 1}), "harvest_portal_refuses"),
        (lambda _: httpx.Response(200, json=[]), "harvest_portal_refuses"),
    ],
)
async def test_somebody_elses_trouble(answer: Answer, code: str) -> None:
    """Out of reach, overloaded, or answering a page of HTML: theirs, and for later."""
    with pytest.raises(SourceAway) as failure:
        await portal(answer).source("s")
    assert [reason.code for reason in failure.value.reasons] == [code]


@pytest.mark.parametrize("status", [404, 410])
async def test_what_is_not_there(status: int) -> None:
    """Deleted and unknown are answers, not failures."""
    api = portal(lambda _: httpx.Response(status, json={"message": "…"}))
    assert (await api.source("s"), await api.dataset("d")) == (None, None)
    assert await api.items("j") == ()


async def test_every_page_of_items_is_read_once() -> None:
    """A run of many datasets comes in pages; each is asked for once."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        asked.append(str(page))
        more = "https://portal.example/next" if page < 3 else None
        items = [{"status": "done", "remote_id": f"u{page}"}]
        return httpx.Response(200, json={"data": items, "next_page": more})

    found = await portal(answer).items("j")
    assert [one.remote_id for one in found] == ["u1", "u2", "u3"]
    assert asked == ["1", "2", "3"]


async def test_dates_without_a_zone_are_utc() -> None:
    """udata keeps its dates so."""
    api = portal(lambda _: httpx.Response(200, json=JOB))
    job = await api.job("j")
    assert job
    assert job.created.isoformat() == "2026-03-01T00:00:00+00:00"

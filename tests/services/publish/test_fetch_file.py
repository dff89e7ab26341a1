"""Fetching a file as a stranger: redirects followed, never into the city's own network."""

from __future__ import annotations

from hashlib import sha256

import httpx
import pytest

from services.publish.portals import where as module
from services.publish.portals.fetch_file import FileCheck, fetch_file
from services.publish.portals.where import where
from shared.event_parts import FileRef
from shared.portal_settings import PortalAccess
from shared.settings import Settings

CONTENT = b"id\n1\n"
PORTAL = "http://10.1.2.3:8080"
FILE = FileRef(
    role="data", bucket="public", key="x", name="bancs.csv", format="csv",
    media_type="text/csv", bytes=len(CONTENT), sha256=sha256(CONTENT).hexdigest(), rows=1,
)  # fmt: skip
NAMES = {
    "files.example": ["93.184.216.34"],
    "inside.example": ["192.168.0.7"],
    "both.example": ["93.184.216.34", "127.0.0.1"],
}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    async def addresses_of(host: str) -> list[str]:
        return NAMES.get(host, [host])

    monkeypatch.setattr(module, "addresses_of", addresses_of)


class Portal:
    """On a private address, as the settings say; it sends a stranger on."""

    def __init__(self, leads_to: str) -> None:
        self.leads_to, self.asked = leads_to, list[httpx.Request]()

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.host == "10.1.2.3":
            return httpx.Response(302, headers={"location": self.leads_to})
        return httpx.Response(200, content=CONTENT)

    async def fetch(self, address: str = f"{PORTAL}/r/1") -> FileCheck:
        told = PortalAccess(kind="udata", url=PORTAL)
        allowed = where(Settings(portals={"agglo": told}), "agglo")
        async with httpx.AsyncClient(transport=httpx.MockTransport(self.answer)) as http:
            return await fetch_file(http, address, "uri", FILE, allowed, ours=False)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9000/x",
        "http://169.254.169.254/latest",
        "http://[::1]/x",
        "http://inside.example/x",
        "http://both.example/x",
        "http://10.1.2.3:9000/x",
        "file:///etc/passwd",
    ],
)
async def test_a_redirect_into_a_private_network_is_not_followed(address: str) -> None:
    """Nothing is asked for there, and the check says that it was the address."""
    portal = Portal(address)
    check = await portal.fetch()
    assert check.wrong == ["address"]
    assert [str(one.url) for one in portal.asked] == [f"{PORTAL}/r/1"]


async def test_a_file_that_a_portal_says_lies_inside_is_not_fetched() -> None:
    """The address that a portal gives is as little believed as where it leads to."""
    portal = Portal("http://files.example/x")
    assert (await portal.fetch("http://inside.example/x")).wrong == ["address"]
    assert portal.asked == []


async def test_a_public_place_is_asked_at_the_address_that_was_looked_at() -> None:
    """The name goes along for the server and its certificate; it is not looked up again."""
    portal = Portal("https://files.example/x")
    check = await portal.fetch()
    assert (check.wrong, check.http) == ([], 200)
    last = portal.asked[-1]
    assert (last.url.host, last.headers["host"]) == ("93.184.216.34", "files.example")
    assert last.extensions["sni_hostname"] == "files.example"

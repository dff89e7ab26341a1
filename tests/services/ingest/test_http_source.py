"""Downloads: taken up where they broke off, not asked for again when nothing changed, never slow."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from services.ingest.accounts import Accounts
from services.ingest.change_record import take_up
from services.ingest.fetch_source import fetch_source
from services.ingest.keep_source import keep_source
from shared.envelope import Received
from shared.events import DatasetChanged
from shared.failures import Quarantined, SourceAway
from shared.settings import Settings
from shared.storage import open_store
from tests.cards import card

DATA = bytes(range(256)) * 5000
DIGEST = hashlib.sha256(DATA).hexdigest()


class Server(ThreadingHTTPServer):
    """Gives DATA; breaks off as often as told; `asked` is what it was asked with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = DATA
        self.etag = '"v1"'
        self.breaks = 0
        self.ranges = True
        self.encoding = ""
        self.asked: list[dict[str, str]] = []
        self.address = f"http://127.0.0.1:{self.server_address[1]}/x"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append({name.lower(): value for name, value in self.headers.items()})
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        etag, content = self.server.etag, self.server.content
        if etag and self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.end_headers()
            return
        start = 0
        if self.server.ranges and self.headers.get("If-Range") == etag:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        if self.server.breaks:
            self.server.breaks -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def told(folder: Path, **more: Any) -> Settings:
    plain = {
        "store": str(folder / "store"),
        "allow_private_addresses": True,
        "source_retry_seconds": 0.001,
    }
    return Settings.model_validate(plain | more)


async def fetch(server: Server, folder: Path, **more: Any) -> str:
    settings = told(folder, **more)
    found = await fetch_source(
        server.address, folder / "to", settings, open_store(settings, "ingest")
    )
    assert (folder / "to").read_bytes() == server.content
    return found.sha256


async def test_taken_up_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    """Twice broken, three requests, each for the rest; whole and right in the end."""
    server.breaks = 2
    assert await fetch(server, tmp_path) == DIGEST
    half = len(DATA) // 2
    rest = len(DATA) - half
    assert [asked.get("range") for asked in server.asked] == [
        None, f"bytes={half}-", f"bytes={half + rest // 2}-",
    ]  # fmt: skip


@pytest.mark.parametrize(("etag", "ranges"), [("", True), ('W/"v1"', True), ('"v1"', False)])
async def test_begun_anew_where_it_must(
    server: Server, tmp_path: Path, etag: str, ranges: bool
) -> None:
    """A server without a strong tag, or that knows no ranges, gives the whole again."""
    server.breaks, server.etag, server.ranges = 1, etag, ranges
    assert await fetch(server, tmp_path) == DIGEST


async def test_a_file_that_changed_meanwhile(server: Server, tmp_path: Path) -> None:
    """Halves of two versions are never put together."""
    server.breaks = 1

    send = Handler.do_GET

    def change(self: Handler) -> None:
        send(self)
        server.etag, server.content = '"v2"', DATA[::-1]

    Handler.do_GET = change  # type: ignore[method-assign]
    try:
        assert await fetch(server, tmp_path) == hashlib.sha256(DATA[::-1]).hexdigest()
    finally:
        Handler.do_GET = send  # type: ignore[method-assign]


async def test_only_what_changed(server: Server, tmp_path: Path) -> None:
    """The second time the server is asked whether there is anything new: the kept bytes are used."""
    settings = told(tmp_path)
    store = open_store(settings, "ingest")
    server.content = b"id;places\nB1;3\n"
    for event_id in ("e1", "e2"):
        came = Received("dataset.changed", 0, 7, None, event_id, "urn:x", None)  # type: ignore[arg-type]
        change = DatasetChanged(dataset="bancs", address=server.address)
        run = await take_up(change, came, store, 0)
        kept = await keep_source(run, card(), tmp_path, settings, store)
        assert kept.path.read_bytes() == server.content
    assert [asked.get("if-none-match") for asked in server.asked] == [None, '"v1"']
    await store.delete("raw", f"bancs/sources/{kept.sha256}")
    came = Received("dataset.changed", 0, 7, None, "e3", "urn:x", None)  # type: ignore[arg-type]
    run = await take_up(DatasetChanged(dataset="bancs", address=server.address), came, store, 0)
    await keep_source(run, card(), tmp_path, settings, store)
    assert server.asked[-1].get("if-none-match") is None


async def test_slower_than_borne(server: Server, tmp_path: Path) -> None:
    """A source that gives too few bytes in its time is away, however long it would go on."""
    more = {"source_patience_seconds": 1e-9, "source_slowest_bytes": 10**15}
    with pytest.raises(SourceAway) as caught:
        await fetch(server, tmp_path, **more)
    assert caught.value.reasons[0].detail == "too slow"


# --- accounts ------------------------------------------------------------------------------------


def accounts(folder: Path, **more: Any) -> Accounts:
    (folder / "secret").write_text("geheim\n")
    one = {"name": "sig", "hosts": ["127.0.0.1"]} | more
    return Accounts.model_validate({"accounts": [one]})


async def test_an_account_for_its_host_alone(server: Server, tmp_path: Path) -> None:
    """Credentials go to the hosts of their account, and never along with a redirect elsewhere."""
    settings = told(tmp_path)
    store = open_store(settings, "ingest")
    port = server.server_address[1]
    known = accounts(tmp_path, user="ecluse", password_file=tmp_path / "secret")
    token = accounts(tmp_path, token_file=tmp_path / "secret", hosts=[f"127.0.0.1:{port}"])
    other = accounts(tmp_path, token_file=tmp_path / "secret", hosts=["127.0.0.1:1", "x.example"])
    for chosen in (known, token, other):
        await fetch_source(server.address, tmp_path / "to", settings, store, chosen.account("sig"))
    basic = base64.b64encode(b"ecluse:geheim").decode()
    assert [asked.get("authorization") for asked in server.asked] == [
        f"Basic {basic}", "Bearer geheim", None,
    ]  # fmt: skip
    local = f"http://localhost:{port}"
    away = accounts(tmp_path, token_file=tmp_path / "secret", hosts=[f"localhost:{port}"])
    server.asked.clear()
    await fetch_source(
        f"{local}/to/{server.address}", tmp_path / "to", settings, store, away.account("sig")
    )
    assert [asked.get("authorization") for asked in server.asked] == ["Bearer geheim", None]


async def test_accounts_that_are_not_there(tmp_path: Path) -> None:
    """A name that nobody declared, a file that is gone: said by name, no path, no secret."""
    known = accounts(tmp_path, token_file=tmp_path / "none")
    with pytest.raises(Quarantined, match="account_unknown"):
        known.account("other")
    with pytest.raises(Quarantined, match="account_unknown"):
        known.database("other")
    with pytest.raises(Quarantined, match="account_unknown"):
        known.accounts[0].token()


@pytest.mark.parametrize("address", ["https://a:b@x.example/y", "sftp://a:b@x.example/y"])
async def test_no_password_in_an_address(tmp_path: Path, address: str) -> None:
    """Addresses travel on Kafka: one with a password is refused, whatever it leads to."""
    settings = told(tmp_path)
    with pytest.raises(Quarantined) as caught:
        await fetch_source(address, tmp_path / "to", settings, open_store(settings, "ingest"))
    assert caught.value.reasons[0].detail == "credentials"

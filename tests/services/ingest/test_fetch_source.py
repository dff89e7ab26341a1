"""Sources: what may be fetched, what being away means, and what a limit does."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from services.ingest.change_record import Run, take_up
from services.ingest.download import Download, Fetched
from services.ingest.drops import Drops, change_of, version_of
from services.ingest.fetch_source import fetch_source
from services.ingest.keep_source import keep_source
from shared.envelope import Received
from shared.events import DatasetChanged
from shared.failures import EcluseError, Quarantined, SourceAway
from shared.settings import Settings
from shared.storage import Store, open_store
from tests.cards import card

DATA = b"id;places\nB1;3\n"


class Handler(BaseHTTPRequestHandler):
    """A source's server: the path says how it behaves."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        status = int(self.path.strip("/")) if self.path.strip("/").isdigit() else 200
        self.send_response(status)
        self.end_headers()
        if status == 200:
            self.wfile.write(DATA)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def told(folder: Path, **more: Any) -> Settings:
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    plain = {
        "store": str(folder / "store"),
        "allowed_folders": [sources],
        "allow_private_addresses": True,
        "source_retry_seconds": 0.001,
    }
    return Settings.model_validate(plain | more)


async def fetch(address: str, folder: Path, **more: Any) -> Fetched:
    chosen = told(folder, **more)
    return await fetch_source(address, folder / "to", chosen, open_store(chosen, "ingest"))


async def failure(address: str, folder: Path, **more: Any) -> tuple[type[EcluseError], str, str]:
    with pytest.raises(EcluseError) as caught:
        await fetch(address, folder, **more)
    [reason] = caught.value.reasons
    return type(caught.value), reason.code, reason.detail or ""


async def test_over_http(server: str, tmp_path: Path) -> None:
    """Bytes, size and checksum."""
    found = await fetch(f"{server}/bancs.csv", tmp_path)
    assert (tmp_path / "to").read_bytes() == DATA
    assert (found.bytes, found.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/404", (Quarantined, "source_missing", "HTTP 404")),
        ("/403", (Quarantined, "source_missing", "HTTP 403")),
        ("/500", (SourceAway, "source_away", "HTTP 500")),
        ("/503", (SourceAway, "source_away", "HTTP 503")),
        ("/429", (SourceAway, "source_away", "HTTP 429")),
        ("/to/ftp://127.0.0.1/x", (Quarantined, "address_refused", "scheme")),
        ("/to//to//to//to//to//to/", (Quarantined, "address_refused", "redirects")),
    ],
)
async def test_what_a_server_says(
    server: str, tmp_path: Path, path: str, expected: tuple[type[EcluseError], str, str]
) -> None:
    """Gone is a person's matter; away is tried again; redirects are few and checked."""
    assert await failure(f"{server}{path}", tmp_path) == expected


async def test_a_source_over_the_limit(server: str, tmp_path: Path) -> None:
    """Counted while reading, whatever was announced."""
    found = await failure(f"{server}/x", tmp_path, source_max_bytes=len(DATA) - 1)
    assert found[:2] == (Quarantined, "source_too_large")
    assert (await fetch(f"{server}/x", tmp_path, source_max_bytes=len(DATA))).bytes == len(DATA)


async def test_nobody_answers(tmp_path: Path) -> None:
    """A refused connection and an unknown name are away."""
    assert (await failure("http://127.0.0.1:9/x", tmp_path))[0] is SourceAway
    assert await failure("http://nobody.invalid/x", tmp_path) == (SourceAway, "source_away", "DNS")


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/x",
        "http://[::1]/x",
        "http://0x7f.1/x",
        "http://localhost/x",
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.1]/x",
        "http://0.0.0.0/x",
    ],
)
async def test_the_citys_own_network(tmp_path: Path, address: str) -> None:
    """Private, loopback and link-local addresses are refused after resolution."""
    found = await failure(address, tmp_path, allow_private_addresses=False)
    assert found == (Quarantined, "address_refused", "private address")


@pytest.mark.parametrize(
    "address", ["gopher://a/b", "ftp://a/b", "/etc/passwd", "x", "", "javascript:1"]
)
async def test_other_schemes(tmp_path: Path, address: str) -> None:
    """What is not known is refused."""
    assert await failure(address, tmp_path) == (Quarantined, "address_refused", "scheme")


async def test_files(tmp_path: Path) -> None:
    """Under an allowed folder, links resolved; nowhere else."""
    settings = told(tmp_path)
    inside = settings.allowed_folders[0] / "b é.csv"
    inside.write_bytes(DATA)
    assert (await fetch(inside.as_uri(), tmp_path)).bytes == len(DATA)
    outside = tmp_path / "secret.csv"
    outside.write_bytes(DATA)
    (settings.allowed_folders[0] / "link.csv").symlink_to(outside)
    for address in (
        outside.as_uri(),
        f"{settings.allowed_folders[0].as_uri()}/../secret.csv",
        f"{settings.allowed_folders[0].as_uri()}/%2e%2e/secret.csv",
        f"{settings.allowed_folders[0].as_uri()}/link.csv",
        "file://elsewhere/etc/passwd",
    ):
        assert await failure(address, tmp_path) == (Quarantined, "address_refused", "folder")
    missing = (settings.allowed_folders[0] / "none.csv").as_uri()
    assert await failure(missing, tmp_path) == (Quarantined, "source_missing", "file")


async def test_a_file_that_is_still_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read again: what is kept is one file, whole."""
    path = told(tmp_path).allowed_folders[0] / "b.csv"
    path.write_bytes(DATA)
    take, tries = Download.take, []

    async def interrupted(download: Download, content: AsyncIterable[bytes]) -> None:
        tries.append(download)
        await take(download, content)

    async def written(content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        async for part in content:
            if len(tries) == 1:
                path.write_bytes(DATA * 2)
                os.utime(path, (1_000_000, 1_000_000))
            yield part

    monkeypatch.setattr(
        Download, "take", lambda download, content: interrupted(download, written(content))
    )
    assert (await fetch(path.as_uri(), tmp_path)).bytes == len(DATA) * 2


# --- the drop bucket -----------------------------------------------------------------------------


def came(event_id: str = "e1") -> Received:
    return Received(
        "dataset.changed", 0, 7, datetime(2026, 3, 1, tzinfo=UTC), event_id, "urn:x", None
    )


async def drop(store: Store, content: bytes, name: str = "bancs.csv") -> DatasetChanged:
    """Drops a file; the change that it is."""
    await store.put_bytes("drop", f"espaces-verts/bancs/{name}", content)
    found = await store.find("drop", f"espaces-verts/bancs/{name}")
    assert found
    change = change_of(found)
    assert change
    return change


async def taken(change: DatasetChanged, store: Store, event_id: str = "e1") -> Run:
    return await take_up(change, came(event_id), store, 0)


async def test_a_drop_is_kept_and_cleared(tmp_path: Path) -> None:
    """The file goes to `raw` under its hash and leaves `drop`; a repeat finds it there."""
    settings = told(tmp_path)
    store = open_store(settings, "ingest")
    change = await drop(store, DATA, "bancs été 2026.csv")
    for _ in range(2):
        run = await taken(change, store)
        kept = await keep_source(run, card(), tmp_path, settings, store)
        assert kept.path.read_bytes() == DATA
    assert await store.size("raw", f"bancs/sources/{kept.sha256}") == len(DATA)
    assert [one.key async for one in store.list("drop")] == []


async def test_a_file_dropped_over_another_is_not_lost(tmp_path: Path) -> None:
    """What is dropped under the same name while the first is under work stays for its own change."""
    settings = told(tmp_path)
    store = open_store(settings, "ingest")
    first = await drop(store, DATA)
    run = await taken(first, store)
    newer = await drop(store, DATA + b"B2;4\n")
    assert first.address != newer.address
    await keep_source(run, card(), tmp_path, settings, store)
    assert [version_of(one) async for one in store.list("drop")]
    again = await taken(newer, store, "e2")
    kept = await keep_source(again, card(), tmp_path, settings, store)
    assert kept.path.read_bytes() == DATA + b"B2;4\n"
    assert [one.key async for one in store.list("drop")] == []


async def test_a_drop_in_another_place(tmp_path: Path) -> None:
    """An event cannot take a file dropped for another dataset."""
    settings = told(tmp_path)
    store = open_store(settings, "ingest")
    await store.put_bytes("drop", "voirie/trous/secret.csv", DATA)
    change = DatasetChanged(dataset="bancs", address="drop:///voirie/trous/secret.csv")
    with pytest.raises(Quarantined) as caught:
        await keep_source(await taken(change, store), card(), tmp_path, settings, store)
    assert caught.value.reasons[0].code == "drop_elsewhere"
    assert await store.size("drop", "voirie/trous/secret.csv")


async def test_watching(tmp_path: Path) -> None:
    """A file is announced once, when it stands still, and again when it changed."""
    store = open_store(told(tmp_path), "ingest")
    said: list[DatasetChanged] = []

    async def send(change: DatasetChanged) -> None:
        said.append(change)

    drops = Drops(store, send, seconds=1, stand_still=True)
    await drop(store, DATA)
    for name in ("bancs/.hidden.csv", "bancs/~$lock.xlsx", "bancs/deep/x.csv"):
        await store.put_bytes("drop", f"espaces-verts/{name}", DATA)
    await store.put_bytes("drop", "loose.csv", DATA)
    await drops.once()
    assert said == []
    await drops.once()
    await drops.once()
    assert [one.dataset for one in said] == ["bancs"]
    await drop(store, DATA + b"B2;4\n")
    await drops.once()
    await drops.once()
    assert len(said) == 2


async def test_the_first_appearance_fixes_the_place(tmp_path: Path) -> None:
    """A duplicate that comes later keeps the sequence of the first."""
    store = open_store(told(tmp_path), "ingest")
    change = DatasetChanged(dataset="bancs", address="https://a.example/b.csv")
    first = await take_up(change, came(), store, 0)
    late = Received("dataset.changed", 1, 99, came().at, "e1", "urn:x", None)
    assert (await take_up(change, late, store, 0)).record == first.record
    assert first.record.sequence.number == 7

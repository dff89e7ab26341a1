"""Addresses that are none, hosts that drip, folders with traps: each fails as what it is."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from services.ingest.download import Fetched
from services.ingest.fetch_source import fetch_source
from services.ingest.source_address import address_parts, drop_key
from shared.failures import EcluseError, OursAway, Quarantined, SourceAway
from shared.settings import Settings
from shared.storage import open_store

DATA = b"id;places\nB1;3\n"


def told(folder: Path, **more: Any) -> Settings:
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    return Settings.model_validate(
        {
            "store": str(folder / "store"),
            "allowed_folders": [sources],
            "allow_private_addresses": True,
            "source_retry_seconds": 0.001,
        }
        | more
    )


async def fetch(address: str, folder: Path, **more: Any) -> Fetched:
    chosen = told(folder, **more)
    return await fetch_source(address, folder / "to", chosen, open_store(chosen, "ingest"))


async def failure(address: str, folder: Path, **more: Any) -> tuple[type[EcluseError], str, str]:
    with pytest.raises(EcluseError) as caught:
        await fetch(address, folder, **more)
    [reason] = caught.value.reasons
    return type(caught.value), reason.code, reason.detail or ""


@pytest.mark.parametrize(
    "address",
    [
        "http://[::1",
        "http://127.0.0.1:99999/b.csv",
        "http://127.0.0.1:port/b.csv",
        "http://127.0.0.1:0/b.csv",
        "http://127.0.0.1/b\x00.csv",
        "http://127.0.0.1/b\r\nHost: a.example",
        "file:///b\x01",
    ],
)
async def test_what_is_no_address(tmp_path: Path, address: str) -> None:
    """It will be none tomorrow either: refused at once, never waited for."""
    assert await failure(address, tmp_path) == (Quarantined, "address_refused", "form")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "a/../b",
        "a/./b",
        "a//b",
        "a/b/",
        "a/%00",
        "a/%2e%2e/b",
        "a/b%09",
        "a/" + "x" * 256,
        "a/" + "%C3%A9" * 128,
        "/".join(["x" * 200] * 6),
    ],
)
async def test_keys_that_no_store_holds(tmp_path: Path, key: str) -> None:
    """Refused, and not taken for a store that is away: the whole service would wait for it."""
    assert await failure(f"drop:///{key}", tmp_path) == (Quarantined, "address_refused", "key")


@limits(max_examples=150, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["drop:///", "http://", "file:///", "s3://", ""]))
def test_any_text_is_an_address_or_is_refused(text: str, scheme: str) -> None:
    """Taking an address apart raises nothing but Quarantined."""
    with suppress(Quarantined):
        assert drop_key(address_parts(f"{scheme}{text}"))


@pytest.mark.parametrize("name", ["b.csv", "été 2026.csv", "x" * 255, "a#b?c.csv", "100%.csv"])
async def test_keys_as_people_name_files(tmp_path: Path, name: str) -> None:
    """Any name that a folder can hold comes back as it was."""
    open_store(told(tmp_path), "ingest")
    place = tmp_path / "store" / "drop" / "espaces-verts" / "bancs"
    place.mkdir(parents=True)
    (place / name).write_bytes(DATA)
    found = await fetch(f"drop:///espaces-verts/bancs/{quote(name)}?version=1", tmp_path)
    assert found.bytes == len(DATA)


async def test_a_drop_that_is_gone(tmp_path: Path) -> None:
    """A person's matter, not an outage."""
    found = await failure("drop:///espaces-verts/bancs/none.csv", tmp_path)
    assert found == (Quarantined, "source_missing", "drop")


@pytest.mark.parametrize("bucket", ["", "B", "a b", "x@y", "a", "ecluse_raw", "-a-b"])
async def test_bucket_names(tmp_path: Path, bucket: str) -> None:
    """What cannot be a bucket's name is refused before anybody is asked."""
    found = await failure(f"s3://{bucket}/k", tmp_path, source_s3_endpoint="http://127.0.0.1:9")
    assert found == (Quarantined, "address_refused", "bucket")


@pytest.mark.parametrize("sources", ["", "http://127.0.0.1:9", "http://127.0.0.1:9/"])
async def test_our_own_buckets_are_no_sources(tmp_path: Path, sources: str) -> None:
    """Whichever credential is used: an event must not reach into the raw zone."""
    found = await failure(
        "s3://ecluse-raw/bancs/sources/x",
        tmp_path,
        s3_endpoint="http://127.0.0.1:9",
        source_s3_endpoint=sources,
    )
    assert found == (Quarantined, "address_refused", "own bucket")


async def test_nobody_at_the_s3_endpoint(tmp_path: Path) -> None:
    """Somebody else's store is a source that is away; no endpoint at all is a refusal."""
    found = await failure("s3://donnees/b.csv", tmp_path, source_s3_endpoint="http://127.0.0.1:9")
    assert found[0] is SourceAway
    assert await failure("s3://donnees/b.csv", tmp_path) == (
        Quarantined,
        "address_refused",
        "no S3 endpoint",
    )


# --- folders -------------------------------------------------------------------------------------


async def test_folders_with_traps(tmp_path: Path) -> None:
    """Pipes, folders, links in a ring, links out by a folder, overlong names: an answer at once."""
    folder = told(tmp_path).allowed_folders[0]
    os.mkfifo(folder / "pipe")
    (folder / "sub").mkdir()
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x.csv").write_bytes(DATA)
    (folder / "out").symlink_to(tmp_path / "secret")
    at = folder.as_uri()
    missing, refused = (
        (Quarantined, "source_missing", "file"),
        (Quarantined, "address_refused", "folder"),
    )
    async with asyncio.timeout(20):
        assert await failure(f"{at}/pipe", tmp_path) == missing
        assert await failure(f"{at}/sub", tmp_path) == missing
        assert await failure(f"{at}/{'x' * 300}", tmp_path) == missing
        assert await failure(f"{at}/a", tmp_path) == refused
        assert await failure(f"{at}/%00", tmp_path) == refused
        assert await failure(f"{at}/out/x.csv", tmp_path) == refused
        assert await failure(f"{at}x/x.csv", tmp_path) == refused


async def test_a_link_that_stays_inside(tmp_path: Path) -> None:
    """Links within the allowed folder, and `localhost` as the host (RFC 8089), are as good."""
    folder = told(tmp_path).allowed_folders[0]
    (folder / "x.csv").write_bytes(DATA)
    (folder / "latest.csv").symlink_to("x.csv")
    for address in (f"{folder.as_uri()}/latest.csv", f"file://localhost{folder}/x.csv"):
        assert (await fetch(address, tmp_path)).bytes == len(DATA)


async def test_no_folder_is_allowed_by_default(tmp_path: Path) -> None:
    """Files are read only where operations said so."""
    found = await failure((tmp_path / "sources" / "x.csv").as_uri(), tmp_path, allowed_folders=[])
    assert found == (Quarantined, "address_refused", "folder")


# --- hosts ---------------------------------------------------------------------------------------


class Host:
    """A web server that answers every request with the same bytes, then drips or hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self.drips = False
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            await writer.drain()
            while self.drips:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def host() -> AsyncIterator[tuple[Host, str]]:
    made = Host()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with server:
        yield made, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        made.drips = False


async def test_a_host_that_drips(host: tuple[Host, str], tmp_path: Path) -> None:
    """One byte at a time is away once the time for the source is over, all tries together."""
    made, at = host
    made.answer, made.drips = b"HTTP/1.1 200 OK\r\n\r\n", True
    found = await failure(f"{at}/x", tmp_path, source_timeout_seconds=2)
    assert found == (SourceAway, "source_away", "too slow")
    assert len(made.asked) == 1


async def test_a_host_that_hangs_up(host: tuple[Host, str], tmp_path: Path) -> None:
    """Fewer bytes than announced is away, after three tries; what came is not taken for the whole."""
    made, at = host
    made.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nid;places\n"
    assert (await failure(f"{at}/x", tmp_path))[0] is SourceAway
    assert len(made.asked) == 3


async def test_bytes_that_unpack(host: tuple[Host, str], tmp_path: Path) -> None:
    """The limit counts what is unpacked."""
    made, at = host
    packed = gzip.compress(b"x" * 100_000)
    made.answer = (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    ) + packed
    assert (await fetch(f"{at}/x", tmp_path)).bytes == 100_000
    found = await failure(f"{at}/x", tmp_path, source_max_bytes=99_999)
    assert found[:2] == (Quarantined, "source_too_large")


@pytest.mark.parametrize("parts", [(b"id\n1\n", b"2\n"), (b"x" * 5_000_000, b"", b"y"), (b"",)])
async def test_a_body_of_several_members(
    host: tuple[Host, str], tmp_path: Path, parts: tuple[bytes, ...]
) -> None:
    """Logs and exports put together from gzip files come whole, not their first part alone."""
    made, at = host
    packed = b"".join(map(gzip.compress, parts))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    made.answer = head % len(packed) + packed
    found = await fetch(f"{at}/x", tmp_path)
    whole = b"".join(parts)
    assert (found.bytes, found.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())


async def test_a_body_cut_within_its_encoding(host: tuple[Host, str], tmp_path: Path) -> None:
    """Half a gzip member is not taken for the whole file, though as many bytes came as announced."""
    made, at = host
    packed = gzip.compress(bytes(range(256)) * 100)[:-9]
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    made.answer = head % len(packed) + packed
    assert await failure(f"{at}/x", tmp_path) == (Quarantined, "source_unreadable", "encoding")


async def test_bytes_that_do_not_unpack(host: tuple[Host, str], tmp_path: Path) -> None:
    """A wrong Content-Encoding is the host's mistake and stays one."""
    made, at = host
    made.answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"
    assert await failure(f"{at}/x", tmp_path) == (Quarantined, "source_unreadable", "encoding")


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:99999/", "ftp://127.0.0.1/x", "file:///etc/passwd"]
)
async def test_a_redirect_to_nowhere(host: tuple[Host, str], tmp_path: Path, place: str) -> None:
    """A host cannot send us where an event could not."""
    made, at = host
    made.answer = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
    assert (await failure(f"{at}/x", tmp_path))[:2] == (Quarantined, "address_refused")


async def test_what_a_host_is_told(host: tuple[Host, str], tmp_path: Path) -> None:
    """Its own name, and no user that stood in the address."""
    made, at = host
    made.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    await fetch(at.replace("//", "//canari@") + "/b.csv?x=1", tmp_path)
    [asked] = made.asked
    assert asked.startswith(b"GET /b.csv?x=1 HTTP/1.1\r\n")
    assert f"host: {at.removeprefix('http://')}\r\n".encode() in asked.lower()
    assert b"canari" not in asked


@pytest.mark.parametrize(
    "address", ["http://[64:ff9b::a00:1]/x", "http://[64:ff9b::7f00:1]/x", "http://224.0.0.1/x"]
)
async def test_ways_around_to_the_citys_network(tmp_path: Path, address: str) -> None:
    """A translator's address and a group's address lead into the city's network."""
    found = await failure(address, tmp_path, allow_private_addresses=False)
    assert found == (Quarantined, "address_refused", "private address")


async def test_nothing_of_the_address_is_told(tmp_path: Path) -> None:
    """No failure quotes the address: it may hold a person's name."""
    for address in ("http://127.0.0.1:9/canari.csv", "drop:///canari/../x", "file:///canari.csv"):
        with pytest.raises(EcluseError) as caught:
            await fetch(address, tmp_path)
        assert not isinstance(caught.value, OursAway)
        assert "canari" not in f"{caught.value!r} {[str(r) for r in caught.value.reasons]}"

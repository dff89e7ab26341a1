"""Servers that say one thing and do another: answered byte by byte from a script, on loopback."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from services.ingest import http_source
from services.ingest.accounts import Account
from services.ingest.download import Fetched, Validators
from services.ingest.fetch_source import fetch_source
from services.ingest.http_source import NotModified
from shared.failures import EcluseError, Quarantined, SourceAway
from shared.settings import Settings
from shared.storage import open_store

DATA = b"id;places\nB1;3\nB2;4\n"
OTHER = b"ID;PLACES\nC1;3\nC2;4\n"


class Scripted:
    """Answers each connection with the next of `answers` and closes it; `asked` is what came."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.asked: list[str] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/x"
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._door.accept()
            except OSError:
                return
            with connection:
                asked = b""
                while b"\r\n\r\n" not in asked and (part := connection.recv(65536)):
                    asked += part
                self.asked.append(asked.decode("latin-1"))
                if self.answers:
                    connection.sendall(self.answers.pop(0))

    def close(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()


@pytest.fixture
def server() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


def answer(body: bytes, *lines: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP answer; `length` is what it says of its body, if that is not the truth."""
    told = len(body) if length is None else length
    head = (f"HTTP/1.1 {status}", f"Content-Length: {told}", "Connection: close", *lines)
    return "\r\n".join((*head, "", "")).encode() + body


async def fetch(
    server: Scripted,
    folder: Path,
    address: str | None = None,
    known: Validators | None = None,
    account: Account | None = None,
    more: Mapping[str, str] = {},
) -> Fetched:
    settings = Settings.model_validate(
        {
            "store": str(folder / "store"),
            "allow_private_addresses": True,
            "source_retry_seconds": 0.001,
            **more,
        }
    )
    store = open_store(settings, "ingest")
    return await fetch_source(
        address or server.address, folder / "to", settings, store, account, known
    )


async def failure(server: Scripted, folder: Path, **more: Any) -> tuple[type, str, str]:
    with pytest.raises(EcluseError) as caught:
        await fetch(server, folder, **more)
    [reason] = caught.value.reasons
    return type(caught.value), reason.code, reason.detail or ""


def part(body: bytes, first: int, of: int | str, *lines: str) -> bytes:
    """Part of a file, from byte `first` on."""
    told = f"Content-Range: bytes {first}-{first + len(body) - 1}/{of}"
    return answer(body, told, *lines, status="206 Partial Content")


@pytest.mark.parametrize("whole", [len(DATA), "*"])
async def test_a_rest_in_parts(server: Scripted, tmp_path: Path, whole: int | str) -> None:
    """A server that gives less than it was asked for is asked for the rest: nothing is cut off."""
    begun = answer(DATA[:5], 'ETag: "v1"', length=len(DATA))
    first = [part(DATA[5:8], 5, whole)] if whole != "*" else []
    server.answers = [begun, *first, part(DATA[8 if first else 5 :], 8 if first else 5, whole)]
    await fetch(server, tmp_path)
    assert (tmp_path / "to").read_bytes() == DATA


@pytest.mark.parametrize(
    "second",
    [
        part(OTHER[5:], 5, len(OTHER), 'ETag: "v2"'),
        part(OTHER[4:], 4, len(OTHER), 'ETag: "v1"'),
        part(OTHER[5:], 5, len(OTHER), 'ETag: "v1"', "Content-Encoding: gzip"),
        answer(OTHER[5:], "Content-Range: 5-", status="206 Partial Content"),
        answer(b"", status="304 Not Modified"),
        answer(b"", status="416 Range Not Satisfiable"),
    ],
    ids=["version", "place", "encoded", "no-place", "304", "416"],
)
async def test_a_part_that_is_not_the_rest(server: Scripted, tmp_path: Path, second: bytes) -> None:
    """Of another version, from elsewhere, encoded, or none: what came is forgotten, the whole is
    asked for. Nor does what was half fetched count as known."""
    begun = answer(DATA[:5], 'ETag: "v1"', length=len(DATA))
    server.answers = [begun, second, answer(OTHER)]
    await fetch(server, tmp_path, known=Validators('"v0"', None))
    assert (tmp_path / "to").read_bytes() == OTHER


async def test_a_weak_tag_with_a_date(server: Scripted, tmp_path: Path) -> None:
    """The date of a version that has a weak tag promises no equal bytes either."""
    dated = "Last-Modified: Sun, 01 Mar 2026 06:00:00 GMT"
    server.answers = [answer(DATA[:5], 'ETag: W/"v1"', dated, length=len(DATA)), answer(DATA)]
    await fetch(server, tmp_path)
    assert "Range:" not in server.asked[1]


async def test_not_modified_without_having_been_asked(server: Scripted, tmp_path: Path) -> None:
    """The server is at fault, not the address: it is asked again later."""
    server.answers = [answer(b"", status="304 Not Modified")] * 3
    assert await failure(server, tmp_path) == (SourceAway, "source_away", "HTTP 304")


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip, gzip", gzip.compress(gzip.compress(DATA))),
        ("identity, GZIP", gzip.compress(DATA)),
        ("deflate", zlib.compress(DATA)),
        ("UTF-8", DATA),
        ("identity", DATA),
    ],
    ids=["twice", "identity-gzip", "deflate", "no-coding", "identity"],
)
async def test_codings(server: Scripted, tmp_path: Path, coding: str, body: bytes) -> None:
    """All that was done to a body is undone; what is no coding is none."""
    server.answers = [answer(body, f"Content-Encoding: {coding}")]
    await fetch(server, tmp_path)
    assert (tmp_path / "to").read_bytes() == DATA


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("br", DATA),
        ("gzip, zstd", DATA),
        ("gzip", DATA),
        ("gzip, identity", gzip.compress(DATA)[:-9]),
        ("gzip, gzip", gzip.compress(gzip.compress(DATA)[:-9])),
    ],
    ids=["br", "zstd", "no-gzip", "cut-off", "cut-off-within"],
)
async def test_codings_that_are_not_read(
    server: Scripted, tmp_path: Path, coding: str, body: bytes
) -> None:
    """Nobody asked for them, or they are cut off: refused, never taken for the file's own bytes."""
    server.answers = [answer(body, f"Content-Encoding: {coding}")]
    assert await failure(server, tmp_path) == (Quarantined, "source_unreadable", "encoding")


async def test_a_tag_that_is_not_ascii(server: Scripted, tmp_path: Path) -> None:
    """It is shown again as it came."""
    server.answers = [
        answer(DATA[:5], 'ETag: "été"', length=len(DATA)),
        part(DATA[5:], 5, len(DATA)),
        answer(b"", status="304 Not Modified"),
    ]
    fetched = await fetch(server, tmp_path)
    with pytest.raises(NotModified):
        await fetch(server, tmp_path, known=fetched.validators)
    tag = '"été"'.encode().decode("latin-1")
    assert f"If-Range: {tag}" in server.asked[1]
    assert f"If-None-Match: {tag}" in server.asked[2]


async def test_a_name_that_is_not_ascii(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is resolved is what the server is asked for: the name's form in DNS."""
    resolved = []

    async def resolve(host: str, settings: Settings) -> str:
        resolved.append(host)
        return "127.0.0.1"

    monkeypatch.setattr(http_source, "resolve", resolve)
    server.answers = [answer(DATA)]
    await fetch(server, tmp_path, f"http://données.example:{server.port}/été.csv?lieu=La Réole")
    assert resolved == ["xn--donnes-eva.example"]
    assert f"Host: xn--donnes-eva.example:{server.port}\r\n" in server.asked[0]
    assert server.asked[0].startswith("GET /%C3%A9t%C3%A9.csv?lieu=La%20R%C3%A9ole HTTP")


@pytest.mark.parametrize(
    "address",
    ["http://a\ud800.example/x", "http://a.example/\ud800", "http://a.example/\x00"],
    ids=["host", "path", "nul"],
)
async def test_what_is_no_text(server: Scripted, tmp_path: Path, address: str) -> None:
    """Half a character, a NUL: no address, now or ever."""
    told = await failure(server, tmp_path, address=address)
    assert told == (Quarantined, "address_refused", "form")


@pytest.mark.parametrize(
    "token", ["é", "a\nX-Other: b", "", "a b"], ids=["accent", "line", "empty", "space"]
)
async def test_a_token_that_is_none(server: Scripted, tmp_path: Path, token: str) -> None:
    """An operator's mistake is said as one, and nothing is sent without the credentials."""
    (tmp_path / "token").write_text(token, encoding="utf-8")
    account = Account.model_validate(
        {"name": "sig", "hosts": ["127.0.0.1"], "token_file": tmp_path / "token", "user": "x"}
    )
    told = await failure(server, tmp_path, account=account)
    assert told == (Quarantined, "account_unknown", "file")
    assert server.asked == []


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_an_account_that_is_refused(server: Scripted, tmp_path: Path, status: str) -> None:
    """Whoever renews accounts is asked to; without one, it is the address that is wrong."""
    account = Account.model_validate({"name": "sig", "hosts": ["127.0.0.1"], "user": "x"})
    server.answers = [answer(b"", status=status)] * 2
    assert (await failure(server, tmp_path, account=account))[:2] == (
        Quarantined,
        "account_refused",
    )
    assert (await failure(server, tmp_path))[:2] == (Quarantined, "source_missing")


def test_hosts_are_named_in_any_case() -> None:
    """As they are in DNS."""
    account = Account.model_validate({"name": "sig", "hosts": ["SFTP.Sig.example:22"]})
    assert account.is_for("sftp.sig.example", 22)
    assert not account.is_for("sftp.sig.example", 23)


async def test_no_credentials_in_clear_after_tls(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirect from https to http of the same host is followed, without them."""
    monkeypatch.setattr(http_source, "is_private", lambda parts: parts.path == "/x")
    account = Account.model_validate({"name": "sig", "hosts": ["127.0.0.1"], "user": "x"})
    onward = answer(b"", "Location: /clear", status="302 Found")
    server.answers = [onward, answer(DATA)]
    await fetch(server, tmp_path, account=account)
    assert ["Authorization:" in asked for asked in server.asked] == [True, False]


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_an_s3_endpoint_that_refuses(server: Scripted, tmp_path: Path, status: str) -> None:
    """Waiting mends no key and no right."""
    server.answers = [answer(b"<Error><Code>AccessDenied</Code></Error>", status=status)] * 9
    endpoint = f"http://127.0.0.1:{server.port}"
    more = {
        "source_s3_endpoint": endpoint,
        "source_s3_access_key": "a",
        "source_s3_secret_key": "b",
    }
    told = await failure(server, tmp_path, address="s3://sig-exports/b.csv", more=more)
    assert told == (Quarantined, "account_refused", "")

"""Sends hostile events to ingest in a process of its own: what becomes of each, what memory it takes,
what is said. Run with a folder: `python -m tests.services.ingest.event_process FOLDER`."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from unittest import mock
from urllib.parse import quote

from faststream.kafka import TestKafkaBroker
from prometheus_client import generate_latest

from services.ingest import pinned_host
from shared import logs, metrics
from shared.events import DatasetChanged, DatasetDecided, DatasetIngested, DeadLetter, LedgerRow
from shared.public_address import is_public
from shared.storage import BUCKETS
from tests.cards import card
from tests.services.ingest.reading import SECRET
from tests.services.ingest.trap_process import ROOT, Sprung
from tests.services.ingest_doors.test_post_changes import EVENT, Door
from tests.test_passage_in_memory import A, Passage

MIB = 1 << 20
# The one address that is none of the city's own, in this process; it leads to the host below.
PUBLIC = "127.0.0.2"
NAMED = {
    "ce_specversion": "1.0",
    "ce_type": DatasetChanged.TYPE,
    "ce_source": "urn:example:sig",
    "content-type": "application/json",
}
LIMITS = {
    "ECLUSE_SOURCE_MAX_BYTES": str(16 * MIB),
    "ECLUSE_SOURCE_PATIENCE_SECONDS": "0.3",
    "ECLUSE_SOURCE_RETRY_SECONDS": "0.001",
    "ECLUSE_S3_ENDPOINT": "http://127.0.0.1:9",
    "ECLUSE_SOURCE_S3_ENDPOINT": "http://127.0.0.1:9",
}


class Host(BaseHTTPRequestHandler):
    """A web server of somebody who means harm; notes what it was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        Host.asked.append(f"{self.headers['Host']}{self.path}")
        _, what, *rest = self.path.split("/", 2)
        if what == "to":
            self._head(302, Location=rest[0])
        elif what == "ring":
            self._head(302, Location=f"/ring/{time.monotonic_ns()}")
        elif what == "bomb":
            packed = gzip.compress(bytes(256 * MIB), 1)
            self._head(200, **{"Content-Encoding": "gzip", "Content-Length": str(len(packed))})
            self._send([packed])
        elif what == "ever":
            self._head(200)
            self._send(itertools.repeat(SECRET.encode() * 4096))
        elif what == "drip":
            self._head(200)
            self._send(self._dripping())
        else:
            self._head(200)
            self._send([A.encode()])

    def _head(self, status: int, **more: str) -> None:
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, parts: Any) -> None:
        try:
            for part in parts:
                self.wfile.write(part)
        except OSError:
            self.close_connection = True

    def _dripping(self) -> Iterator[bytes]:
        while True:
            yield b"x"
            # The slowness is what the host does to us; nothing is waited for.
            time.sleep(0.05)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


Case = Callable[[Passage, str], Awaitable[None]]


def address(text: str) -> Case:
    """An event with this address; `{at}` is the host."""

    async def send(passage: Passage, at: str) -> None:
        await passage.announce("e1", address=text.format(at=at, secret=SECRET))

    return send


def message(value: bytes, **named: str) -> Case:
    """A record on `dataset.changed`, as it is."""

    async def send(passage: Passage, _at: str) -> None:
        await passage.put(DatasetChanged.TOPIC, value, NAMED | {"ce_id": "e1"} | named)

    return send


def field(**more: object) -> Case:
    return message(json.dumps({"dataset": "bancs", **more}).encode())


async def wrong_digest(passage: Passage, _at: str) -> None:
    """An event that names a table by another checksum than it has."""
    await passage.send(A)
    [told] = passage.events(DatasetIngested)
    told["table"]["sha256"] = "0" * 64
    # Else what was made of the right one would do.
    for key in [one.key async for one in passage.store.list("safe")]:
        await passage.store.delete("safe", key)
    passage.told.clear()
    named = NAMED | {"ce_id": "e2", "ce_type": DatasetIngested.TYPE}
    await passage.put(DatasetIngested.TOPIC, json.dumps(told).encode(), named)


async def forged(passage: Passage, _at: str) -> None:
    """A decision that nobody took."""
    body = {"dataset": "bancs", "decision": "approved", "actor": SECRET}
    named = NAMED | {"ce_id": "e1", "ce_type": DatasetDecided.TYPE}
    await passage.put(DatasetDecided.TOPIC, json.dumps(body).encode(), named)


async def same_id(passage: Passage, at: str) -> None:
    """A second body under the first one's identity: the first stays what the change is."""
    await passage.send(A)
    passage.told.clear()
    await passage.announce("e1", address=f"{at}/{SECRET}")


async def rebound(passage: Passage, at: str) -> None:
    """A host whose name says another address when it is asked for again."""
    await passage.announce("e1", address=at.replace(PUBLIC, "rebinding.example") + f"/{SECRET}")


async def another_tenant(passage: Passage, _at: str) -> None:
    """Somebody else's dataset, asked for over HTTP."""
    door = Door(passage.settings.spool / "door")
    answer = door.post(EVENT | {"subject": "trous", "data": {"address": f"https://{SECRET}/"}})
    assert door.sent == []
    passage.told.append(("answer", answer.content, {"status": answer.status_code}))


def dropped(name: str) -> Case:
    """A file of this name, dropped; what every other bucket then calls its objects is said too."""

    async def send(passage: Passage, _at: str) -> None:
        key = f"espaces-verts/bancs/{name}"
        await passage.store.put_bytes("drop", key, A.encode())
        await passage.announce("e1", address=f"drop:///{quote(key)}")
        for bucket in BUCKETS:
            if bucket != "drop":
                named = [one.key async for one in passage.store.list(bucket)]
                passage.told.append(("keys", "\n".join(named).encode(), {}))

    return send


CASES: dict[str, tuple[Case, str]] = {
    "S26 upwards": (address("drop:///espaces-verts/bancs/..%2F..%2F{secret}"), "address_refused"),
    "S26 300 characters": (
        address(f"drop:///espaces-verts/bancs/{'x' * 300}{{secret}}"),
        "address_refused",
    ),
    "S26 a command": (dropped(f"{SECRET}.csv;rm -rf $HOME"), "done"),
    "S26 emoji": (dropped(f"🌳 {SECRET}.csv"), "done"),
    "S26 a person": (dropped(f"Élodie {SECRET} 'née' <b>.csv"), "done"),
    "S27 another dataset": (address("drop:///espaces-verts/haies/{secret}.csv"), "drop_elsewhere"),
    "S27 another domain": (address("drop:///voirie/bancs/{secret}.csv"), "drop_elsewhere"),
    "S27 out of the bucket": (address("drop:///espaces-verts/../raw/{secret}"), "address_refused"),
    "S27 our own bucket": (address("s3://ecluse-raw/bancs/{secret}"), "address_refused"),
    "S28 wrong checksum": (wrong_digest, "object_damaged"),
    # Fields may be added within a version; this event only lacks an address.
    "S28 unknown field": (field(**{SECRET: 1}), "source_unknown"),
    "S28 wrong field": (field(kind=SECRET, address=-1), "message_undecodable"),
    "S28 wrong release": (
        field(rerun={"change": SECRET, "release": 10**12}),
        "message_undecodable",
    ),
    "S28 a megabyte": (field(address=SECRET * 100_000), "message_too_large"),
    "S28 not UTF-8": (message(SECRET.encode() + b"\xff\xfe"), "message_undecodable"),
    "S28 depth": (message(b"[" * 60_000), "message_undecodable"),
    "S29 forged": (forged, "nothing"),
    "S30 far future": (
        message(
            json.dumps({"dataset": "bancs", "address": f"gopher://{SECRET}/"}).encode(),
            ce_time="9999-12-31T23:59:59Z",
        ),
        "address_refused",
    ),
    "S30 same id": (same_id, "done"),
    "S31 another tenant": (another_tenant, "not_allowed"),
    "S32 metadata": (address("http://169.254.169.254/{secret}"), "address_refused"),
    "S32 loopback": (address("http://[::1]/{secret}"), "address_refused"),
    "S32 in hexadecimal": (address("http://0x7f.1/{secret}"), "address_refused"),
    "S32 file": (address("file:///etc/{secret}"), "address_refused"),
    "S32 gopher": (address("gopher://{secret}/"), "address_refused"),
    "S33 redirect": (address("{at}/to/http://127.0.0.1:1/{secret}"), "address_refused"),
    "S33 ring": (address("{at}/ring/{secret}"), "address_refused"),
    "S33 rebinding": (rebound, "done"),
    "S34 for ever": (address("{at}/ever/{secret}"), "source_too_large"),
    "S34 dripping": (address("{at}/drip/{secret}"), "source_away"),
    "S34 bomb": (address("{at}/bomb/{secret}"), "source_too_large"),
}


def code_of(passage: Passage) -> str:
    """How it ended: the first reason told, else the last state, else nothing."""
    for topic, value, _ in passage.told:
        if topic == "answer":
            return str(json.loads(value)["refused"][0]["code"])
    told = [*passage.events(DeadLetter), *passage.events(LedgerRow)]
    reasons = [reason["code"] for one in told for reason in one.get("reasons", ())]
    if reasons:
        return str(reasons[0])
    return str(told[-1]["state"]) if told else "nothing"


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def run(folder: Path, name: str, at: str) -> tuple[str, str]:
    folder.mkdir()
    (folder / "door").mkdir()
    made = Passage(folder)
    made.declare(card())
    async with AsyncExitStack() as stack:
        brokers = [flow.broker for flow in made.flows]
        await stack.enter_async_context(TestKafkaBroker(*brokers, made.listener))
        await CASES[name][0](made, at)
    # The topic that the event came on holds what was sent, and is raw zone.
    own = {DatasetChanged.TOPIC, DatasetDecided.TOPIC}
    said = [f"{topic} {value!r} {more}" for topic, value, more in made.told if topic not in own]
    return code_of(made), "\n".join(said)


class Rebinding:
    """Resolves one name to the public address first, and to the machine's own ever after."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._resolve = loop.getaddrinfo
        self.asked = 0

    async def __call__(self, host: Any, port: Any, **more: Any) -> Any:
        if host == "rebinding.example":
            self.asked += 1
            host = PUBLIC if self.asked == 1 else "127.0.0.1"
        return await self._resolve(host, port, **more)


async def main(folder: Path) -> None:
    logs.configure("ingest")
    mock.patch.object(pinned_host, "is_public", lambda at: at == PUBLIC or is_public(at)).start()
    loop = asyncio.get_running_loop()
    rebinding = Rebinding(loop)
    loop.getaddrinfo = rebinding  # type: ignore[method-assign]
    Host.asked = []
    with ThreadingHTTPServer((PUBLIC, 0), Host) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        at = f"http://{PUBLIC}:{port}"
        told: dict[str, Any] = {"": [*await run(folder / "plain", "S30 same id", at), peak()]}
        Host.asked.clear()
        for number, name in enumerate(CASES):
            told[name] = [*await run(folder / str(number), name, at), peak()]
        server.shutdown()
    exposed = generate_latest(metrics.registry).decode()
    print(json.dumps({"told": told, "asked": Host.asked, "metrics": exposed}))


def send_all(folder: Path) -> tuple[dict[str, Sprung], list[str]]:
    """What became of every case, and what the host was asked for."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(ROOT)} | LIMITS,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    told = found["told"]
    base = told.pop("")[2]
    shared = done.stderr + found["metrics"]
    return {
        name: Sprung(code, most - base, said + shared) for name, (code, said, most) in told.items()
    }, found["asked"]


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

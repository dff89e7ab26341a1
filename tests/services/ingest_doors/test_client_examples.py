"""The clients shown in docs/sending.md work as they are copied; only the addresses are the test's."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, cast

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.ingest.http_api import ChangesApi
from shared.envelope import decode
from shared.events import DatasetChanged
from shared.identity import Identities, token_digest
from shared.settings import Settings
from shared.storage import Store, open_store

PAGE = (Path(__file__).parents[3] / "docs" / "sending.md").read_text(encoding="utf-8")
DATA = b"id;places\nB1;3\n"
TOKEN = "sig-token"
KEY = "arbres-2026-03-01"


def examples(language: str, holding: str) -> list[str]:
    """The page's blocks of a language that hold a text."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [block for block in found if holding in block]


@dataclass(frozen=True)
class Sent:
    """A record as the broker would hand it over."""

    topic: str
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    partition: int = 0
    offset: int = 0
    timestamp: int = 0


class Desk:
    """The endpoint on a port of loopback, with what it sent, and where a change is followed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "client"
        self.folder.mkdir()
        for name in ("arbres.csv", "arbres.geojson"):
            (self.folder / name).write_bytes(DATA)
        (self.folder / "token").write_text(TOKEN + "\n", encoding="utf-8")
        self.sent: list[tuple[DatasetChanged, str]] = []
        sender = {
            "name": "sig",
            "token_sha256": token_digest(TOKEN),
            "roles": ["sender"],
            "domains": ["espaces-verts"],
        }
        identities = Identities.model_validate({"identities": [sender]})
        config = uvicorn.Config(Starlette(), port=0, log_level="warning", lifespan="off")
        socket = config.bind_socket()
        # Who comes before the server has begun waits for it instead of being refused.
        socket.listen()
        self.address = f"http://127.0.0.1:{socket.getsockname()[1]}"
        settings = Settings.model_validate(
            {"store": str(folder / "store"), "spool": folder, "admin_url": self.address}
        )
        self.store: Store = open_store(settings, "ingest")
        api = ChangesApi(settings, identities, self.store, cast(Any, {}), self._send)
        follow = Route("/changes/{change}", self._follow)
        config.app = Starlette(routes=[*api.routes(), follow])
        self.server = uvicorn.Server(config)
        self.thread = Thread(target=self.server.run, args=([socket],), daemon=True)
        self.thread.start()

    async def _send(self, change: DatasetChanged, event_id: str, source: str) -> None:
        self.sent.append((change, event_id))

    async def _follow(self, request: Request) -> JSONResponse:
        return JSONResponse({"end": "published", "state": "done", "reasons": []})

    def run(self, *command: str) -> str:
        """What a client's program prints, which must end well."""
        env = {**os.environ, "TOKEN": TOKEN}
        done = subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def here(self, example: str) -> str:
        return example.replace("https://ecluse.example", self.address)

    async def dropped(self) -> bytes | None:
        """The file that the one change sent points at."""
        [(change, event_id)] = self.sent
        assert (change.dataset, event_id) == ("arbres", KEY)
        assert change.address is not None
        return await self.store.get("drop", change.address.removeprefix("drop:///"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.server.should_exit = True
    desk.thread.join()


@pytest.mark.parametrize("what", ["--data-binary @arbres.csv", "-T arbres.geojson"])
async def test_curl_sends_a_file(desk: Desk, what: str) -> None:
    """By POST and by PUT."""
    [example] = examples("sh", what)
    answer = await asyncio.to_thread(desk.run, "sh", "-c", desk.here(example))
    assert json.loads(answer)["dataset"] == "arbres"
    assert await desk.dropped() == DATA


def test_curl_sends_an_address(desk: Desk) -> None:
    """Where the file lies, in JSON."""
    [example] = examples("sh", '"address"')
    desk.run("sh", "-c", desk.here(example))
    [(change, event_id)] = desk.sent
    assert (change.address, event_id) == ("https://sig.example/arbres.csv", KEY)


async def test_python_sends_a_file_and_waits(desk: Desk) -> None:
    """It follows the change where the answer says, to its end."""
    [example] = examples("python", "httpx")
    said = await asyncio.to_thread(desk.run, sys.executable, "-c", desk.here(example))
    assert said == "published []\n"
    assert await desk.dropped() == DATA


@pytest.mark.skipif(shutil.which("javac") is None, reason="no Java compiler on this machine")
async def test_java_sends_a_file(desk: Desk) -> None:
    """Compiled for Java 17; it prints where the change is followed."""
    [example] = examples("java", "class SendFile")
    (desk.folder / "SendFile.java").write_text(desk.here(example), encoding="utf-8")
    await asyncio.to_thread(desk.run, "javac", "--release", "17", "SendFile.java")
    said = await asyncio.to_thread(desk.run, "java", "SendFile")
    assert re.fullmatch(r"\S*/changes/c[0-9a-f]{31}\n", said)
    assert await desk.dropped() == DATA


def test_python_on_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the binary example gives to the broker is read as a change of the dataset."""
    sent: list[tuple[bytes, Sent]] = []

    class Producer:
        def __init__(self, **_: object) -> None: ...
        async def start(self) -> None: ...
        async def stop(self) -> None: ...

        async def send_and_wait(
            self, topic: str, value: bytes, key: bytes, headers: list[tuple[str, bytes]]
        ) -> None:
            sent.append((key, Sent(topic, value, headers)))

    monkeypatch.setattr("aiokafka.AIOKafkaProducer", Producer)
    [example] = examples("python", "AIOKafkaProducer")
    exec(example, {})
    [(key, record)] = sent
    change, _ = decode(DatasetChanged, record)
    assert (record.topic, key.decode()) == ("dataset.changed", change.dataset)
    assert change.address == "https://sig.example/arbres.csv"


def test_java_on_kafka() -> None:
    """The record that the Java example makes, read off its text, is a change of the dataset."""
    [example] = examples("java", "class SendChange")
    headers = [
        (name, value.encode()) for name, value in re.findall(r'\{"([\w-]+)", "(.*?)"\}', example)
    ]
    assert '{"ce_id", UUID.randomUUID().toString()}' in example
    [(topic, key, value)] = re.findall(r'"([\w.]+)", "(\w+)", "(\{.*\})"\)', example)
    record = Sent(topic, value.replace('\\"', '"').encode(), [*headers, ("ce_id", b"1")])
    change, _ = decode(DatasetChanged, record)
    assert (topic, key) == ("dataset.changed", change.dataset)
    assert change.address == "https://sig.example/arbres.csv"


def test_the_structured_example() -> None:
    """The JSON shown is read as a correction, with the header that the page names."""
    [example] = examples("json", '"specversion"')
    header = ("content-type", b"application/cloudevents+json")
    change, came = decode(DatasetChanged, Sent("dataset.changed", example.encode(), [header]))
    assert (change.dataset, change.kind) == ("arbres", "correction")
    assert came.source == "urn:example:sig"

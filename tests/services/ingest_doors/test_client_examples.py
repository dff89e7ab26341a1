"""The clients shown in docs/sending.md work as they are copied; only the addresses are the test's."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.envelope import decode
from shared.events import DatasetChanged
from tests.services.ingest_doors.client_desk import DATA, KEY, Desk, examples


@dataclass(frozen=True)
class Sent:
    """A record as the broker would hand it over."""

    topic: str
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    partition: int = 0
    offset: int = 0
    timestamp: int = 0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


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

"""What the object store says of its drop bucket: read, looked after, and never quoted."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from services.ingest.drops import Drops
from services.ingest.handlers import on_notified
from shared.envelope import decode
from shared.events import DatasetChanged, DropNotified
from shared.failures import MessageInvalid
from shared.settings import Settings
from shared.storage import Store, open_store

PLACE = "espaces-verts/bancs"


@dataclass
class Notice:
    """A record as the store puts it on the topic."""

    value: bytes | None
    topic: str = "drop.notified"
    partition: int = 0
    offset: int = 3
    timestamp: int = 1_772_000_000_123
    headers: tuple[tuple[str, bytes], ...] = ()


def notice(*keys: str, bucket: str = "ecluse-drop") -> Notice:
    records = [
        {
            "eventName": "s3:ObjectCreated:Put",
            "s3": {
                "bucket": {"name": bucket},
                "object": {"key": quote_plus(key, safe="/"), "size": 3, "sequencer": "18A"},
            },
        }
        for key in keys
    ]
    return Notice(json.dumps({"EventName": "s3:ObjectCreated:Put", "Records": records}).encode())


class Watched:
    """A drop bucket, and what was said of it."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings.model_validate({"store": str(folder)})
        self.store: Store = open_store(self.settings, "ingest")
        self.said: list[DatasetChanged] = []
        self.drops = Drops(self.store, self._send, seconds=1, stand_still=False)

    async def _send(self, change: DatasetChanged) -> None:
        self.said.append(change)

    async def hear(self, record: Notice) -> None:
        await on_notified(decode(DropNotified, record)[0], self.drops, self.settings)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "store")


@pytest.mark.parametrize("name", ["b.csv", "l'été à 10 % +1 & plus.csv", "a\u00a0b.csv", "%2F.csv"])
async def test_a_dropped_file_is_said_at_once(watched: Watched, name: str) -> None:
    """Keyed by dataset, whatever the file is called; heard twice and listed too, said once."""
    await watched.store.put_bytes("drop", f"{PLACE}/{name}", b"1")
    await watched.hear(notice(f"{PLACE}/{name}"))
    await watched.hear(notice(f"{PLACE}/{name}"))
    await watched.drops.once()
    assert [one.key for one in watched.said] == ["bancs"]


async def test_both_ways_name_the_same_change(watched: Watched, tmp_path: Path) -> None:
    """Two processes, one that hears and one that lists, say the same event."""
    await watched.store.put_bytes("drop", f"{PLACE}/b.csv", b"1")
    await watched.hear(notice(f"{PLACE}/b.csv"))
    other = Watched(tmp_path / "store")
    await other.drops.once()
    assert other.said == watched.said
    assert other.said[0].id == watched.said[0].id


async def test_several_files_in_one_notice(watched: Watched) -> None:
    """Each is said; one that is gone already is not."""
    for name in ("a.csv", "b.csv"):
        await watched.store.put_bytes("drop", f"{PLACE}/{name}", b"1")
    await watched.hear(notice(f"{PLACE}/a.csv", f"{PLACE}/gone.csv", f"{PLACE}/b.csv"))
    assert len(watched.said) == 2


@pytest.mark.parametrize(
    "key",
    [
        "b.csv", f"{PLACE}/.b.csv", f"{PLACE}/2026/b.csv", f"{PLACE}/../b.csv", f"{PLACE}/a\x00b",
        f"{PLACE}/a\nb.csv", ".sent/espaces-verts/bancs/c1.csv", "", "/",
    ],
)  # fmt: skip
async def test_what_lies_in_no_datasets_place_is_not_asked_for(watched: Watched, key: str) -> None:
    """The listing counts it; a notice about it is no error, and asks the store nothing."""
    await watched.hear(notice(key))
    assert watched.said == []


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff\xfecanari",
        b"[1]",
        b'"canari"',
        b'{"Records": "canari"}',
        b'{"Records": []}',
        b'{"Records": [{"s3": {}}]}',
        b'{"Records": [{"s3": {"bucket": {"name": "canari"}, "object": {"key": 3}}}]}',
        b'{"x": "' + b"canari" * 20_000 + b'"}',
    ],
)
def test_a_notice_that_cannot_be_read(value: bytes | None) -> None:
    """It is refused for good, and nothing of it is quoted."""
    with pytest.raises(MessageInvalid) as caught:
        decode(DropNotified, Notice(value))
    assert "canari" not in str(caught.value.reasons)


async def test_another_bucket(watched: Watched) -> None:
    """A notice about a bucket that is not the drop bucket is refused: the server is set up wrongly."""
    with pytest.raises(MessageInvalid):
        await watched.hear(notice(f"{PLACE}/b.csv", bucket="ecluse-raw"))


@limits(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_key_can_be_heard(tmp_path_factory: pytest.TempPathFactory, key: str) -> None:
    """No name that a bucket may hold stops the subscriber."""
    watched = Watched(tmp_path_factory.getbasetemp() / "any")
    asyncio.run(watched.hear(notice(key)))
    asyncio.run(watched.hear(notice(f"{PLACE}/{key}")))
    assert watched.said == []

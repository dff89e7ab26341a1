"""The watched folder: what is said of a file, when, and what stays unsaid."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.ingest.change_record import ChangeRecord, Run, read_fetched, take_up
from services.ingest.drops import Drops, change_of
from services.ingest.keep_source import keep_source
from shared import metrics
from shared.envelope import Received
from shared.event_parts import Rerun, Sequence
from shared.events import DatasetChanged
from shared.failures import OursAway, Quarantined
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import Found, Store, open_store
from tests.cards import card

DATA = b"id;places\nB1;3\n"
PLACE = "espaces-verts/bancs"


class Folder:
    """A drop folder under watch, and what was said of it."""

    def __init__(self, folder: Path, *, stand_still: bool = True) -> None:
        self.settings = Settings.model_validate({"store": str(folder / "store")})
        self.store: Store = open_store(self.settings, "ingest")
        self.root = folder / "store" / "drop"
        self.said: list[DatasetChanged] = []
        self.away = False
        self.drops = Drops(self.store, self._send, seconds=1, stand_still=stand_still)

    async def _send(self, change: DatasetChanged) -> None:
        if self.away:
            raise OursAway(Reason(code="broker_away"))
        self.said.append(change)

    def put(self, name: str, content: bytes = DATA) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            await self.drops.once()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def rejected() -> float:
    return (
        metrics.registry.get_sample_value(
            "ecluse_events_received_total", {"way": "drop", "outcome": "rejected"}
        )
        or 0.0
    )


async def test_a_file_under_copy_is_left_alone(folder: Folder) -> None:
    """As long as it grows from one look to the next nothing is said of it."""
    path = folder.put(f"{PLACE}/b.csv", b"")
    for _ in range(4):
        with path.open("ab") as file:
            file.write(DATA)
        await folder.look()
    assert folder.said == []
    await folder.look()
    assert [one.dataset for one in folder.said] == ["bancs"]


async def test_a_store_that_shows_whole_objects(tmp_path: Path) -> None:
    """On S3 an object is there whole or not at all: it is said at first sight."""
    folder = Folder(tmp_path, stand_still=False)
    folder.put(f"{PLACE}/b.csv")
    await folder.look()
    assert len(folder.said) == 1


async def test_an_undeclared_dataset(folder: Folder) -> None:
    """Said as well: it is parked by its name until somebody declares it."""
    folder.put("voirie/nobody-knows/b.csv")
    await folder.look(2)
    assert [one.dataset for one in folder.said] == ["nobody-knows"]


@pytest.mark.parametrize(
    "name",
    [
        "b.csv",
        "espaces-verts/b.csv",
        f"{PLACE}/2026/b.csv",
        "espaces-verts/-bancs/b.csv",
        "espaces-verts/bancs-/b.csv",
        "espaces-verts/Bancs/b.csv",
        "-verts/bancs/b.csv",
        "a/bancs/b.csv",
        "espaces-verts/canari et fils/b.csv",
    ],
)
async def test_a_file_in_no_datasets_place(folder: Folder, name: str) -> None:
    """It is counted and logged once, without its name, and holds up nobody else's."""
    before = rejected()
    folder.put(name)
    folder.put(f"{PLACE}/b2.csv")
    with capture_logs() as logs:
        await folder.look(4)
    assert [one.dataset for one in folder.said] == ["bancs"]
    assert rejected() - before == 1
    assert [one["event"] for one in logs] == ["drops_misplaced"]
    assert name.rsplit("/", maxsplit=1)[-1] not in str(logs)
    assert "canari" not in str(logs)


async def test_several_files_for_one_dataset(folder: Folder) -> None:
    """They are said in the order in which they were dropped, whatever they are called."""
    for day, name in enumerate(("c.csv", "a.csv", "d.csv", "b.csv"), 1):
        os.utime(folder.put(f"{PLACE}/{name}"), (86_400 * day, 86_400 * day))
    await folder.look(2)
    said = [one.address or "" for one in folder.said]
    names = [address.partition("?")[0].rsplit("/", maxsplit=1)[-1] for address in said]
    assert names == ["c.csv", "a.csv", "d.csv", "b.csv"]


@pytest.mark.parametrize(
    "name",
    [f"{PLACE}/.b.csv", f"{PLACE}/~$b.xlsx", f"{PLACE}/.~lock.b.ods#", ".sent/x/bancs/c1.csv",
     f"{PLACE}/bancs.csv.filepart", f"{PLACE}/bancs.xlsx.crdownload", f"{PLACE}/Bancs.csv.PART"],
)  # fmt: skip
async def test_files_not_meant_for_us(folder: Folder, name: str) -> None:
    """Hidden and lock files, unfinished copies, what came over HTTP: passed over without a word."""
    before = rejected()
    folder.put(name)
    await folder.look(3)
    assert (folder.said, rejected() - before) == ([], 0)


async def test_the_broker_is_away(folder: Folder) -> None:
    """What could not be said is said at the next look."""
    folder.put(f"{PLACE}/b.csv")
    folder.away = True
    await folder.look()
    with pytest.raises(OursAway):
        await folder.look()
    folder.away = False
    await folder.look(2)
    assert len(folder.said) == 1


async def test_the_same_file_after_a_restart(folder: Folder, tmp_path: Path) -> None:
    """It is said again under the same id, so that it is the same change."""
    folder.put(f"{PLACE}/b.csv")
    await folder.look(2)
    again = Folder(tmp_path)
    await again.look(2)
    assert again.said[0].id == folder.said[0].id


async def test_another_file_of_the_same_name_and_size(folder: Folder) -> None:
    """A new version is a new change, even if it has as many bytes."""
    path = folder.put(f"{PLACE}/b.csv", DATA)
    await folder.look(2)
    path.write_bytes(DATA.replace(b"3", b"4"))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000_000))
    await folder.look(2)
    assert len({one.id for one in folder.said}) == 2


@limits(max_examples=200, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    | st.from_regex(r"[a-zA-Z-]{1,6}/[a-z0-9-]{1,6}/.{1,40}", fullmatch=True)
    | st.just("ab/cd/" + "é" * 1000)
)
def test_any_key_is_a_change_or_none(key: str) -> None:
    """No name that a bucket may hold stops the watch."""
    change = change_of(Found(key, 1, "etag", datetime(2026, 3, 1, tzinfo=UTC)))
    assert change is None or key.split("/")[1] == change.dataset


# --- from the drop to the raw zone ---------------------------------------------------------------


def came(event_id: str = "e1", offset: int = 7, sequence: int | None = None) -> Received:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Received("dataset.changed", 0, offset, at, event_id, "urn:x", sequence)


async def kept(folder: Folder, run: Run, tmp_path: Path, **fields: Any) -> bytes:
    found = await keep_source(run, card(**fields), tmp_path, folder.settings, folder.store)
    return found.path.read_bytes()


async def keys(store: Store, bucket: Any) -> AsyncIterator[str]:
    async for found in store.list(bucket):
        yield found.key


@pytest.mark.parametrize(
    "address",
    [
        "drop:///voirie/bancs/x.csv",
        "drop:///espaces-verts/arbres/x.csv",
        "drop:///.sent/espaces-verts/arbres/c.csv",
        "drop:///espaces-verts%2Farbres/x.csv",
    ],
)
async def test_a_file_of_somebody_elses(folder: Folder, tmp_path: Path, address: str) -> None:
    """An event for one dataset never takes, nor deletes, a file dropped for another."""
    for name in (
        "voirie/bancs/x.csv",
        "espaces-verts/arbres/x.csv",
        ".sent/espaces-verts/arbres/c.csv",
    ):
        folder.put(name)
    run = await take_up(DatasetChanged(dataset="bancs", address=address), came(), folder.store, 0)
    with pytest.raises(Quarantined) as caught:
        await kept(folder, run, tmp_path)
    assert caught.value.reasons[0].code == "drop_elsewhere"
    assert len([key async for key in keys(folder.store, "drop")]) == 3
    assert [key async for key in keys(folder.store, "raw") if "/sources/" in key] == []


@pytest.mark.parametrize(
    "address", ["drop:///espaces-verts/bancs/../arbres/x.csv", "http://[::1", "drop:///x//y"]
)
async def test_a_change_with_no_address_worth_the_name(
    folder: Folder, tmp_path: Path, address: str
) -> None:
    """It is stopped with a reason, whichever way it came to us."""
    run = await take_up(DatasetChanged(dataset="bancs", address=address), came(), folder.store, 0)
    with pytest.raises(Quarantined) as caught:
        await kept(folder, run, tmp_path)
    assert caught.value.reasons[0].code == "address_refused"


async def test_no_address_at_all(folder: Folder, tmp_path: Path) -> None:
    """Neither the event nor the card says where: that is what is said."""
    run = await take_up(DatasetChanged(dataset="bancs"), came(), folder.store, 0)
    with pytest.raises(Quarantined) as caught:
        await kept(folder, run, tmp_path)
    assert caught.value.reasons[0].code == "source_unknown"


@pytest.mark.parametrize("later", [DATA * 2, DATA[::-1], b"x"], ids=["longer", "other", "shorter"])
async def test_a_file_replaced_while_it_is_read(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: bytes
) -> None:
    """What is kept is one file, whole: never the beginning of one, or halves of two."""
    path = folder.put(f"{PLACE}/b.csv")
    os.utime(path, (1_000_000, 1_000_000))
    await folder.look(2)
    stream, reads = Store.stream, []

    async def interrupted(*told: Any) -> AsyncIterator[bytes]:
        reads.append(told)
        if len(reads) == 1:
            # After its size was asked for, before its bytes are.
            path.write_bytes(later)
        async for part in stream(*told):
            yield part

    monkeypatch.setattr(Store, "stream", interrupted)
    settings = folder.settings.model_copy(update={"source_retry_seconds": 0.001})
    run = await take_up(folder.said[0], came(), folder.store, 0)
    kept = await keep_source(run, card(), tmp_path, settings, folder.store)
    assert kept.path.read_bytes() == later


async def test_a_repeat_sees_what_the_first_saw(folder: Folder, tmp_path: Path) -> None:
    """Even if the source has changed since; unless the run asks for it to be fetched again."""
    source = tmp_path / "sources" / "b.csv"
    source.parent.mkdir()
    source.write_bytes(DATA)
    folder.settings = folder.settings.model_copy(update={"allowed_folders": (source.parent,)})
    change = DatasetChanged(dataset="bancs", address=source.as_uri())
    first = await take_up(change, came(), folder.store, 0)
    assert await kept(folder, first, tmp_path) == DATA
    source.write_bytes(DATA + b"B2;4\n")
    assert await kept(folder, await take_up(change, came(), folder.store, 0), tmp_path) == DATA
    for fetch, expected in (("kept", DATA), ("again", DATA + b"B2;4\n")):
        rerun = Rerun.model_validate(
            {
                "change": first.record.change,
                "sequence": first.record.sequence,
                "source_of": first.record.change,
                "card_revision": 2,
                "fetch": fetch,
                "asked_by": "1",
            }
        )
        asked = DatasetChanged(dataset="bancs", rerun=rerun)
        run = await take_up(asked, came(f"r-{fetch}"), folder.store, 0)
        assert (run.record.change, run.record.sequence) == (
            first.record.change,
            first.record.sequence,
        )
        assert await kept(folder, run, tmp_path) == expected


async def test_kept_bytes_that_were_deleted_are_fetched_anew(
    folder: Folder, tmp_path: Path
) -> None:
    """After the retention of raw sources a repeat fetches again instead of failing."""
    source = tmp_path / "sources" / "b.csv"
    source.parent.mkdir()
    source.write_bytes(DATA)
    folder.settings = folder.settings.model_copy(update={"allowed_folders": (source.parent,)})
    change = DatasetChanged(dataset="bancs", address=source.as_uri())
    run = await take_up(change, came(), folder.store, 0)
    await kept(folder, run, tmp_path)
    fetched = await read_fetched(folder.store, "bancs", run.record.change)
    assert fetched
    await folder.store.delete("raw", f"bancs/sources/{fetched.sha256}")
    assert await read_fetched(folder.store, "bancs", run.record.change) is None
    assert await kept(folder, run, tmp_path) == DATA


async def test_the_domains_own_sequence_comes_first(folder: Folder) -> None:
    """A CloudEvents `sequence` orders changes, the offset only in its absence."""
    change = DatasetChanged(dataset="bancs", address="https://a.example/b.csv")
    own = await take_up(change, came("a", 7, 3), folder.store, 2)
    assert own.record.sequence == Sequence(generation=2, number=3)
    other = await take_up(change, came("b", 8), folder.store, 2)
    assert other.record.sequence == Sequence(generation=2, number=8)


async def test_the_same_id_with_another_address(folder: Folder) -> None:
    """The first wins: an id names one change."""
    first = await take_up(
        DatasetChanged(dataset="bancs", address="https://a.example/1"), came(), folder.store, 0
    )
    second = await take_up(
        DatasetChanged(dataset="bancs", address="https://a.example/2"), came(), folder.store, 0
    )
    assert second.record == first.record


async def test_a_damaged_record(folder: Folder) -> None:
    """It is not guessed at, and quotes nothing."""
    change = DatasetChanged(dataset="bancs", address="https://a.example/1")
    run = await take_up(change, came(), folder.store, 0)
    assert isinstance(run.record, ChangeRecord)
    await folder.store.put_bytes("raw", f"bancs/changes/{run.record.change}.json", b'{"canari":1}')
    with pytest.raises(Quarantined) as caught:
        await take_up(change, came(), folder.store, 0)
    assert caught.value.reasons[0].code == "object_damaged"
    assert "canari" not in repr(caught.value)

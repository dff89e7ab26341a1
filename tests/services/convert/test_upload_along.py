"""Files are uploaded while they are written, and become visible once the release is whole."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from services.convert import upload_along as module
from services.convert.convert_table import ConvertedRelease
from services.convert.upload_along import upload_along
from services.convert.written_file import CountingWriter, WrittenFile
from shared.event_parts import BucketName
from shared.failures import OursAway, Quarantined
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import Store, open_store

PLACES = {"bancs.csv": "bancs/r/bancs.csv", "bancs.json": "bancs/r/bancs.json"}
BLOCK = b"0123456789abcdef" * 4096


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FROM_BYTES", len(BLOCK))
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)


class Watched:
    """A store that tells when parts of a file have come."""

    def __init__(self, folder: Path) -> None:
        self.really = open_store(Settings(store=str(folder)), "convert")
        self.came: dict[str, int] = {}
        self.more = asyncio.Condition()
        self.away = False

    async def put_parts(self, bucket: BucketName, key: str, parts: AsyncIterator[bytes]) -> None:
        async def counted() -> AsyncIterator[bytes]:
            async for part in parts:
                async with self.more:
                    self.came[key] = self.came.get(key, 0) + len(part)
                    self.more.notify_all()
                if self.away:
                    raise OursAway(Reason(code="store_away"))
                yield part

        await self.really.put_parts(bucket, key, counted())

    async def until(self, key: str, size: int) -> None:
        """Waits until so much of the file has come."""
        async with self.more:
            await self.more.wait_for(lambda: self.came.get(key, 0) >= size)

    async def visible(self) -> dict[str, bytes]:
        listed = [found.key async for found in self.really.list("staged")]
        return {key: await self.really.get("staged", key) or b"" for key in listed}


def written(out: CountingWriter, name: str) -> WrittenFile:
    out.close()
    return out.written(name, name.partition(".")[2], 1)


def release(*files: WrittenFile) -> ConvertedRelease:
    nothing = cast(Any, None)
    return ConvertedRelease(files, nothing, nothing, (), 1, "", {}, ())


@pytest.fixture
def store(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "store")


def as_store(store: Watched) -> Store:
    return cast(Store, store)


async def test_parts_go_out_before_the_file_is_whole(tmp_path: Path, store: Watched) -> None:
    """While it grows its parts arrive and nothing is visible; at the end it is there, with the
    checksum reckoned by its writer. A short file is left to the caller."""

    async def work() -> ConvertedRelease:
        out, short = (CountingWriter(tmp_path / name) for name in PLACES)
        for count in range(1, 5):
            out.write(BLOCK)
            await store.until("bancs/r/bancs.csv", count * len(BLOCK))
            assert await store.visible() == {}
        out.write(b"end")
        short.write(b"[]")
        return release(written(out, "bancs.csv"), written(short, "bancs.json"))

    _, done = await upload_along(work(), tmp_path, PLACES, as_store(store))
    assert list(done) == ["bancs.csv"]
    content = BLOCK * 4 + b"end"
    assert await store.visible() == {"bancs/r/bancs.csv": content}
    ref = done["bancs.csv"]
    assert (ref.bytes, ref.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def refused(out: CountingWriter) -> ConvertedRelease:
    out.abandon()
    return release()


def begun_again(out: CountingWriter) -> ConvertedRelease:
    """As a second worker does after the first has died: as many bytes, which may be others."""
    other = CountingWriter(out.path)
    other.write(b"x" * out.bytes)
    return release(written(other, "bancs.csv"))


def longer_than_told(out: CountingWriter) -> ConvertedRelease:
    made = written(out, "bancs.csv")
    with out.path.open("ab") as file:
        file.write(b"more")
    return release(made)


@pytest.mark.parametrize("end", [refused, begun_again, longer_than_told])
async def test_what_is_not_the_file_is_called_off(
    tmp_path: Path, store: Watched, end: Callable[[CountingWriter], ConvertedRelease]
) -> None:
    """A refused format, a worker that died and was followed by another: nothing is uploaded."""

    async def work() -> ConvertedRelease:
        out = CountingWriter(tmp_path / "bancs.csv")
        out.write(BLOCK)
        await store.until("bancs/r/bancs.csv", len(BLOCK))
        return end(out)

    _, done = await upload_along(work(), tmp_path, PLACES, as_store(store))
    assert done == {}
    assert await store.visible() == {}


async def test_work_that_fails_leaves_nothing(tmp_path: Path, store: Watched) -> None:
    """Its failure is raised, and no upload is completed."""

    async def work() -> ConvertedRelease:
        CountingWriter(tmp_path / "bancs.csv").write(BLOCK)
        await store.until("bancs/r/bancs.csv", len(BLOCK))
        raise Quarantined(Reason(code="worker_died"))

    with pytest.raises(Quarantined):
        await upload_along(work(), tmp_path, PLACES, as_store(store))
    assert await store.visible() == {}


async def test_a_store_that_is_away_stops_no_work(tmp_path: Path, store: Watched) -> None:
    """The work goes on; the file is left to the caller, who meets the store again."""
    store.away = True

    async def work() -> ConvertedRelease:
        out = CountingWriter(tmp_path / "bancs.csv")
        out.write(BLOCK)
        await store.until("bancs/r/bancs.csv", len(BLOCK))
        return release(written(out, "bancs.csv"))

    made, done = await upload_along(work(), tmp_path, PLACES, as_store(store))
    assert [file.name for file in made.files] == ["bancs.csv"]
    assert done == {}
    assert await store.visible() == {}

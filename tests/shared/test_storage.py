"""The store: what is read is what was written, or it is said."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from shared import keys
from shared.event_parts import ObjectRef
from shared.failures import OursAway, Quarantined
from shared.manifest import made_once
from shared.settings import Settings
from shared.storage import NO_NAME, REACH, Store, open_store

DATA = b"id;places\n" * 300_000
RELEASE = "r" + "0" * 31


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(Settings(store=str(tmp_path / "store")), "operator")


async def put(store: Store, tmp_path: Path, data: bytes = DATA) -> ObjectRef:
    path = tmp_path / "file"
    path.write_bytes(data)
    return await store.put("raw", "a/b", path, hashlib.sha256(data).hexdigest())


async def test_a_file_comes_back(store: Store, tmp_path: Path) -> None:
    """Put, sized, read, downloaded, copied, listed, deleted."""
    ref = await put(store, tmp_path)
    assert await store.size("raw", "a/b") == len(DATA)
    assert await store.read(ref) == DATA
    await store.download(ref, tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == DATA
    copy = await store.copy(ref, "safe", "c")
    assert await store.read(copy) == DATA
    assert [one.key async for one in store.list("raw")] == ["a/b"]
    await store.delete("raw", "a/b")
    await store.delete("raw", "a/b")
    assert await store.size("raw", "a/b") is None


@pytest.mark.parametrize("name", [b"\xe9t\xe9.csv", b"tab\t.csv", b"line\n.csv", b"del\x7f.csv"])
async def test_a_name_that_is_no_key_hides_no_other(
    store: Store, tmp_path: Path, name: bytes
) -> None:
    """It is listed as one that cannot be read; the files beside it are listed as ever."""
    await store.put_bytes("drop", "a/b/liste\u00a0d’été.csv", b"1")
    folder = tmp_path / "store" / "drop" / "a" / "b"
    (folder / os.fsdecode(name)).write_bytes(b"2")
    listed = {one.key: one.bytes async for one in store.list("drop")}
    assert listed.pop("a/b/liste\u00a0d’été.csv") == 1
    assert [NO_NAME in key for key in listed] == [True]


async def test_a_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    """Whoever may drop a link may not read what it points at."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"1")
    await store.put_bytes("drop", "a/b/c.csv", b"1")
    (tmp_path / "store" / "drop" / "a" / "b" / "d.csv").symlink_to(secret)
    assert [one.key async for one in store.list("drop")] == ["a/b/c.csv"]
    assert [one.key async for one in store.list("drop", "b")] == []


async def test_a_part_of_a_file(store: Store, tmp_path: Path) -> None:
    """A range is streamed, its end exclusive."""
    ref = await put(store, tmp_path)
    parts = [part async for part in store.stream("raw", ref.key, 3, 2_000_000)]
    assert b"".join(parts) == DATA[3:2_000_000]


@pytest.mark.parametrize("broken", [DATA[:-1], DATA[:-1] + b"x", b""])
async def test_a_damaged_object_does_not_pass(store: Store, tmp_path: Path, broken: bytes) -> None:
    """Cut, changed or empty: stopped, and its copy never becomes visible."""
    ref = await put(store, tmp_path)
    (tmp_path / "store" / "raw" / "a" / "b").write_bytes(broken)
    with pytest.raises(Quarantined) as caught:
        await store.read(ref)
    assert caught.value.reasons[0].code == "object_damaged"
    with pytest.raises(Quarantined):
        await store.copy(ref, "public", "c")
    assert await store.size("public", "c") is None


async def test_what_is_not_there(store: Store, tmp_path: Path) -> None:
    """A missing object is a person's matter, not an outage; a small one is None."""
    ref = ObjectRef(bucket="raw", key="nothing", bytes=1, sha256="0" * 64)
    with pytest.raises(Quarantined) as caught:
        await store.read(ref)
    assert caught.value.reasons[0].code == "object_missing"
    assert await store.get("raw", "nothing") is None
    assert await store.alive("raw")


async def test_the_first_to_create_wins(store: Store) -> None:
    """Of two that create an object, one does; the other is told."""
    assert await store.create("reports", "m", b"first")
    assert not await store.create("reports", "m", b"second")
    assert await store.get("reports", "m") == b"first"


async def test_an_unreachable_store_is_ours(tmp_path: Path) -> None:
    """A server that does not answer: wait and try again."""
    away = Settings(
        store="s3",
        s3_endpoint="http://127.0.0.1:9",
        s3_access_key="a",
        s3_secret_key="b",
    )
    store = open_store(away, "portal")
    with pytest.raises(OursAway):
        await store.get("public", "a")
    assert not await store.alive("public")


def test_nobody_reaches_more_than_needed() -> None:
    """The raw zone is for ingest and anonymize; the portal sees `public` alone."""
    assert [who for who, buckets in REACH.items() if "raw" in buckets] == [
        "ingest",
        "anonymize",
        "operator",
    ]
    assert REACH["portal"] == ("public",)


async def test_a_bucket_out_of_reach_does_not_exist(tmp_path: Path) -> None:
    """A process has no handle on another's bucket."""
    store = open_store(Settings(store=str(tmp_path)), "portal")
    with pytest.raises(KeyError):
        await store.get("raw", "a")


class Made(BaseModel):
    number: int


async def test_a_release_is_made_once(store: Store) -> None:
    """A repeat finds the manifest and says what was said before; a loser takes the winner's."""
    made: list[int] = []

    async def make() -> Made:
        made.append(1)
        return Made(number=len(made))

    first = await made_once(store, "convert", "arbres", RELEASE, Made, make)
    second = await made_once(store, "convert", "arbres", RELEASE, Made, make)
    assert (first, second, made) == (Made(number=1), Made(number=1), [1])

    async def overtaken() -> Made:
        other = Made(number=7).model_dump_json().encode()
        await store.create("reports", keys.manifest("haies", RELEASE, "convert"), other)
        return Made(number=8)

    assert await made_once(store, "convert", "haies", RELEASE, Made, overtaken) == Made(number=7)


class Kept(BaseModel):
    table: ObjectRef
    files: tuple[ObjectRef, ...]


async def test_what_retention_has_deleted_is_made_again(store: Store, tmp_path: Path) -> None:
    """A manifest whose objects are gone does not stop a release for ever; one whose are there wins."""
    times: list[int] = []

    async def make() -> Kept:
        times.append(1)
        table = await store.put_bytes("safe", "a/t.parquet", b"table")
        return Kept(table=table, files=(await store.put_bytes("staged", "a/f.csv", b"file"),))

    async def again() -> Kept:
        return await made_once(store, "convert", "arbres", RELEASE, Kept, make)

    first = await again()
    assert (await again(), len(times)) == (first, 1)
    for bucket, key in (("safe", "a/t.parquet"), ("staged", "a/f.csv")):
        before = len(times)
        await store.delete(bucket, key)  # type: ignore[arg-type]
        assert await again() == first
        assert len(times) == before + 1
        assert (await again(), len(times)) == (first, before + 1)


async def test_what_is_made_again_otherwise_is_said_from_then_on(store: Store) -> None:
    """Bytes that came out differently are announced with their own checksum."""
    for content in (b"first", b"second"):

        async def make(content: bytes = content) -> Kept:
            return Kept(table=await store.put_bytes("safe", "a/t", content), files=())

        made = await made_once(store, "convert", "arbres", RELEASE, Kept, make)
        assert await store.read(made.table) == content
        if content == b"first":
            await store.delete("safe", "a/t")

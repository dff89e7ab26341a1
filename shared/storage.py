"""The object store: six buckets over `obstore`, an S3 endpoint or a folder by the same calls.

A reader checks size and SHA-256 while it streams. What does not answer is `OursAway`; what is gone
or damaged is `Quarantined`: a repeat would find the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import obstore
from obstore import exceptions
from obstore.store import LocalStore, ObjectStore, S3Store

from shared.event_parts import BucketName, ObjectRef
from shared.failures import OursAway, Quarantined
from shared.messages import Reason
from shared.settings import Settings

if TYPE_CHECKING:
    from obstore import ObjectMeta  # there for checkers alone

BUCKETS: tuple[BucketName, ...] = ("drop", "raw", "safe", "reports", "staged", "public")
CHUNK = 1024 * 1024
# obstore raises one or the other, by method and backend.
GONE = (exceptions.NotFoundError, FileNotFoundError)

NO_NAME = "\ufffd"  # stands in a listed key for what cannot be in one
_NO_KEY = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_UNFINISHED = re.compile(r".*#\d+")  # what an upload into a folder is called until it is whole


@dataclass(frozen=True, slots=True)
class Found:
    """An object as a listing shows it."""

    key: str
    bytes: int
    etag: str
    modified: datetime


class Store:
    """All buckets that this process's credential reaches."""

    def __init__(self, buckets: Mapping[BucketName, ObjectStore]) -> None:
        self._buckets = buckets

    async def put(self, bucket: BucketName, key: str, path: Path, sha256: str) -> ObjectRef:
        """Uploads a file of the spool whose SHA-256 is known from writing it."""
        with _ours():
            await obstore.put_async(self._buckets[bucket], key, path)
        size = await asyncio.to_thread(lambda: path.stat().st_size)
        return ObjectRef(bucket=bucket, key=key, bytes=size, sha256=sha256)

    async def put_parts(
        self, bucket: BucketName, key: str, parts: AsyncIterator[bytes], *, at_once: int = 3
    ) -> None:
        """Uploads what comes, `at_once` parts of 5 MiB under way. What `parts` raises calls the
        upload off: nothing of it is ever visible."""
        with _ours():
            await obstore.put_async(self._buckets[bucket], key, parts, max_concurrency=at_once)

    async def put_bytes(self, bucket: BucketName, key: str, data: bytes) -> ObjectRef:
        """Writes a small object; one of the same key is replaced."""
        with _ours():
            await obstore.put_async(self._buckets[bucket], key, data)
        digest = hashlib.sha256(data).hexdigest()
        return ObjectRef(bucket=bucket, key=key, bytes=len(data), sha256=digest)

    async def create(self, bucket: BucketName, key: str, data: bytes) -> bool:
        """Writes a small object unless its key is taken; False if it was."""
        with _ours():
            try:
                await obstore.put_async(self._buckets[bucket], key, data, mode="create")
            except exceptions.AlreadyExistsError:
                return False
        return True

    async def get(self, bucket: BucketName, key: str) -> bytes | None:
        """A small object whose checksum nobody announced; None if there is none."""
        with _ours():
            try:
                found = await obstore.get_async(self._buckets[bucket], key)
                return bytes(await found.bytes_async())
            except GONE:
                return None

    async def read(self, ref: ObjectRef) -> bytes:
        """A small object, checked against its reference."""
        parts = [part async for part in self.checked(ref)]
        return b"".join(parts)

    async def checked(self, ref: ObjectRef) -> AsyncIterator[bytes]:
        """The object's bytes; raises Quarantined at the end if they are not the announced ones."""
        digest, size = hashlib.sha256(), 0
        with _ours(), _there():
            found = await obstore.get_async(self._buckets[ref.bucket], ref.key)
            async for part in found.stream(CHUNK):
                data = bytes(part)
                digest.update(data)
                size += len(data)
                yield data
        if (size, digest.hexdigest()) != (ref.bytes, ref.sha256):
            raise Quarantined(Reason(code="object_damaged"))

    async def download(self, ref: ObjectRef, path: Path) -> None:
        """Writes the object to a file of the spool, checked."""
        with path.open("wb") as file:
            async for part in self.checked(ref):
                await asyncio.to_thread(file.write, part)

    async def copy(self, ref: ObjectRef, bucket: BucketName, key: str) -> ObjectRef:
        """Copies an object to another bucket by way of this process, checked on the way.

        The copy becomes visible only when every byte was right.
        """
        with _ours():
            # An aborted iterator aborts the upload: nothing half is ever visible.
            await obstore.put_async(self._buckets[bucket], key, self.checked(ref))
        return ref.model_copy(update={"bucket": bucket, "key": key})

    async def stream(
        self, bucket: BucketName, key: str, start: int, end: int
    ) -> AsyncIterator[bytes]:
        """The bytes from `start` to `end` (exclusive), for a download in parts."""
        with _ours(), _there():
            found = await obstore.get_async(
                self._buckets[bucket], key, options={"range": (start, end)}
            )
            async for part in found.stream(CHUNK):
                yield bytes(part)

    async def find(self, bucket: BucketName, key: str) -> Found | None:
        """The object as a listing would show it; None if there is none."""
        with _ours():
            try:
                return _found(await obstore.head_async(self._buckets[bucket], key))
            except GONE:
                return None

    async def size(self, bucket: BucketName, key: str) -> int | None:
        """The object's size in bytes; None if there is none."""
        found = await self.find(bucket, key)
        return None if found is None else found.bytes

    async def holds(self, ref: ObjectRef, *, deep: bool = False) -> bool:
        """Whether the object is there with its size; `deep` reads it for its checksum too."""
        if await self.size(ref.bucket, ref.key) != ref.bytes:
            return False
        if not deep:
            return True
        try:
            async for _ in self.checked(ref):
                pass
        except Quarantined:
            return False
        return True

    async def list(self, bucket: BucketName, prefix: str = "") -> AsyncIterator[Found]:
        """The objects under a prefix, in no order.

        A file whose name cannot be a key is listed with `NO_NAME` in it, and cannot be read.
        """
        store = self._buckets[bucket]
        if isinstance(store, LocalStore):
            with _ours():
                listed = await asyncio.to_thread(_folder, Path(str(store.prefix)), prefix)
            for key, meant in listed:
                if not meant:
                    yield Found(
                        key=key, bytes=0, etag="", modified=datetime.min.replace(tzinfo=UTC)
                    )
                elif found := await self.find(bucket, key):
                    yield found
            return
        with _ours():
            async for page in obstore.list(store, prefix or None):
                for meta in page:
                    yield _found(meta)

    async def delete(self, bucket: BucketName, key: str) -> None:
        """Deletes an object; one that is not there is as good as deleted."""
        with _ours():
            try:
                await obstore.delete_async(self._buckets[bucket], key)
            except GONE:
                return

    async def alive(self, bucket: BucketName) -> bool:
        """Whether the bucket answers."""
        try:
            await self.size(bucket, "alive")
        except OursAway:
            return False
        return True


def _folder(folder: Path, prefix: str) -> list[tuple[str, bool]]:
    """The plain files of a bucket that is a folder: key, and whether it can be read by that key.

    People copy files into such a folder: one name that is no key must not hide the others (the
    library's own listing ends at it), and a link may point at what its maker could not read.
    """

    def gone(failure: OSError) -> None:
        if not isinstance(failure, FileNotFoundError):
            raise failure

    found = []
    for place, _, names in os.walk(folder / prefix, onerror=gone):
        for name in names:
            path = Path(place) / name
            if _UNFINISHED.fullmatch(name) or path.is_symlink():
                continue
            key = path.relative_to(folder).as_posix()
            legible = _NO_KEY.sub(NO_NAME, key)
            found.append((legible, legible == key))
    return found


def _found(meta: ObjectMeta) -> Found:
    return Found(
        key=meta["path"],
        bytes=meta["size"],
        etag=meta["e_tag"] or "",
        modified=meta["last_modified"],
    )


@contextmanager
def _ours() -> Iterator[None]:
    """What the store raises becomes ours; its texts name keys and are not passed on."""
    try:
        yield
    except (exceptions.BaseError, OSError, TimeoutError):
        raise OursAway(Reason(code="store_away")) from None


@contextmanager
def _there() -> Iterator[None]:
    try:
        yield
    except GONE:
        raise Quarantined(Reason(code="object_missing")) from None


def keep_days(settings: Settings) -> dict[BucketName, int]:
    """How many days after it was written an object is kept; other buckets time does not empty.

    `raw` as a whole: sources, tables, changes' records, which version of a source was fetched last
    (`versions/`, worth nothing without its source), and the last good table of one source among
    several (`parts/`, written anew by each success: one that is late for longer stops the release).
    """
    return {
        "raw": settings.keep_raw_days,
        "safe": settings.keep_safe_days,
        "staged": settings.keep_staged_days,
    }


Access = Literal["ingest", "anonymize", "convert", "publish", "portal", "notify", "operator"]
# Who reaches which bucket; on S3 the process's own credential says the same (`deploy/`).
REACH: dict[Access, tuple[BucketName, ...]] = {
    "ingest": ("drop", "raw", "reports"),
    "anonymize": ("raw", "safe", "reports", "public"),
    "convert": ("safe", "reports", "staged"),
    "publish": ("reports", "staged", "public"),
    "portal": ("public",),
    "notify": ("reports",),
    "operator": BUCKETS,
}
# Who writes which, and who deletes from which: of what it reaches, the rest it reads alone.
WRITES: dict[Access, tuple[BucketName, ...]] = {
    "ingest": ("drop", "raw", "reports"),
    "anonymize": ("safe", "reports"),
    "convert": ("reports", "staged"),
    "publish": ("public",),
}
DELETES: dict[Access, tuple[BucketName, ...]] = {"ingest": ("drop",), "publish": ("public",)}


def open_store(settings: Settings, access: Access) -> Store:
    """The store of the settings, with the buckets that this process may reach and no other."""
    return Store({name: _open_bucket(settings, name) for name in REACH[access]})


def _open_bucket(settings: Settings, name: BucketName) -> ObjectStore:
    if settings.store != "s3":
        return LocalStore(Path(settings.store).resolve() / name, mkdir=True)
    return S3Store(
        settings.bucket(name),
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key,
        secret_access_key=settings.s3_secret_key.get_secret_value(),
        virtual_hosted_style_request=False,
        client_options={"allow_http": settings.s3_endpoint.startswith("http://")},
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
    )

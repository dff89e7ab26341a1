"""Uploads the files of a release while a worker writes them.

Workers have no network, so this process reads along what they write, out of the system's page cache,
and sends it in parts. An upload is completed once the whole release is there, and never when the
work failed: until then the store shows nothing. Sizes and checksums are the writers' own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Mapping
from pathlib import Path
from typing import BinaryIO

from services.convert.convert_table import ConvertedRelease
from services.convert.written_file import WrittenFile
from shared.event_parts import BucketName, ObjectRef
from shared.failures import OursAway
from shared.storage import Store

# Below it a file is sent at once when it is whole: an upload in parts costs three requests more.
FROM_BYTES = 16 * 2**20
PART = 4 * 2**20  # a smaller one costs more turns of the event loop than it is worth
LOOK_SECONDS = 0.05

Finished = Mapping[str, tuple[int, str]]  # name → bytes, SHA-256; empty when the work failed


class _NotThisFile(Exception):
    """What was read along is not what was made: the format was refused, or the work begun again."""


async def upload_along(
    work: Awaitable[ConvertedRelease],
    folder: Path,
    places: Mapping[str, str],
    store: Store,
    bucket: BucketName = "staged",
) -> tuple[ConvertedRelease, dict[str, ObjectRef]]:
    """What `work` made, and which of its files are uploaded already.

    `places` says under which key a file that appears in `folder` goes. Raises what `work` raises; that
    the store is away stops nothing here, the file is then not among those uploaded.
    """
    finished: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
    uploads = {
        name: asyncio.ensure_future(_upload(folder / name, bucket, key, finished, store))
        for name, key in places.items()
    }
    try:
        made = await work
        finished.set_result({file.name: (file.bytes, file.sha256) for file in _files(made)})
        done = await asyncio.gather(*uploads.values())
    finally:
        if not finished.done():
            finished.set_result({})
        await asyncio.gather(*uploads.values(), return_exceptions=True)
    return made, {name: ref for name, ref in zip(uploads, done, strict=True) if ref}


def _files(made: ConvertedRelease) -> tuple[WrittenFile, ...]:
    return (*made.files, *made.extras)


async def _upload(
    path: Path, bucket: BucketName, key: str, finished: asyncio.Future[Finished], store: Store
) -> ObjectRef | None:
    while not finished.done() and await asyncio.to_thread(_size, path) < FROM_BYTES:
        await asyncio.wait([finished], timeout=LOOK_SECONDS)
    if finished.done():
        return None
    try:
        await store.put_parts(bucket, key, _read_along(path, finished))
    except (_NotThisFile, OursAway):
        return None
    size, sha256 = finished.result()[path.name]
    return ObjectRef(bucket=bucket, key=key, bytes=size, sha256=sha256)


async def _read_along(path: Path, finished: asyncio.Future[Finished]) -> AsyncIterator[bytes]:
    """The file's bytes as they come; raises _NotThisFile instead of ending when they are not those
    of the file that was made."""
    with await asyncio.to_thread(_opened, path) as file:
        sent = 0
        while True:
            whole = finished.done()
            if part := await asyncio.to_thread(file.read, PART):
                sent += len(part)
                yield part
            elif whole:
                break
            else:
                await asyncio.wait([finished], timeout=LOOK_SECONDS)
        size, _ = finished.result().get(path.name, (None, ""))
        if sent != size or not await asyncio.to_thread(_still, file, path):
            raise _NotThisFile


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError:
        raise _NotThisFile from None


def _still(file: BinaryIO, path: Path) -> bool:
    """Whether the open file is the one of that name: a writer that begins again makes another."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False

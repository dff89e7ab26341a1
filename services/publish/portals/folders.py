"""A place of files as a portal: files, then `dataset.json`, then `index.json` of all datasets.

A reader who starts from the index never meets a file that is not there yet. Strangers fetch at the
portal's `public_url`. Where it has none, what lies there is read back by the way it was put.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import httpx

from services.publish.portals import folder_words as words
from services.publish.portals.call import body_or_none, send
from services.publish.portals.connector import (
    Access,
    Description,
    Fields,
    Ids,
    Remember,
    Seen,
    Wanted,
)
from shared.event_parts import FileRef

Change = Callable[[bytes | None], Awaitable[bytes]]


class Files(Protocol):
    """Where files can be put. Every method raises PortalAway, or Quarantined with what to do."""

    async def sizes(self, folder: str) -> dict[str, int]:
        """The names in a folder and their sizes in bytes; empty if there is none."""
        ...

    async def folders(self) -> list[str]:
        """The folders that have a `dataset.json`."""
        ...

    async def get(self, key: str) -> bytes | None:
        """What a small file holds; None if it is not there."""
        ...

    def read(self, key: str) -> AsyncIterator[bytes]:
        """A file's bytes; none if it is not there."""
        ...

    async def put(self, key: str, content: AsyncIterator[bytes], file: FileRef) -> None:
        """Streams a file; it is there once it is whole, and replaces what was there."""
        ...

    async def write(self, key: str, content: bytes) -> None:
        """Writes a small file of JSON, whole or not at all."""
        ...

    async def change(self, key: str, change: Change) -> None:
        """Replaces a small file by what `change` makes of it; nothing that others write is lost."""
        ...

    async def delete(self, key: str) -> None:
        """Deletes a file, if it is there."""
        ...

    async def clear(self, folder: str) -> None:
        """Takes an empty folder away, where folders are things of their own."""
        ...


class FolderPortal:
    """One place of files. `public` is where strangers fetch; empty where they cannot."""

    def __init__(self, access: Access, files: Files, http: httpx.AsyncClient, public: str) -> None:
        self._access, self._files, self._stranger = access, files, http
        self._public = public.rstrip("/")
        place = f"{access.portal.url.rstrip('/')}/{access.portal.folder.strip('/')}"
        self._base = self._public or place.rstrip("/")

    async def close(self) -> None:
        await self._stranger.aclose()

    async def describe(self, wanted: Wanted) -> Description:
        return words.describe(wanted)

    async def read_back(self, uri: str, ids: Ids, *, stranger: bool) -> Seen | None:
        folder = ids.dataset or uri.rpartition("/")[2]
        if stranger and self._public:
            return await self._as_stranger(folder, ids)
        sizes = await self._files.sizes(folder)
        content = await self._files.get(f"{folder}/{words.DOCUMENT}")
        return None if content is None else words.seen(content, folder, self._base, sizes)

    async def _as_stranger(self, folder: str, ids: Ids) -> Seen | None:
        address = f"{self._public}/{folder}/{words.DOCUMENT}"
        content = body_or_none(await send(self._stranger, "GET", address, writes=False))
        if content is not None:
            return words.seen(content, folder, self._public, None)
        # Gone is what no stranger can fetch any more, from a cache of the portal's either.
        left = {uri: f"{self._public}/{path}" for uri, path in ids.resources.items()}
        for place in left.values():
            answer = await send(self._stranger, "HEAD", place, writes=False)
            if answer.status_code == 200:
                return Seen(ids, {}, {}, left)
        return None

    def fetch(self, address: str) -> AsyncIterator[bytes] | None:
        """A file's bytes by the way it was put, where strangers have none; else None."""
        if self._public or not address.startswith(f"{self._base}/"):
            return None
        return self._files.read(address.removeprefix(f"{self._base}/"))

    async def upsert(
        self, told: Description, wanted: Wanted, before: Seen | None, remember: Remember
    ) -> None:
        folder = wanted.dataset
        known = before.resources if before else {}
        for one in wanted.files:
            if known.get(one.uri, {}).get("hash") != told.resources[one.uri]["hash"]:
                content = self._access.open(one.file)
                await self._files.put(f"{folder}/{one.file.name}", content, one.file)
        await self._files.write(f"{folder}/{words.DOCUMENT}", words.document(told))
        ids = {one.uri: f"{folder}/{one.file.name}" for one in wanted.files}
        await remember({wanted.uri: folder, **ids})
        names = {one.file.name for one in wanted.files} | {words.DOCUMENT}
        for name in set(await self._files.sizes(folder)) - names:
            await self._files.delete(f"{folder}/{name}")
        await self._index(folder, words.entry(told.dataset))

    async def withdraw(self, seen: Seen) -> None:
        folder = str(seen.ids.dataset)
        await self._index(folder, None)
        # The description last: while it is there, a withdrawal that broke off is taken up again.
        for name in sorted(await self._files.sizes(folder), key=lambda one: one == words.DOCUMENT):
            await self._files.delete(f"{folder}/{name}")
        await self._files.clear(folder)

    async def _index(self, folder: str, entry: Fields | None) -> None:
        """Puts a dataset into the index, or takes it out; an index that is none is made anew."""

        async def change(content: bytes | None) -> bytes:
            listed = words.entries(content)
            if listed is None:
                listed = {name: one async for name, one in self._documents()}
            listed.pop(folder, None)
            return words.index(listed | ({} if entry is None else {folder: entry}))

        await self._files.change(words.INDEX, change)

    async def _documents(self) -> AsyncIterator[tuple[str, Fields]]:
        for name in await self._files.folders():
            content = await self._files.get(f"{name}/{words.DOCUMENT}")
            if content is not None:
                yield name, words.entry(json.loads(content))

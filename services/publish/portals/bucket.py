"""An S3 bucket of somebody else as a portal: files, then `dataset.json`, then `index.json`.

A reader who starts from the index never meets a file that is not there yet. Strangers fetch at the
portal's `public_url`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import obstore
from obstore import exceptions
from obstore.store import ObjectStore, S3Store

from services.publish.portals import bucket_words as words
from services.publish.portals.call import body_or_none, open_http, send
from services.publish.portals.connector import (
    Access,
    Connector,
    Description,
    Ids,
    Remember,
    Seen,
    Wanted,
)
from services.publish.portals.failures import PortalAway
from shared.event_parts import FileRef
from shared.failures import Quarantined
from shared.messages import Reason
from shared.storage import GONE

if TYPE_CHECKING:
    from obstore import PutMode  # there for checkers alone

INDEX_TRIES = 8


class Bucket:
    """One bucket."""

    def __init__(self, access: Access, objects: ObjectStore, http: httpx.AsyncClient) -> None:
        self._access, self._objects, self._stranger = access, objects, http
        self._public = (access.portal.public_url or access.portal.url).rstrip("/")
        self._index = asyncio.Lock()

    async def close(self) -> None:
        await self._stranger.aclose()

    async def describe(self, wanted: Wanted) -> Description:
        return words.describe(wanted)

    async def read_back(self, uri: str, ids: Ids, *, stranger: bool) -> Seen | None:
        folder = ids.dataset or uri.rpartition("/")[2]
        if stranger:
            address = f"{self._public}/{folder}/dataset.json"
            answer = await send(self._stranger, "GET", address, writes=False)
            content = body_or_none(answer)
            return None if content is None else words.seen(content, folder, self._public, None)
        content = await self._get(f"{folder}/dataset.json")
        if content is None:
            return None
        return words.seen(content, folder, self._public, await self._sizes(folder))

    async def upsert(
        self, told: Description, wanted: Wanted, before: Seen | None, remember: Remember
    ) -> None:
        folder = wanted.dataset
        known = before.resources if before else {}
        for one in wanted.files:
            if known.get(one.uri, {}).get("hash") != told.resources[one.uri]["hash"]:
                await self._put(f"{folder}/{one.file.name}", self._access.open(one.file), one.file)
        await self._write(f"{folder}/dataset.json", words.document(told))
        ids = {one.uri: f"{folder}/{one.file.name}" for one in wanted.files}
        await remember({wanted.uri: folder, **ids})
        names = {one.file.name for one in wanted.files} | {"dataset.json"}
        for name in set(await self._sizes(folder)) - names:
            await self._delete(f"{folder}/{name}")
        await self._write_index()

    async def withdraw(self, seen: Seen) -> None:
        folder = str(seen.ids.dataset)
        # The description first: whoever follows it meets no hole.
        await self._delete(f"{folder}/dataset.json")
        await self._write_index()
        for name in await self._sizes(folder):
            await self._delete(f"{folder}/{name}")

    async def _write_index(self) -> None:
        """The index of what is there now. Two who write it at once: the second reads again."""
        async with self._index:
            for _ in range(INDEX_TRIES):
                etag = await self._etag(words.INDEX)
                content = words.index([pair async for pair in self._documents()])
                if await self._replace(words.INDEX, content, etag):
                    return
        raise PortalAway(Reason(code="portal_busy", detail="index"))

    async def _documents(self) -> AsyncIterator[tuple[str, dict[str, object]]]:
        for key in [key async for key in self._keys("") if key.endswith("/dataset.json")]:
            content = await self._get(key)
            if content is not None:
                yield key.partition("/")[0], json.loads(content)

    async def _keys(self, prefix: str) -> AsyncIterator[str]:
        try:
            async for page in obstore.list(self._objects, prefix or None):
                for meta in page:
                    yield meta["path"]
        except (exceptions.BaseError, OSError):
            raise _failure() from None

    async def _sizes(self, folder: str) -> dict[str, int]:
        found: dict[str, int] = {}
        try:
            async for page in obstore.list(self._objects, f"{folder}/"):
                found |= {meta["path"].partition("/")[2]: meta["size"] for meta in page}
        except (exceptions.BaseError, OSError):
            raise _failure() from None
        return found

    async def _get(self, key: str) -> bytes | None:
        try:
            found = await obstore.get_async(self._objects, key)
            return bytes(await found.bytes_async())
        except GONE:
            return None
        except exceptions.PermissionDeniedError:
            raise Quarantined(Reason(code="portal_token_refused", detail="S3")) from None
        except (exceptions.BaseError, OSError):
            raise _failure() from None

    async def _etag(self, key: str) -> str | None:
        try:
            return (await obstore.head_async(self._objects, key))["e_tag"]
        except GONE:
            return None
        except (exceptions.BaseError, OSError):
            raise _failure() from None

    async def _replace(self, key: str, content: bytes, etag: str | None) -> bool:
        """Writes unless somebody else did since `etag`."""
        mode: PutMode = "create" if etag is None else {"e_tag": etag}
        try:
            await obstore.put_async(
                self._objects,
                key,
                content,
                mode=mode,
                attributes={"Content-Type": "application/json"},
            )
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            return False
        except (exceptions.BaseError, OSError):
            raise _failure() from None
        return True

    async def _put(self, key: str, content: AsyncIterator[bytes], file: FileRef) -> None:
        """Streams a file; it is there once it is whole."""
        try:
            await obstore.put_async(
                self._objects, key, content, attributes={"Content-Type": file.media_type}
            )
        except exceptions.PermissionDeniedError:
            raise Quarantined(Reason(code="portal_token_refused", detail="S3")) from None
        except (exceptions.BaseError, OSError):
            raise _failure() from None

    async def _write(self, key: str, content: bytes) -> None:
        try:
            await obstore.put_async(
                self._objects, key, content, attributes={"Content-Type": "application/json"}
            )
        except exceptions.PermissionDeniedError:
            raise Quarantined(Reason(code="portal_token_refused", detail="S3")) from None
        except (exceptions.BaseError, OSError):
            raise _failure() from None

    async def _delete(self, key: str) -> None:
        try:
            await obstore.delete_async(self._objects, key)
        except GONE:
            return
        except (exceptions.BaseError, OSError):
            raise _failure() from None


def _failure() -> PortalAway:
    # A put of an object is whole or nothing: what is there is told by reading.
    return PortalAway(Reason(code="portal_away"))


def open_portal(access: Access) -> Connector:
    """The entry point: an S3 endpoint, `folder` its bucket, `account` and token its credential."""
    portal = access.portal
    objects = S3Store(
        portal.folder,
        endpoint=portal.url,
        region="us-east-1",
        access_key_id=portal.account,
        secret_access_key=access.token.get_secret_value(),
        virtual_hosted_style_request=False,
        client_options={"allow_http": portal.url.startswith("http://")},
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
    )
    return Bucket(access, objects, open_http(portal.timeout_seconds, portal.at_once))

"""An S3 bucket of somebody else as a portal (`folders`). Strangers fetch at its `public_url`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore import exceptions
from obstore.store import ObjectStore, S3Store

from services.publish.portals import folder_words as words
from services.publish.portals.call import open_http
from services.publish.portals.connector import Access, Connector
from services.publish.portals.failures import PortalAway
from services.publish.portals.folders import Change, FolderPortal
from shared.event_parts import FileRef
from shared.failures import Quarantined
from shared.messages import Reason
from shared.storage import GONE

if TYPE_CHECKING:
    from obstore import PutMode  # there for checkers alone

CHANGE_TRIES = 8
JSON = "application/json"


class Bucket:
    """The files of one bucket."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def folders(self) -> list[str]:
        ends = f"/{words.DOCUMENT}"
        keys = await self._listed(None)
        return [key.removesuffix(ends) for key in keys if key.endswith(ends)]

    async def sizes(self, folder: str) -> dict[str, int]:
        found = await self._listed(f"{folder}/")
        return {key.partition("/")[2]: size for key, size in found.items()}

    async def _listed(self, prefix: str | None) -> dict[str, int]:
        try:
            return {
                meta["path"]: meta["size"]
                async for page in obstore.list(self._objects, prefix)
                for meta in page
            }
        except (exceptions.BaseError, OSError):
            raise _failure() from None

    async def get(self, key: str) -> bytes | None:
        found = await self._get(key)
        return found[0] if found else None

    async def _get(self, key: str) -> tuple[bytes, str | None] | None:
        try:
            found = await obstore.get_async(self._objects, key)
            return bytes(await found.bytes_async()), found.meta["e_tag"]
        except GONE:
            return None
        except exceptions.PermissionDeniedError:
            raise _refused() from None
        except (exceptions.BaseError, OSError):
            raise _failure() from None

    async def read(self, key: str) -> AsyncIterator[bytes]:
        try:
            found = await obstore.get_async(self._objects, key)
            async for part in found.stream():
                yield bytes(part)
        except GONE:
            return
        except (exceptions.BaseError, OSError):
            raise _failure() from None

    async def change(self, key: str, change: Change) -> None:
        """Two who change it at once: the second reads again."""
        for _ in range(CHANGE_TRIES):
            found = await self._get(key)
            content = await change(found[0] if found else None)
            mode: PutMode = {"e_tag": found[1]} if found else "create"
            try:
                await obstore.put_async(
                    self._objects, key, content, mode=mode, attributes={"Content-Type": JSON}
                )
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                continue
            except (exceptions.BaseError, OSError):
                raise _failure() from None
            return
        raise PortalAway(Reason(code="portal_busy", detail="index"))

    async def put(self, key: str, content: AsyncIterator[bytes], file: FileRef) -> None:
        await self._put(key, content, file.media_type)

    async def write(self, key: str, content: bytes) -> None:
        await self._put(key, content, JSON)

    async def _put(self, key: str, content: AsyncIterator[bytes] | bytes, kind: str) -> None:
        try:
            await obstore.put_async(self._objects, key, content, attributes={"Content-Type": kind})
        except exceptions.PermissionDeniedError:
            raise _refused() from None
        except (exceptions.BaseError, OSError):
            raise _failure() from None

    async def delete(self, key: str) -> None:
        try:
            await obstore.delete_async(self._objects, key)
        except GONE:
            return
        except (exceptions.BaseError, OSError):
            raise _failure() from None

    async def clear(self, folder: str) -> None:
        """A bucket has no folders."""


def _refused() -> Quarantined:
    return Quarantined(Reason(code="portal_token_refused", detail="S3"))


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
    http = open_http(portal.timeout_seconds, portal.at_once)
    return FolderPortal(access, Bucket(objects), http, portal.public_url or portal.url)

"""CKAN, checked against 2.12: datasets by a stable name, resources by ids that we choose, files by
address or uploaded. A new dataset is private until the portal has all of it.

CKAN locks no dataset: what is sent to one is sent in order, one call at a time. A deleted dataset keeps
its id, and is put back under it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from typing import cast

import httpx

from services.publish.portals import ckan_words as words
from services.publish.portals.call import body, open_http, refusal, send
from services.publish.portals.connector import (
    Access,
    Connector,
    Description,
    Fields,
    Ids,
    Remember,
    Seen,
    Wanted,
    WantedFile,
)
from services.publish.portals.failures import PortalAway, Unknown
from shared.failures import Quarantined
from shared.messages import Reason

LISTS_SECONDS = 3600.0
# What shows a preview of a format, if the portal has the plugin and made no view by itself.
VIEWS = {"csv": "datatables_view", "geojson": "geojson_view"}


class Ckan:
    """One CKAN."""

    def __init__(self, access: Access) -> None:
        portal = access.portal
        self._access, self._portal = access, portal
        self._api = f"{portal.url.rstrip('/')}/api/3/action"
        token = access.token.get_secret_value()
        self._token = {"Authorization": token} if token else {}
        self._http = open_http(portal.timeout_seconds, portal.at_once)
        self._licences: tuple[float, frozenset[str]] = (0.0, frozenset())

    async def close(self) -> None:
        await self._http.aclose()

    @property
    def _uploads(self) -> bool:
        return self._portal.mode == "upload"

    async def describe(self, wanted: Wanted) -> Description:
        if self._licences[0] < time.monotonic():
            found = await self._call("license_list", {})
            listed = found if isinstance(found, list) else []
            ids = frozenset(str(one.get("id")) for one in listed if isinstance(one, dict))
            self._licences = time.monotonic() + LISTS_SECONDS, ids
        own = self._portal.licences
        return words.describe(wanted, self._licences[1], own, upload=self._uploads)

    async def read_back(self, uri: str, ids: Ids, *, stranger: bool) -> Seen | None:
        name = words.dataset_name(self._portal.prefix, uri)
        asked: Fields = {"id": ids.dataset or name}
        found = await self._call("package_show", asked, stranger=stranger)
        if not isinstance(found, dict):
            return None
        if words.key_of(found) != uri:
            if not stranger and not ids.dataset and found.get("state") == "active":
                raise Quarantined(Reason(code="portal_name_taken"))
            return None
        read = words.seen(found)
        return None if stranger and read.hidden else read

    async def upsert(
        self, told: Description, wanted: Wanted, before: Seen | None, remember: Remember
    ) -> None:
        ids = {
            uri: (before.ids.resources.get(uri) if before else None)
            or words.resource_id(self._access.name, uri)
            for uri in told.resources
        }
        if before is None:
            dataset = await self._create(told, wanted, {} if self._uploads else ids)
        else:
            dataset = str(before.ids.dataset)
        await remember({wanted.uri: dataset, **ids})
        if self._uploads:
            for one in wanted.files:
                await self._upload(told, one, ids[one.uri], dataset, before)
        if before is not None:
            await self._update(told, before, ids)
        if before is None:
            await self._call("package_patch", {"id": dataset, "private": False}, writes=True)
        for uri in set(ids) - set(before.ids.resources if before else ()):
            await self._preview(ids[uri], str(told.resources[uri]["format"]))

    async def _create(self, told: Description, wanted: Wanted, ids: dict[str, str]) -> str:
        sent = words.sent(told.dataset) | {
            "name": words.dataset_name(self._portal.prefix, wanted.uri),
            "owner_org": self._portal.organization,
            "private": True,
            "resources": [{"id": ids[uri], **told.resources[uri]} for uri in ids],
        }
        made = await self._call("package_create", sent, writes=True)
        if not isinstance(made, dict):
            raise Unknown(Reason(code="portal_unreadable"))
        return str(made["id"])

    async def _update(self, told: Description, before: Seen, ids: dict[str, str]) -> None:
        """One patch: ours as told, those of others as they are, ours of before left out."""
        raw = (
            await self._call("package_show", {"id": before.ids.dataset})
            if self._uploads
            else before.raw
        )
        now = cast("Fields", raw if isinstance(raw, dict) else before.raw)
        there = {str(one.get("id")): one for one in cast("list[Fields]", now.get("resources", []))}
        ours = [
            {**(there.get(ids[uri], {}) if self._uploads else {}), "id": ids[uri], **fields}
            for uri, fields in told.resources.items()
        ]
        sent = words.sent(told.dataset)
        extras = [*cast("list[object]", sent["extras"]), *words.foreign_extras(now, told.dataset)]
        sent |= {
            "id": before.ids.dataset,
            "extras": extras,
            "resources": [*ours, *words.foreign_resources(now)],
            "state": "active",
            "private": False,
        }
        await self._call("package_patch", sent, writes=True)

    async def _upload(
        self, told: Description, one: WantedFile, resource: str, dataset: str, before: Seen | None
    ) -> None:
        """Streams the file's bytes, unless the portal has them."""
        fields = told.resources[one.uri]
        known = before.resources.get(one.uri) if before else None
        # A dataset that was deleted keeps its resources' rows, and may have lost their files.
        if known and not (before and before.hidden) and known.get("hash") == fields["hash"]:
            return
        there = (
            await self._call("resource_show", {"id": resource})
            if before or known is None
            else known
        )
        action = "resource_patch" if there is not None else "resource_create"
        form = {"id": resource, "package_id": dataset, **fields}
        boundary = secrets.token_hex(16)
        head, tail = _multipart(boundary, form, one)
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(head) + one.file.bytes + len(tail)),
            **self._token,
        }

        async def stream() -> AsyncIterator[bytes]:
            yield head
            async for part in self._access.open(one.file):
                yield part
            yield tail

        answer = await send(
            self._http,
            "POST",
            f"{self._api}/{action}",
            writes=True,
            content=stream(),
            headers=headers,
        )
        if answer.status_code == 413:
            raise Quarantined(Reason(code="portal_file_too_large", detail=one.file.format))
        try:
            self._result(answer, writes=True)
        except Quarantined as refused:
            if "upload" in (refused.reasons[0].detail or ""):
                reason = Reason(code="portal_file_too_large", detail=one.file.format)
                raise Quarantined(reason) from None
            raise

    async def _preview(self, resource: str, form: str) -> None:
        """A view of the data, where the portal has one for the format and made none by itself."""
        if form not in VIEWS:
            return
        if await self._call("resource_view_list", {"id": resource}):
            return
        view: Fields = {"resource_id": resource, "title": "Aperçu", "view_type": VIEWS[form]}
        try:
            await self._call("resource_view_create", view, writes=True)
        except Quarantined:
            # The portal does not have this plugin: a dataset without preview is a dataset.
            return

    async def withdraw(self, seen: Seen) -> None:
        # The resources go first: a deleted dataset's files could still be fetched.
        kept = words.foreign_resources(seen.raw)
        emptied: Fields = {"id": seen.ids.dataset, "private": True, "resources": kept}
        await self._call("package_patch", emptied, writes=True)
        await self._call("package_delete", {"id": seen.ids.dataset}, writes=True)

    async def _call(
        self, action: str, sent: Fields, *, writes: bool = False, stranger: bool = False
    ) -> object:
        """The action's result; None if there is nothing, or nothing for strangers."""
        headers = {} if stranger else self._token
        answer = await send(
            self._http,
            "POST",
            f"{self._api}/{action}",
            writes=writes,
            json=sent,
            headers=headers,
        )
        if answer.status_code == 404 or (stranger and answer.status_code == 403):
            return None
        return self._result(answer, writes=writes)

    @staticmethod
    def _result(answer: httpx.Response, *, writes: bool) -> object:
        said = body(answer, writes=writes) if answer.status_code != 415 else None
        if answer.status_code == 200:
            if not isinstance(said, dict) or said.get("success") is not True:
                failure = Unknown if writes else PortalAway
                raise failure(Reason(code="portal_unreadable"))
            return cast("object", said.get("result"))
        named = said.get("error") if isinstance(said, dict) else None
        raise refusal(answer.status_code, named)


def _multipart(boundary: str, form: Fields, one: WantedFile) -> tuple[bytes, bytes]:
    """What stands before and after the file's bytes (RFC 7578)."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="upload"; '
        f'filename="{one.file.name}"\r\nContent-Type: {one.file.media_type}\r\n\r\n'
    )
    return "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode()


def open_portal(access: Access) -> Connector:
    """The entry point."""
    return Ckan(access)

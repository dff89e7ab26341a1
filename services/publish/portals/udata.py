"""udata, the software of data.gouv.fr: datasets found by our key in `extras`, files by address.

A dataset and all its resources are written in one call, so that no half of it is ever seen; the ids
of resources are chosen by us. Resources of others are sent back as they are.
"""

from __future__ import annotations

import time
from typing import cast

from services.publish.portals import udata_words as words
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
)
from services.publish.portals.failures import PortalAway
from shared.failures import Quarantined
from shared.messages import Reason

PAGE = 100
MOST_PAGES = 200
LISTS_SECONDS = 3600.0


class Udata:
    """One udata."""

    def __init__(self, access: Access) -> None:
        portal = access.portal
        self._url = portal.url.rstrip("/")
        self._organization = portal.organization
        self._tabular_url = portal.tabular_url
        key = access.token.get_secret_value()
        self._key = {"X-API-KEY": key} if key else {}
        self._http = open_http(portal.timeout_seconds, portal.at_once)
        self._lists: dict[str, tuple[float, frozenset[str]]] = {}

    async def close(self) -> None:
        await self._http.aclose()

    async def describe(self, wanted: Wanted) -> Description:
        zones = [
            zone
            for zone in (wanted.card.spatial.zones if wanted.card.spatial else ())
            if await self._get(f"/api/1/spatial/zone/{zone}/") is not None
        ]
        known = words.Known(
            licences=await self._list("/api/1/datasets/licenses/", "id"),
            granularities=await self._list("/api/1/spatial/granularities/", "id"),
            zones=zones,
            schemas=await self._schemas(wanted),
            contact=await self._contact(wanted),
        )
        return words.describe(wanted, known)

    async def _schemas(self, wanted: Wanted) -> frozenset[str]:
        schema = wanted.card.table_schema
        if schema is None or not schema.name:
            return frozenset()
        return await self._list("/api/1/datasets/schemas/", "name")

    async def _list(self, path: str, name: str) -> frozenset[str]:
        """One of the portal's lists, asked again after an hour."""
        known = self._lists.get(path)
        if known and known[0] > time.monotonic():
            return known[1]
        found = await self._get(path)
        listed = found if isinstance(found, list) else []
        ids = frozenset(str(one.get(name)) for one in listed if isinstance(one, dict))
        self._lists[path] = time.monotonic() + LISTS_SECONDS, ids
        return ids

    async def _contact(self, wanted: Wanted) -> str | None:
        contact = wanted.card.contact
        if contact is None:
            return None
        told: Fields = {"name": contact.name, "email": contact.email, "role": "contact"}
        if self._organization:
            told["organization"] = self._organization
        # The portal gives the one that is there: saying it twice makes one.
        found = await self._write("POST", "/api/1/contacts/", told)
        return str(found["id"]) if found else None

    async def read_back(self, uri: str, ids: Ids, *, stranger: bool) -> Seen | None:
        if ids.dataset:
            found = await self._get(f"/api/1/datasets/{ids.dataset}/", stranger=stranger)
            if isinstance(found, dict):
                read = words.seen(found, self._tabular_url)
                if not (stranger and read.hidden):
                    return read
            return None
        return await self._find(uri, stranger=stranger)

    async def _find(self, uri: str, *, stranger: bool) -> Seen | None:
        """The organisation's dataset with our key, or harvested under our URI: the oldest."""
        for number in range(1, MOST_PAGES + 1):
            path = f"/api/1/datasets/?organization={self._organization}&page={number}"
            found = await self._get(f"{path}&page_size={PAGE}&sort=created", stranger=stranger)
            page = found if isinstance(found, dict) else {}
            for one in page.get("data", []):
                harvest = one.get("harvest") or {}
                if uri in ((one.get("extras") or {}).get(words.KEY), harvest.get("remote_id")):
                    return await self.read_back(uri, Ids(str(one["id"])), stranger=stranger)
            if not page.get("next_page"):
                return None
        return None

    async def upsert(
        self, told: Description, wanted: Wanted, before: Seen | None, remember: Remember
    ) -> None:
        known = before.ids.resources if before else {}
        ours = [
            {"id": known.get(uri) or words.resource_id(uri), **fields}
            for uri, fields in told.resources.items()
        ]
        if before is None:
            sent: Fields = {**told.dataset, "resources": ours, "private": True}
            if self._organization:
                sent["organization"] = self._organization
            made = await self._write("POST", "/api/1/datasets/", sent)
            if made is None:
                raise PortalAway(Reason(code="portal_unreadable"))
            dataset = str(made["id"])
        else:
            dataset = str(before.ids.dataset)
            kept: list[Fields] = [{"id": one} for one in before.others]
            sent = {**told.dataset, "resources": [*ours, *kept]}
            if before.hidden:
                sent |= {"deleted": None, "archived": None, "private": False}
            if await self._write("PUT", f"/api/1/datasets/{dataset}/", sent) is None:
                raise Quarantined(Reason(code="portal_dataset_gone"))
        ids = {uri: str(one["id"]) for one, uri in zip(ours, told.resources, strict=True)}
        await remember({wanted.uri: dataset, **ids})
        if before is None:
            # Shown once it is whole. All is said again: a form without tags takes them away.
            shown: Fields = {**told.dataset, "private": False}
            await self._write("PUT", f"/api/1/datasets/{dataset}/", shown)

    async def withdraw(self, seen: Seen) -> None:
        await self._write("DELETE", f"/api/1/datasets/{seen.ids.dataset}/", None)

    async def _get(self, path: str, *, stranger: bool = False) -> object:
        """The JSON there; None if there is nothing (any more)."""
        headers = {} if stranger else self._key
        answer = await send(self._http, "GET", self._url + path, writes=False, headers=headers)
        if answer.status_code in (404, 410):
            return None
        if answer.status_code != 200:
            raise refusal(answer.status_code, None)
        return body(answer, writes=False)

    async def _write(self, method: str, path: str, told: Fields | None) -> Fields | None:
        """What the portal says it wrote; None if there is nothing to write to (any more)."""
        options: Fields = {"headers": self._key} | ({} if told is None else {"json": told})
        answer = await send(self._http, method, self._url + path, writes=True, **options)
        if answer.status_code in (404, 410):
            return None
        if not answer.is_success:
            named: object = None
            if "json" in answer.headers.get("content-type", ""):
                said = body(answer, writes=True)
                named = said.get("errors") if isinstance(said, dict) else None
            raise refusal(answer.status_code, named)
        if answer.status_code == 204:
            return {}
        return cast("Fields", body(answer, writes=True))


def open_portal(access: Access) -> Connector:
    """The entry point."""
    return Udata(access)

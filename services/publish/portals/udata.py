"""udata, the software of data.gouv.fr: datasets found by our key in `extras`; files by their address on
the city's portal, or hosted there.

A dataset and all its resources are written in one call, so that no half of it is ever seen. A file that
is to be hosted is a link until its bytes are there; its resource, and so its id, stays the same when
they are replaced. Resources of others are sent back as they are.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast
from urllib.parse import quote

from services.publish.portals import udata_answers as answers
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
    Served,
    Wanted,
    WantedFile,
)
from services.publish.portals.failures import PortalAway, Unknown
from services.publish.portals.udata_services import PATH as SERVICES
from services.publish.portals.udata_services import Services, service_uri
from services.publish.portals.udata_services import describe as describe_service
from services.publish.portals.udata_upload import Form, upload
from shared.failures import Quarantined
from shared.messages import Reason

PAGE = 100
MOST_PAGES = 200
LISTS_SECONDS = 3600.0
# A short name stands inside many others, and udata sorts by level alone.
ZONES = 500


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
        self._open = access.open
        self._services = Services(self._organization, self._get, self._write)
        self._uploads = portal.mode == "upload"
        self._lists: dict[str, tuple[float, frozenset[str]]] = {}

    async def close(self) -> None:
        await self._http.aclose()

    async def describe(self, wanted: Wanted) -> Description:
        spatial = wanted.card.spatial
        zones = {one: await self._zones(one) for one in (spatial.zones if spatial else ())}
        known = words.Known(
            licences=await self._list("/api/1/datasets/licenses/", "id"),
            granularities=await self._list("/api/1/spatial/granularities/", "id"),
            zones=zones,
            schemas=await self._schemas(wanted),
            contact=await self._contact(wanted),
            hosts=await self._list("/api/1/datasets/extensions/") if self._uploads else None,
        )
        told = words.describe(wanted, known)
        if service := describe_service(wanted, told.dataset):
            told.resources[service_uri(wanted.uri)] = service
        return told

    async def _zones(self, asked: str) -> tuple[str, ...]:
        """The portal's zones of that id, code or name: one, if the card says enough."""
        if ":" in asked:
            there = await self._get(f"/api/1/spatial/zone/{asked}/")
            return () if there is None else (asked,)
        word = quote(words.searched(asked), safe="")
        found = await self._get(f"/api/1/spatial/zones/suggest/?q={word}&size={ZONES}")
        return words.zones_meant(asked, found)

    async def _schemas(self, wanted: Wanted) -> frozenset[str]:
        schema = wanted.card.table_schema
        if schema is None or not schema.name:
            return frozenset()
        return await self._list("/api/1/datasets/schemas/", "name")

    async def _list(self, path: str, name: str = "") -> frozenset[str]:
        """One of the portal's lists, of words or of objects' `name`, asked again after an hour."""
        known = self._lists.get(path)
        if known and known[0] > time.monotonic():
            return known[1]
        found = await self._get(path)
        listed = found if isinstance(found, list) else []
        ids = frozenset(
            str(one.get(name) if isinstance(one, dict) else one)
            for one in listed
            if isinstance(one, dict if name else str)
        )
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
                read = answers.seen(found, self._tabular_url)
                if stranger and read.hidden:
                    return None
                api = service_uri(uri)
                service = ids.resources.get(api)
                if service is None and found.get("harvest") and not stranger:
                    # A harvest tells nobody the ids that it gave.
                    service = await self._services.find(api, str(read.ids.dataset))
                if service is not None:
                    return await self._with_service(read, api, service, stranger=stranger)
                return read
            return None
        return await self._find(uri, stranger=stranger)

    async def _with_service(self, read: Seen, api: str, service: str, *, stranger: bool) -> Seen:
        """With the dataset's API, as it is declared there."""
        dataset = str(read.ids.dataset)
        found = await self._services.read(service, dataset, stranger=stranger)
        if found is None:
            return read
        address = f"{self._url}{SERVICES}{service}/"
        shown = (Served(service, "dataservice", address),) if found["visible"] else ()
        return replace(
            read,
            ids=Ids(dataset, {**read.ids.resources, api: service}),
            resources={**read.resources, api: found},
            served=(*read.served, *shown),
        )

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
        await self._drop_hosted(told, before)
        known = before.ids.resources if before else {}
        files = {one.uri: one for one in wanted.files}
        of_files = {uri: fields for uri, fields in told.resources.items() if uri in files}
        resources: list[Fields] = []
        for uri, fields in of_files.items():
            there = before.resources.get(uri) if before else None
            sent = (
                words.before_upload(files[uri], fields, there)
                if words.is_hosted(fields)
                else fields
            )
            resources.append({"id": known.get(uri) or words.resource_id(uri), **sent})
        now = await self._write_whole(told, before, resources)
        await remember({wanted.uri: str(now.ids.dataset), **now.ids.resources})
        if not of_files.keys() <= now.resources.keys():
            raise Unknown(Reason(code="portal_unreadable"))
        late = [
            files[uri]
            for uri, fields in of_files.items()
            if words.is_hosted(fields) and now.resources[uri]["extras"] != fields["extras"]
        ]
        for one in late:
            await self._upload(str(now.ids.dataset), now.ids.resources[one.uri], one)
        if late:
            read = await self.read_back(wanted.uri, now.ids, stranger=False)
            if read is None or not of_files.keys() <= read.resources.keys():
                raise Quarantined(Reason(code="portal_dataset_gone"))
            now = read
        if before is None or late:
            # Shown once it is whole. All is said again: a form without tags takes them away.
            again: list[Fields] = [
                {"id": now.ids.resources[uri], **fields} for uri, fields in of_files.items()
            ]
            await self._write_whole(told, now, again)
        api = service_uri(wanted.uri)
        if api in told.resources:
            dataset = str(now.ids.dataset)
            service = await self._services.put(told.resources[api], dataset, known.get(api))
            await remember({api: service})
        elif api in known:
            await self._services.remove(known[api])

    async def _drop_hosted(self, told: Description, before: Seen | None) -> None:
        """Files that the portal hosts go one by one: left out of a dataset they could still be had."""
        for uri, fields in before.resources.items() if before else ():
            if (
                before
                and words.is_hosted(fields)
                and not words.is_hosted(told.resources.get(uri, {}))
            ):
                path = (
                    f"/api/1/datasets/{before.ids.dataset}/resources/{before.ids.resources[uri]}/"
                )
                await self._write("DELETE", path, None)

    async def _write_whole(
        self, told: Description, before: Seen | None, resources: list[Fields]
    ) -> Seen:
        """Writes the dataset with all its resources: new and private, or as it is and shown.

        What the portal says it has now.
        """
        there = before.raw if before else {}
        extras = cast("dict[str, object]", there.get("resources", {}))
        ours = [answers.with_others(one, extras.get(str(one["id"]))) for one in resources]
        kept: list[Fields] = [{"id": one} for one in before.others] if before else []
        sent: Fields = answers.with_others(told.dataset, there.get("extras"))
        sent |= {"resources": [*ours, *kept]}
        if before is None:
            sent |= {"private": True}
            if self._organization:
                sent["organization"] = self._organization
            made = await self._write("POST", "/api/1/datasets/", sent)
            if made is None:
                raise PortalAway(Reason(code="portal_unreadable"))
            return answers.seen(made, self._tabular_url)
        if before.hidden:
            sent |= {"deleted": None, "archived": None, "private": False}
        made = await self._write("PUT", f"/api/1/datasets/{before.ids.dataset}/", sent)
        if made is None:
            raise Quarantined(Reason(code="portal_dataset_gone"))
        return answers.seen(made, self._tabular_url)

    async def _upload(self, dataset: str, resource: str, one: WantedFile) -> None:
        """Brings a file's bytes to the resource."""
        path = f"/api/1/datasets/{dataset}/resources/{resource}/upload/"
        marks = f"/api/2/datasets/{dataset}/resources/{resource}/extras/"

        async def send_form(form: Form) -> Fields:
            made = await self._write("POST", path, None, **form)
            if made is None:
                raise Quarantined(Reason(code="portal_dataset_gone"))
            return made

        async def announce(sha1: str) -> None:
            sent: Fields = {words.SENT: one.file.sha256, words.SENT_SHA1: sha1}
            if await self._write("PUT", marks, sent) is None:
                raise Quarantined(Reason(code="portal_dataset_gone"))

        await upload(one, self._open(one.file), send_form, announce)

    async def withdraw(self, seen: Seen) -> None:
        # Files that the portal hosts go first: a deleted dataset's could still be fetched.
        for one in seen.served:
            if one.kind == "file":
                path = f"/api/1/datasets/{seen.ids.dataset}/resources/{one.resource}/"
                await self._write("DELETE", path, None)
            elif one.kind == "dataservice":
                await self._services.remove(one.resource)
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

    async def _write(self, method: str, path: str, told: object, **form: object) -> Fields | None:
        """What the portal says it wrote; None if there is nothing to write to (any more)."""
        options: Fields = {"headers": self._key, **form}
        if told is not None:
            options["json"] = told
        answer = await send(self._http, method, self._url + path, writes=True, **options)
        if answer.status_code in (404, 410):
            return None
        if answer.status_code == 413:
            raise Quarantined(Reason(code="portal_file_too_large", detail="HTTP 413"))
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

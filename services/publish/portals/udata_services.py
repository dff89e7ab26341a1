"""An API that a card declares, as udata's dataservice beside the dataset. Checked against udata 17.18.

It is known under the dataset's URI with `#api`, as a file is under its format: told, compared, found by
our key and kept by id in the same way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from services.publish.portals.connector import Fields, Wanted
from services.publish.portals.failures import Unknown
from services.publish.portals.udata_words import FILE_KEY, TITLE
from shared.failures import Quarantined
from shared.messages import Reason

PATH = "/api/1/dataservices/"
PAGE = 100
# What udata lists (its WSL is not a spelling of ours).
FORMATS = frozenset({"REST", "WMS"})
NAMES = (
    "title",
    "base_api_url",
    "machine_documentation_url",
    "technical_documentation_url",
    "business_documentation_url",
    "availability",
    "rate_limiting",
    "format",
    "license",
)


def service_uri(uri: str) -> str:
    """Our name of a dataset's API."""
    return f"{uri}#api"


def describe(wanted: Wanted, dataset: Fields) -> Fields | None:
    """The API in udata's words, beside its `dataset` in the same; None if the card declares none."""
    card = wanted.card
    if card.api is None or card.exposure == "dataset":
        return None
    api = card.api
    title = (api.title or {}).get("fr") or f"{card.title['fr']} (API)"
    return {
        "title": title[:TITLE],
        "description": dataset["description"],
        "base_api_url": api.url,
        "machine_documentation_url": api.description,
        "technical_documentation_url": api.documentation,
        "business_documentation_url": wanted.page,
        "availability": api.availability,
        "rate_limiting": api.rate_limit,
        "format": api.format if api.format in FORMATS else None,
        "license": dataset["license"],
        "tags": dataset["tags"],
        "contact_points": dataset.get("contact_points", []),
        "extras": {FILE_KEY: service_uri(wanted.uri)},
        "linked": True,
        "visible": True,
    }


def seen(body: Fields, *, linked: bool) -> Fields:
    """udata's answer about a dataservice, in the form of `describe`."""
    told: Fields = {name: body.get(name) for name in NAMES}
    points, tags, extras = body.get("contact_points"), body.get("tags"), body.get("extras")
    told["description"] = str(body.get("description") or "").strip()
    told["tags"] = sorted(str(one) for one in tags) if isinstance(tags, list) else []
    told["contact_points"] = [
        one.get("id") for one in (points if isinstance(points, list) else ()) if one
    ]
    told["extras"] = {FILE_KEY: extras.get(FILE_KEY)} if isinstance(extras, dict) else {}
    told["linked"] = linked
    told["visible"] = not is_hidden(body)
    return told


def is_hidden(body: Fields) -> bool:
    """Whether strangers do not see it."""
    return bool(body.get("private") or body.get("deleted_at") or body.get("archived_at"))


class Get(Protocol):
    """Reads JSON; None if there is nothing."""

    async def __call__(self, path: str, *, stranger: bool = False) -> object: ...


Write = Callable[[str, str, object], Awaitable[Fields | None]]


class Services:
    """The dataservices of one udata."""

    def __init__(self, organization: str, get: Get, write: Write) -> None:
        self._organization, self._get, self._write = organization, get, write

    async def read(self, service: str, dataset: str, *, stranger: bool) -> Fields | None:
        """What the portal holds of a dataset's API, in the form of `describe`; None if nothing.

        A deleted one is nothing; `put` finds and restores it.
        """
        found = await self._get(f"{PATH}{service}/", stranger=stranger)
        if not isinstance(found, dict) or found.get("deleted_at"):
            return None
        if stranger and is_hidden(found):
            return None
        linked = await self._of(dataset, stranger=stranger)
        return seen(found, linked=any(one.get("id") == service for one in linked))

    async def put(self, told: Fields, dataset: str, service: str | None) -> str:
        """Declares the API, or brings its declaration up to date; its id. One that is there is kept."""
        sent = {name: value for name, value in told.items() if name not in ("linked", "visible")}
        extras = told["extras"]
        api = str(extras[FILE_KEY]) if isinstance(extras, dict) else ""
        service = service or await self.find(api, dataset)
        if service is None:
            fresh = sent | {"datasets": [dataset]}
            if self._organization:
                fresh["organization"] = self._organization
            made = await self._write("POST", PATH, fresh)
            if made is None:
                raise Unknown(Reason(code="portal_unreadable"))
            return str(made["id"])
        sent |= {"private": False, "deleted_at": None, "archived_at": None}
        # Linked by a call of its own: a list that is sent would take other datasets' links away.
        link = [{"id": dataset}]
        for method, path, what in (
            ("PATCH", f"{PATH}{service}/", sent),
            ("POST", f"{PATH}{service}/datasets/", link),
        ):
            if await self._write(method, path, what) is None:
                raise Quarantined(Reason(code="portal_dataset_gone"))
        return service

    async def remove(self, service: str) -> None:
        """Takes the declaration off; one that is off is left."""
        await self._write("DELETE", f"{PATH}{service}/", None)

    async def find(self, api: str, dataset: str) -> str | None:
        """The id of the one with our key, or harvested under it, whose id we do not know."""
        for one in await self._of(dataset, stranger=False):
            extras, harvest = one.get("extras"), one.get("harvest")
            keys = (
                extras.get(FILE_KEY) if isinstance(extras, dict) else None,
                harvest.get("remote_id") if isinstance(harvest, dict) else None,
            )
            if api in keys:
                return str(one["id"])
        return None

    async def _of(self, dataset: str, *, stranger: bool) -> list[Fields]:
        """The dataservices that serve a dataset."""
        path = f"{PATH}?dataset={dataset}&page_size={PAGE}"
        found = await self._get(path, stranger=stranger)
        data = found.get("data") if isinstance(found, dict) else None
        return [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []

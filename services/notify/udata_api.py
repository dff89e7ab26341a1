"""What udata, the software of data.gouv.fr, says by its public API about a harvest, and how it is asked.

Only what the harvest check reads is modelled; only a preview needs a key. Checked against udata 17.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from shared.failures import SourceAway
from shared.messages import Reason

PAGE = 200
MOST_PAGES = 100
TIMEOUT_SECONDS = 30.0
USER_AGENT = "Ecluse harvest check"


def _utc(moment: datetime) -> datetime:
    # udata keeps dates naive, in UTC; some come back that way.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class HarvestError(Part):
    message: str | None = None


class Job(Part):
    """One run of a source. `done` may hold skipped items, `failed` may hold items that were taken."""

    id: str
    status: str
    created: Moment
    started: Moment | None = None
    ended: Moment | None = None
    errors: tuple[HarvestError, ...] = ()


class Validation(Part):
    state: str = "pending"


class HarvestSource(Part):
    """An address that the portal harvests, once one of its administrators has accepted it."""

    id: str
    active: bool = True
    deleted: Moment | None = None
    validation: Validation = Validation()
    last_job: Job | None = None


class Named(Part):
    id: str


class Item(Part):
    """One dataset of a run. `remote_id` is the feed's dct:identifier, `remote_url` its landing page."""

    status: str
    remote_id: str | None = None
    remote_url: str | None = None
    dataset: Named | None = None
    errors: tuple[HarvestError, ...] = ()


class Checksum(Part):
    type: str
    value: str


class ResourceHarvest(Part):
    last_update: Moment | None = None


class Resource(Part):
    """A file of a dataset. `extras` hold what the portal's crawler (udata-hydra) found."""

    url: str
    filesize: int | None = None
    checksum: Checksum | None = None
    harvest: ResourceHarvest | None = None
    extras: dict[str, Any] = {}


class DatasetHarvest(Part):
    remote_id: str | None = None
    last_update: Moment | None = None
    modified_at: Moment | None = None
    archived_at: Moment | None = None


class RemoteDataset(Part):
    """A dataset as the portal shows it."""

    id: str
    archived: Moment | None = None
    deleted: Moment | None = None
    organization: Named | None = None
    harvest: DatasetHarvest | None = None
    resources: tuple[Resource, ...] = ()


class PreviewedDataset(Part):
    """A dataset as the portal would make it. `license` is its id there; not specified if unknown."""

    license: str | None = None
    resources: tuple[Resource, ...] = ()


class PreviewedItem(Part):
    """One item of a preview, which nothing was saved of."""

    status: str
    remote_id: str | None = None
    dataset: PreviewedDataset | None = None
    errors: tuple[HarvestError, ...] = ()


class Preview(Part):
    """The portal's own dry run of a feed: its first twenty items."""

    status: str
    items: tuple[PreviewedItem, ...] = ()
    errors: tuple[HarvestError, ...] = ()


class _Items(Part):
    data: tuple[Item, ...] = ()
    next_page: str | None = None


M = TypeVar("M", bound=Part)


class UdataApi:
    """One portal, asked one call at a time."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._url = url.rstrip("/")
        self._http = http

    async def source(self, source: str) -> HarvestSource | None:
        """The source with its last job; None if there is none of this id. Raises SourceAway."""
        return await self._get(HarvestSource, f"/api/1/harvest/source/{source}/")

    async def job(self, job: str) -> Job | None:
        """A job with its errors, which a source's `last_job` leaves out. Raises SourceAway."""
        return await self._get(Job, f"/api/1/harvest/job/{job}/")

    async def items(self, job: str) -> tuple[Item, ...]:
        """Every item of a job. Raises SourceAway."""
        found: list[Item] = []
        for page in range(1, MOST_PAGES + 1):
            path = f"/api/1/harvest/job/{job}/items/?page={page}&page_size={PAGE}"
            answer = await self._get(_Items, path)
            found += answer.data if answer else ()
            if answer is None or answer.next_page is None:
                break
        return tuple(found)

    async def dataset(self, dataset: str) -> RemoteDataset | None:
        """The dataset; None if it is deleted or hidden. Raises SourceAway."""
        return await self._get(RemoteDataset, f"/api/1/datasets/{dataset}/")

    async def preview(self, feed: str, organization: str, key: str) -> Preview:
        """What the portal would make of the feed at that address, in the organisation's name.

        Nothing is saved there, and nothing archived. Raises SourceAway.
        """
        told = {"name": "Ecluse", "url": feed, "backend": "dcat", "autoarchive": False}
        if organization:
            told["organization"] = organization
        path = "/api/1/harvest/source/preview/"
        found = await self._ask(Preview, "POST", path, json=told, headers={"X-API-KEY": key})
        if found is None:
            raise SourceAway(Reason(code="harvest_portal_refuses", detail="HTTP 404"))
        return found

    async def _get(self, model: type[M], path: str) -> M | None:
        return await self._ask(model, "GET", path)

    async def _ask(self, model: type[M], method: str, path: str, **more: Any) -> M | None:
        try:
            answer = await self._http.request(method, f"{self._url}{path}", **more)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise SourceAway(Reason(code="harvest_portal_away")) from None
        if answer.status_code in (404, 410):
            return None
        if answer.status_code != 200:
            raise SourceAway(
                Reason(code="harvest_portal_refuses", detail=f"HTTP {answer.status_code}")
            )
        try:
            return model.model_validate_json(answer.content)
        except ValidationError:
            # A page of HTML with status 200, or an API of another version.
            raise SourceAway(Reason(code="harvest_portal_refuses", detail="JSON")) from None


def open_http() -> httpx.AsyncClient:
    """The client that asks portals."""
    return httpx.AsyncClient(timeout=TIMEOUT_SECONDS, headers={"User-Agent": USER_AGENT})

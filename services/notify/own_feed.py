"""Reads the city's own catalogue feed over HTTP, as a harvester does: what a portal was promised.

The feed's JSON-LD is read as plain JSON: it is written by our portal in expanded form (JSON-LD 1.1),
one object a node. A page that has not changed since is not sent again (ETag, RFC 9110).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from services.notify.harvest_verdict import Distribution, Promise
from shared.failures import SourceAway
from shared.messages import Reason

DCAT = "http://www.w3.org/ns/dcat#"
DCT = "http://purl.org/dc/terms/"
SPDX = "http://spdx.org/rdf/terms#"
HYDRA = "http://www.w3.org/ns/hydra/core#"
MOST_PAGES = 10_000

Node = dict[str, Any]


@dataclass(frozen=True)
class _Page:
    etag: str
    promises: dict[str, Promise]
    more: bool


class OwnFeed:
    """The feed at `base`, its pages kept until they change."""

    def __init__(self, base: str, http: httpx.AsyncClient) -> None:
        self._base = base.rstrip("/")
        self._http = http
        self._pages: dict[int, _Page] = {}

    async def promises(self) -> dict[str, Promise]:
        """Every dataset of the feed by its name (the last part of its URI). Raises SourceAway."""
        found: dict[str, Promise] = {}
        for number in range(1, MOST_PAGES + 1):
            page = await self._page(number)
            found |= page.promises
            if not page.more:
                break
        return found

    async def _page(self, number: int) -> _Page:
        known = self._pages.get(number)
        headers = {"If-None-Match": known.etag} if known else {}
        address = f"{self._base}/catalog.jsonld?page={number}"
        try:
            answer = await self._http.get(address, headers=headers)
            if known and answer.status_code == 304:
                return known
            answer.raise_for_status()
            promises, more = read_page(answer.json())
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, IndexError):
            raise SourceAway(Reason(code="portal_away")) from None
        page = _Page(answer.headers.get("etag", ""), promises, more)
        self._pages[number] = page
        return page


def read_page(nodes: list[Node]) -> tuple[dict[str, Promise], bool]:
    """The datasets of one page by name, and whether another page follows."""
    by_id = {str(node["@id"]): node for node in nodes}
    promises = {}
    for node in nodes:
        if f"{DCAT}Dataset" in node.get("@type", ()):
            promise = _promise(node, by_id)
            promises[promise.name] = promise
    return promises, any(f"{HYDRA}next" in node for node in nodes)


def _promise(node: Node, by_id: dict[str, Node]) -> Promise:
    identifier = _value(node, f"{DCT}identifier")
    distributions = [by_id[one] for one in _ids(node, f"{DCAT}distribution")]
    return Promise(
        name=identifier.rstrip("/").rpartition("/")[2],
        identifier=identifier,
        landing_page=next(_ids(node, f"{DCAT}landingPage")),
        modified=datetime.fromisoformat(_value(node, f"{DCT}modified")),
        distributions=tuple(
            sorted(
                (_distribution(one, by_id) for one in distributions),
                key=lambda one: one.url,
            )
        ),
    )


def _distribution(node: Node, by_id: dict[str, Node]) -> Distribution:
    url = next(_ids(node, f"{DCAT}downloadURL"))
    checksum = by_id[next(_ids(node, f"{SPDX}checksum"))]
    return Distribution(
        url=url,
        format=url.rpartition(".")[2],
        bytes=int(_value(node, f"{DCAT}byteSize")),
        sha256=_value(checksum, f"{SPDX}checksumValue"),
    )


def _value(node: Node, predicate: str) -> str:
    return str(node[predicate][0]["@value"])


def _ids(node: Node, predicate: str) -> Iterator[str]:
    return (str(one["@id"]) for one in node.get(predicate, ()))

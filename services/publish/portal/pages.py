"""The portal's pages, made on the server; every one works without a script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from services.publish.portal.catalogue import Catalogue, Dataset, File
from services.publish.portal.downloads import Objects
from services.publish.portal.texts import Words, plain
from shared.failures import EcluseError
from shared.messages import Language
from shared.strategy import LICENCES

PREVIEW_BYTES = 4 * 1024 * 1024
MAP = "map.geojson"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
# A page with a map has our own scripts, and they ask our own site alone.
MAP_POLICY = f"{POLICY}; script-src 'self'; connect-src 'self'"
SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


# A domain's names by language.
DomainNames = Mapping[str, Mapping[Language, str]]


class Pages:
    """HTML in French (the canonical addresses) and English (under `/en`)."""

    def __init__(
        self,
        catalogue: Catalogue,
        objects: Objects,
        *,
        public_url: str,
        city: str,
        domains: DomainNames,
    ) -> None:
        self._catalogue, self._objects = catalogue, objects
        self._public_url, self._city, self._domains = public_url, city, domains
        self._templates = Environment(
            loader=PackageLoader("services.publish.portal"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    async def home(self, request: Request) -> Response:
        """The list, searched and filtered."""
        asked, domain = request.query_params.get("q", ""), request.query_params.get("domain", "")
        every = await self._catalogue.datasets()
        words = plain(asked).split()
        chosen = [
            one
            for one in every
            if (not domain or one.domain == domain) and all(w in _searched(one) for w in words)
        ]
        formats: dict[str, list[str]] = {}
        for file in await self._catalogue.all_files():
            if file.role == "data":
                formats.setdefault(file.dataset, []).append(file.format.upper())
        return self._page(
            request,
            "home.html",
            datasets=sorted(chosen, key=lambda one: one.modified_at, reverse=True),
            total=len(every),
            domains=sorted({one.domain for one in every}),
            asked=asked[:200],
            domain=domain,
            formats=formats,
            news=await self._catalogue.news(most=5),
        )

    async def dataset(self, request: Request) -> Response:
        """One dataset: what it is, its files, its first rows."""
        dataset = await self._catalogue.dataset(request.path_params["dataset"])
        if dataset is None:
            raise HTTPException(404)
        if dataset.state == "withdrawn":
            raise HTTPException(410)
        files = await self._catalogue.files(dataset.dataset)
        current = [one for one in files if one.current]
        layer = next((one for one in current if one.role == "extra" and one.name == MAP), None)
        page = self._page(
            request,
            "dataset.html",
            layer=layer,
            dataset=dataset,
            card=dataset.card,
            files=[one for one in current if one.role == "data"],
            extras=[one for one in current if one.role == "extra"],
            preview=await self._preview(current),
            licence=LICENCES[dataset.card.get("licence", "lov2")],
            earlier=_earlier(files),
            structured=self._structured(dataset, current),
        )
        if layer:
            page.headers["Content-Security-Policy"] = MAP_POLICY
        return page

    async def copies(self, request: Request) -> Response:
        """What strangers find of one dataset on the other portals."""
        dataset = await self._catalogue.dataset(request.path_params["dataset"])
        if dataset is None:
            raise HTTPException(404)
        if dataset.state == "withdrawn":
            raise HTTPException(410)
        copies = await self._catalogue.copies(dataset.dataset)
        return self._page(request, "copies.html", dataset=dataset, copies=copies)

    async def _preview(self, files: list[File]) -> dict[str, Any] | None:
        """The first rows; None when the store does not answer: the rest of the page stands."""
        found = next((one for one in files if one.role == "preview"), None)
        if found is None or found.bytes > PREVIEW_BYTES:
            return None
        try:
            parts = self._objects.stream("public", found.key, 0, found.bytes)
            content: dict[str, Any] = json.loads(b"".join([part async for part in parts]))
        except (EcluseError, ValueError):
            return None
        return content

    def _structured(self, dataset: Dataset, files: list[File]) -> dict[str, Any]:
        """schema.org, for search engines."""
        address = f"{self._public_url}/datasets/{dataset.dataset}"
        card = dataset.card
        return {
            "@context": "https://schema.org/",
            "@type": "Dataset",
            "name": dataset.title("fr"),
            "description": dataset.description("fr"),
            "url": address,
            "identifier": address,
            "keywords": card.get("keywords", []),
            "license": LICENCES[card.get("licence", "lov2")][1],
            "isAccessibleForFree": True,
            "creator": {
                "@type": "Organization",
                "name": card.get("producer", {}).get("name", self._city),
            },
            "dateModified": dataset.modified_at.isoformat(),
            "distribution": [
                {
                    "@type": "DataDownload",
                    "contentUrl": f"{address}/{file.name}",
                    "encodingFormat": file.media_type,
                    "contentSize": str(file.bytes),
                    "sha256": file.sha256,
                }
                for file in files
                if file.role == "data"
            ],
        }

    async def news(self, request: Request) -> Response:
        """What was published, updated, corrected."""
        return self._page(request, "news.html", news=await self._catalogue.news(most=100))

    async def accessibility(self, request: Request) -> Response:
        return self._page(request, "accessibility.html")

    def error(self, request: Request, status: int) -> Response:
        """A page that says what happened and where to go."""
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"status": status}, status)
        names = {404: ("missing", "missing_why"), 410: ("gone", "gone_why")}
        what, why = names.get(status, ("broken", "broken_why"))
        return self._page(request, "error.html", status=status, what=what, why=why)

    def _name(self, domain: str, language: Language) -> str:
        names: Mapping[Language, str] = self._domains.get(domain, {})
        return names.get(language) or names.get("fr") or domain

    def _page(
        self, request: Request, template: str, status: int = 200, **values: Any
    ) -> HTMLResponse:
        language: Language = "en" if request.url.path.split("/")[1] == "en" else "fr"
        path = request.url.path.removeprefix("/en") if language == "en" else request.url.path
        content = self._templates.get_template(template).render(
            t=Words(language),
            language=language,
            prefix="/en" if language == "en" else "",
            other=path or "/" if language == "en" else f"/en{path}",
            canonical=f"{self._public_url}{path or '/'}",
            city=self._city,
            domain_name=lambda domain: self._name(domain, language),
            public_url=self._public_url,
            **values,
        )
        headers = {**SECURITY, "Content-Language": language, "Cache-Control": "no-cache"}
        return HTMLResponse(content, status, headers=headers)


def _searched(dataset: Dataset) -> str:
    card = dataset.card
    told = [*card["title"].values(), *card["description"].values(), *card.get("keywords", [])]
    return plain(" ".join([*told, dataset.dataset, dataset.domain]))


def _earlier(files: list[File]) -> list[tuple[str, list[File]]]:
    """Releases that were public before, newest first, with their files."""
    found: dict[str, list[File]] = {}
    for file in sorted(files, key=lambda one: one.modified_at, reverse=True):
        if not file.current and file.role == "data":
            found.setdefault(file.release, []).append(file)
    return list(found.items())

"""The portal's addresses put together."""

from __future__ import annotations

from email.utils import format_datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from services.publish.portal import dcat
from services.publish.portal.catalogue import Catalogue
from services.publish.portal.downloads import CORS, Downloads, Objects
from services.publish.portal.feeds import make_feed
from services.publish.portal.pages import DomainNames, Pages
from shared import metrics

READ = ["GET", "HEAD"]
SHARED = ["GET", "HEAD", "OPTIONS"]


def make_portal(
    catalogue: Catalogue,
    objects: Objects,
    *,
    public_url: str,
    city: str,
    domains: DomainNames,
    page_size: int = dcat.PAGE,
) -> Starlette:
    """The public site. Nothing in it needs a script, a cookie or another host."""
    public_url = public_url.rstrip("/")
    pages = Pages(catalogue, objects, public_url=public_url, city=city, domains=domains)
    downloads = Downloads(catalogue, objects)
    feeds = _Feeds(catalogue, public_url, city, page_size)

    async def failed(request: Request, error: Exception) -> Response:
        return pages.error(request, error.status_code if isinstance(error, HTTPException) else 500)

    async def ready(_request: Request) -> Response:
        return PlainTextResponse(
            "ok\n" if (up := await catalogue.alive()) else "", 200 if up else 503
        )

    async def live(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def robots(_request: Request) -> Response:
        return PlainTextResponse(f"User-agent: *\nAllow: /\nSitemap: {public_url}/sitemap.xml\n")

    html = [
        ("/", pages.home),
        ("/datasets/{dataset}", pages.dataset),
        ("/datasets/{dataset}/copies", pages.copies),
        ("/news", pages.news),
        ("/accessibilite", pages.accessibility),
    ]
    return Starlette(
        routes=[
            *(Route(path, page, methods=READ) for path, page in html),
            Route("/en", pages.home, methods=READ),
            *(Route(f"/en{path}", page, methods=READ) for path, page in html[1:]),
            Route("/live", live),
            Route("/ready", ready),
            Route("/robots.txt", robots),
            Route("/sitemap.xml", feeds.sitemap),
            *(
                Route(f"/catalog.{suffix}", feeds.catalog, methods=SHARED, name=suffix)
                for suffix in dcat.FORMATS
            ),
            Route("/catalog", feeds.catalog, methods=SHARED, name="ttl"),
            *(
                Route(f"/datasets/{{dataset}}/catalog.{suffix}", feeds.one, methods=SHARED)
                for suffix in dcat.FORMATS
            ),
            Route("/news.rss", feeds.news, name="rss"),
            Route("/news.atom", feeds.news, name="atom"),
            Route("/en/news.rss", feeds.news, name="rss"),
            Route("/en/news.atom", feeds.news, name="atom"),
            Route("/datasets/{dataset}/news.atom", feeds.news, name="atom"),
            Route(
                "/datasets/{dataset}/releases/{release}/{name}",
                downloads.versioned,
                methods=SHARED,
            ),
            Route("/datasets/{dataset}/{name}", downloads.stable, methods=SHARED),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        exception_handlers={HTTPException: failed, Exception: failed},
    )


class _Feeds:
    """What programs read: the catalogue, the news, the map of the site."""

    def __init__(self, catalogue: Catalogue, public_url: str, city: str, page_size: int) -> None:
        self._catalogue = catalogue
        self._public_url, self._city, self._page_size = public_url, city, page_size

    async def catalog(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=CORS)
        suffix = request.url.path.rpartition(".")[2]
        suffix = suffix if suffix in dcat.FORMATS else "ttl"
        number = request.query_params.get("page", "1")
        if not number.isdecimal() or not 1 <= int(number) <= 1_000_000:
            raise HTTPException(404)
        datasets = await self._catalogue.datasets()
        body, digest = dcat.make_page(
            datasets,
            await self._catalogue.all_files(),
            public_url=self._public_url,
            city=self._city,
            suffix=suffix,
            page=int(number),
            size=self._page_size,
        )
        reader = "udata" if "udata" in request.headers.get("user-agent", "").lower() else "other"
        metrics.harvest_requests.labels(harvester=reader).set_to_current_time()
        headers = {**CORS, "ETag": f'"{digest}"', "Cache-Control": "no-cache"}
        if datasets:
            newest = max(one.published_at for one in datasets)
            headers["Last-Modified"] = format_datetime(newest)
        if request.headers.get("if-none-match") == f'"{digest}"':
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=f"{dcat.MEDIA[suffix]}; charset=utf-8", headers=headers)

    async def one(self, request: Request) -> Response:
        """One dataset as the catalogue feed describes it: what a harvester can be asked to try.

        It is not counted as a harvest.
        """
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=CORS)
        dataset = await self._catalogue.dataset(request.path_params["dataset"])
        if dataset is None or dataset.state != "published":
            raise HTTPException(404)
        path, _, suffix = request.url.path.rpartition(".")
        body, digest = dcat.make_page(
            [dataset],
            [one for one in await self._catalogue.files(dataset.dataset) if one.current],
            public_url=self._public_url,
            city=self._city,
            suffix=suffix,
            page=1,
            path=path,
        )
        headers = {**CORS, "ETag": f'"{digest}"', "Cache-Control": "no-cache"}
        return Response(body, media_type=f"{dcat.MEDIA[suffix]}; charset=utf-8", headers=headers)

    async def news(self, request: Request) -> Response:
        dataset = request.path_params.get("dataset")
        if dataset is not None and await self._catalogue.dataset(dataset) is None:
            raise HTTPException(404)
        kind = request.url.path.rpartition(".")[2]
        body, media = make_feed(
            kind,
            await self._catalogue.news(dataset),
            public_url=self._public_url,
            city=self._city,
            path=request.url.path,
            language="en" if request.url.path.startswith("/en/") else "fr",
        )
        return Response(body, media_type=f"{media}; charset=utf-8", headers=CORS)

    async def sitemap(self, _request: Request) -> Response:
        found = await self._catalogue.datasets()
        places = [
            f"{self._public_url}/",
            *(f"{self._public_url}/datasets/{d.dataset}" for d in found),
        ]
        body = "".join(f"<url><loc>{place}</loc></url>" for place in places)
        return Response(
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{body}</urlset>',
            media_type="application/xml",
        )

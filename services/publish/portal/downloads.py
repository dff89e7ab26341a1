"""Downloads: stable addresses answered from the release now public, versioned ones for ever.

Right type, length, Last-Modified, strong ETag, CORS, ranges; streamed, never loaded whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC
from email.utils import format_datetime, parsedate_to_datetime
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.publish.portal.byte_range import parse_range
from services.publish.portal.catalogue import Catalogue, File
from shared import metrics
from shared.event_parts import BucketName
from shared.failures import EcluseError

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Range, If-None-Match, If-Modified-Since, If-Range",
    "Access-Control-Expose-Headers": (
        "Accept-Ranges, Content-Length, Content-Range, ETag, Last-Modified, Content-Disposition"
    ),
    "Access-Control-Max-Age": "86400",
}


class Objects(Protocol):
    """The store, as far as the portal needs it."""

    def stream(
        self, bucket: BucketName, key: str, start: int, end: int
    ) -> AsyncIterator[bytes]: ...


class Downloads:
    """Serves the files of the bucket `public`."""

    def __init__(self, catalogue: Catalogue, objects: Objects) -> None:
        self._catalogue, self._objects = catalogue, objects

    async def stable(self, request: Request) -> Response:
        """`/datasets/<dataset>/<name>`: the release now public."""
        dataset, name = request.path_params["dataset"], request.path_params["name"]
        found = await self._catalogue.file(dataset, name)
        if found is None:
            raise await self._gone(dataset)
        return await self._answer(request, found, "public, no-cache")

    async def versioned(self, request: Request) -> Response:
        """`/datasets/<dataset>/releases/<release>/<name>`: the same bytes while it is public."""
        asked = request.path_params
        found = await self._catalogue.file(asked["dataset"], asked["name"], asked["release"])
        if found is None:
            raise await self._gone(asked["dataset"])
        # Not `immutable`: a withdrawn release must go from caches within the hour.
        return await self._answer(request, found, "public, max-age=3600")

    async def _gone(self, dataset: str) -> HTTPException:
        known = await self._catalogue.dataset(dataset)
        return HTTPException(410 if known is not None and known.state == "withdrawn" else 404)

    async def _answer(self, request: Request, file: File, cache: str) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=CORS)
        headers = _headers(file, cache)
        if _unchanged(request.headers, file):
            return Response(status_code=304, headers=headers)
        start, end, status = 0, file.bytes, 200
        try:
            asked = parse_range(request.headers.get("range"), file.bytes)
        except ValueError:
            return Response(
                status_code=416, headers={**headers, "Content-Range": f"bytes */{file.bytes}"}
            )
        if asked and _range_holds(request.headers.get("if-range"), file):
            (start, end), status = asked, 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.bytes}"
        headers["Content-Length"] = str(end - start)
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        if start == 0 and file.role == "data":
            metrics.downloads.labels(dataset=file.dataset, format=file.format).inc()
        return await self._stream(file, start, end, status, headers)

    async def _stream(
        self, file: File, start: int, end: int, status: int, headers: dict[str, str]
    ) -> Response:
        if end == start:
            return Response(status_code=status, headers=headers)
        parts = self._objects.stream("public", file.key, start, end)
        try:
            # The first part before the status is sent: a store that is away is a 503, not a cut.
            first = await anext(parts)
        except (EcluseError, StopAsyncIteration):
            raise HTTPException(503) from None

        async def content() -> AsyncIterator[bytes]:
            yield first
            async for part in parts:
                yield part

        return StreamingResponse(content(), status_code=status, headers=headers)


def _headers(file: File, cache: str) -> dict[str, str]:
    charset = "; charset=utf-8" if file.media_type.startswith("text/") else ""
    header = "; header=present" if file.format == "csv" else ""
    inline = file.role in ("preview", "datapackage")
    return {
        **CORS,
        "Content-Type": f"{file.media_type}{charset}{header}",
        "ETag": f'"{file.sha256}"',
        "Last-Modified": format_datetime(file.modified_at.astimezone(UTC), usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": cache,
        "Content-Disposition": f'{"inline" if inline else "attachment"}; filename="{file.name}"',
        "X-Content-Type-Options": "nosniff",
    }


def _unchanged(headers: Mapping[str, str], file: File) -> bool:
    if tags := headers.get("if-none-match"):
        given = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return "*" in given or f'"{file.sha256}"' in given
    if since := headers.get("if-modified-since"):
        try:
            return file.modified_at.replace(microsecond=0) <= parsedate_to_datetime(since)
        except (ValueError, TypeError):
            return False
    return False


def _range_holds(condition: str | None, file: File) -> bool:
    """Whether `If-Range` lets the range through: the same bytes as the part fetched before."""
    return condition is None or condition.strip() == f'"{file.sha256}"'

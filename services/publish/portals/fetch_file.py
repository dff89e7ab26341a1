"""Fetches a file as a stranger would, and says what was right about it and what was not."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import httpx

from services.publish.portals.failures import PortalAway
from services.publish.portals.parse_file import parses
from services.publish.portals.where import Refused, Where
from shared.event_parts import FileRef
from shared.messages import Reason

ORIGIN = "https://www.data.gouv.fr"
MOST_REDIRECTS = 5
# What makes a file the one that was promised. CORS, ranges and the exact type are the portal's own
# affair where it hosts the file: they are told, and required of the city's own addresses.
ALWAYS = ("status", "length", "sha256", "parses")
OF_OURS = ("type", "cors", "ranges")


@dataclass(frozen=True)
class FileCheck:
    """What a stranger got for one file: each check passed or not. `http` is 0 where none was asked."""

    uri: str
    format: str
    http: int
    ours: bool
    checks: dict[str, bool] = field(default_factory=dict)

    @property
    def wrong(self) -> list[str]:
        """The checks that failed and may not."""
        if not self.checks.get("address", True):
            return ["address"]
        needed = (*ALWAYS, *OF_OURS) if self.ours else ALWAYS
        return [name for name in needed if not self.checks.get(name, False)]

    def as_row(self) -> dict[str, object]:
        return {**asdict(self), "wrong": self.wrong}


async def fetch_file(
    http: httpx.AsyncClient, address: str, uri: str, file: FileRef, where: Where, *, ours: bool
) -> FileCheck:
    """Downloads and reads the file. Raises PortalAway when its server does not answer."""
    with tempfile.NamedTemporaryFile(prefix="ecluse-verify-", suffix=f".{file.format}") as spool:
        path = Path(spool.name)
        try:
            status, final, checks = await _download(http, address, path, file, where)
            if checks.get("sha256"):
                checks["ranges"] = await _ranges(http, final, path, file.bytes, where)
        except Refused:
            return FileCheck(uri, file.format, 0, ours, {"status": False, "address": False})
        except (httpx.HTTPError, httpx.InvalidURL):
            raise PortalAway(Reason(code="portal_away")) from None
        if status in (429, 503) or status >= 500:
            raise PortalAway(Reason(code="portal_busy", detail=f"HTTP {status}"))
        # Only bytes known to be ours are opened.
        if checks.get("sha256"):
            checks["parses"] = await asyncio.to_thread(parses, path, file.format, file.rows)
    return FileCheck(uri, file.format, status, ours, checks)


async def read_back(parts: AsyncIterator[bytes], uri: str, file: FileRef) -> FileCheck:
    """The same of a file where no stranger can fetch, by the way that it was put. Raises PortalAway."""
    with tempfile.NamedTemporaryFile(prefix="ecluse-verify-", suffix=f".{file.format}") as spool:
        path = Path(spool.name)
        checks = {"status": True} | await _spool(parts, path, file)
        if checks["sha256"]:
            checks["parses"] = await asyncio.to_thread(parses, path, file.format, file.rows)
    return FileCheck(uri, file.format, 0, ours=False, checks=checks)


async def _download(
    http: httpx.AsyncClient, address: str, path: Path, file: FileRef, where: Where
) -> tuple[int, str, dict[str, bool]]:
    headers = {"Accept-Encoding": "identity", "Origin": ORIGIN}
    for _ in range(MOST_REDIRECTS + 1):
        asked = await where.request(address, headers)
        async with http.stream("GET", **asked) as answer:
            if answer.is_redirect:
                # A portal's own permanent address leads to the file.
                address = urljoin(address, answer.headers.get("location", ""))
                continue
            checks = {"status": answer.status_code == 200}
            if answer.status_code != 200:
                return answer.status_code, address, checks
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            checks["type"] = kind == file.media_type
            checks["cors"] = answer.headers.get("access-control-allow-origin") in ("*", ORIGIN)
            said = answer.headers.get("content-length")
            checks |= await _spool(answer.aiter_bytes(), path, file)
            checks["length"] &= said in (None, str(file.bytes))
            return 200, address, checks
    return 310, address, {"status": False}


async def _spool(parts: AsyncIterator[bytes], path: Path, file: FileRef) -> dict[str, bool]:
    """Keeps the bytes at `path`: whether they are as many as promised, and the same."""
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as spool:
        async for part in parts:
            digest.update(part)
            size += len(part)
            if size > file.bytes:
                break
            spool.write(part)
    whole = size == file.bytes
    return {"length": whole, "sha256": whole and digest.hexdigest() == file.sha256}


async def _ranges(
    http: httpx.AsyncClient, address: str, path: Path, size: int, where: Where
) -> bool:
    """Whether a part of the file can be had (RFC 9110, 14): map viewers and Parquet readers need it."""
    if size < 2:
        return True
    start, end = size // 2, min(size // 2 + 15, size - 1)
    headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{end}"}
    part = b""
    asked = await where.request(address, headers)
    async with http.stream("GET", **asked) as answer:
        # One that ignores the range would send the whole file, or no end of it.
        if answer.status_code != 206:
            return False
        async for more in answer.aiter_bytes():
            part += more
            if len(part) > end - start + 1:
                return False
    with path.open("rb") as spool:
        spool.seek(start)
        return part == spool.read(end - start + 1)

"""Fetches over http(s): every hop's address checked and pinned, what broke off taken up again.

A server that knows its versions (ETag, Last-Modified) is asked for what changed alone.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from urllib.parse import SplitResult, urljoin

import httpx

from services.ingest.accounts import Account
from services.ingest.download import Download, Fetched, Validators, away, refused
from services.ingest.gzip_members import NotGzip, unzipped
from services.ingest.pinned_host import resolve
from services.ingest.source_address import address_parts
from shared.failures import Quarantined
from shared.messages import Reason
from shared.settings import Settings

REDIRECTS = 3


class NotModified(Exception):
    """The server still has the version that is known."""


class HttpSource:
    """One source over all tries at it."""

    def __init__(
        self,
        parts: SplitResult,
        download: Download,
        settings: Settings,
        account: Account | None,
        known: Validators | None,
    ) -> None:
        self._parts = parts
        self._download = download
        self._settings = settings
        self._account = account
        self._known = known
        self._seen: Validators | None = None

    async def attempt(self) -> Fetched:
        """The whole file. Raises NotModified, Quarantined, SourceAway."""
        parts = self._parts
        for _ in range(REDIRECTS + 1):
            if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
                raise refused("scheme")
            checked = await resolve(parts.hostname, self._settings)
            # Connects to the address that was checked; the name goes into Host and TLS alone.
            pinned = parts._replace(netloc=_netloc(checked, parts.port)).geturl()
            try:
                async with (
                    httpx.AsyncClient(timeout=30, follow_redirects=False, trust_env=False) as client,
                    client.stream(
                        "GET", pinned, headers=self._headers(parts),
                        extensions={"sni_hostname": parts.hostname},
                    ) as answer,
                ):  # fmt: skip
                    if answer.has_redirect_location:
                        parts = _redirected(parts, answer.headers["location"])
                        continue
                    return await self._take(answer)
            except httpx.TimeoutException:
                raise away("time-out") from None
            except (httpx.DecodingError, NotGzip):
                raise Quarantined(Reason(code="source_unreadable", detail="encoding")) from None
            except httpx.InvalidURL:
                raise refused("form") from None
            except httpx.TransportError:
                raise away("connection") from None
        raise refused("redirects")

    def _headers(self, parts: SplitResult) -> dict[str, str]:
        headers = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "ecluse"}
        port = parts.port or {"http": 80, "https": 443}[parts.scheme.lower()]
        if self._account is not None and self._account.is_for(parts.hostname, port):
            if token := self._account.token():
                headers["Authorization"] = f"Bearer {token}"
            elif self._account.user is not None:
                password = self._account.secret() or ""
                pair = f"{self._account.user}:{password}".encode()
                headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        if self._download.size and self._seen and self._seen.strong:
            headers["Range"] = f"bytes={self._download.size}-"
            headers["If-Range"] = self._seen.strong
        elif self._known:
            if self._known.etag:
                headers["If-None-Match"] = self._known.etag
            if self._known.modified:
                headers["If-Modified-Since"] = self._known.modified
        return headers

    async def _take(self, answer: httpx.Response) -> Fetched:
        if answer.status_code == 304 and self._known:
            raise NotModified
        if answer.status_code == 206 and _begins_at(answer, self._download.size):
            await self._download.take(_bytes(answer))
            return self._download.done(self._seen or Validators())
        if answer.status_code in (206, 416):
            # Not the part that was asked for: the next try asks for the whole.
            self._download.restart()
            raise away(f"HTTP {answer.status_code}")
        _check_status(answer.status_code)
        self._download.restart()
        validators = Validators(answer.headers.get("etag"), answer.headers.get("last-modified"))
        # Bytes of an encoded body cannot be counted from the decoded ones.
        self._seen = None if "content-encoding" in answer.headers else validators
        await self._download.take(_bytes(answer))
        return self._download.done(validators)


def _bytes(answer: httpx.Response) -> AsyncIterator[bytes]:
    # As they come: what waits in a buffer is lost when the connection breaks.
    if answer.headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip"):
        return unzipped(answer.aiter_raw())
    return answer.aiter_bytes()


def _begins_at(answer: httpx.Response, size: int) -> bool:
    told = str(answer.headers.get("content-range", ""))
    return told.startswith(f"bytes {size}-") and size > 0


def _redirected(parts: SplitResult, location: str) -> SplitResult:
    try:
        return address_parts(urljoin(parts.geturl(), location))
    except ValueError:
        raise refused("form") from None


def _check_status(status: int) -> None:
    if status == 200:
        return
    if status >= 500 or status in (408, 425, 429):
        raise away(f"HTTP {status}")
    raise Quarantined(Reason(code="source_missing", detail=f"HTTP {status}"))


def _netloc(address: str, port: int | None) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{port}" if port else host

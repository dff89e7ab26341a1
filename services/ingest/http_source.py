"""Fetches over http(s): every hop's address checked and pinned, what broke off taken up again.

A server that knows its versions (ETag, Last-Modified) is asked for what changed alone.
"""

from __future__ import annotations

import base64
import re
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
_PART = re.compile(r"bytes (?P<first>\d+)-\d+/(?P<whole>\d+|\*)")
# Registered, and not decoded here (no library of ours does). What is no coding at all ("UTF-8") is
# written by some servers, and means nothing.
_NOT_READ = frozenset({"aes128gcm", "br", "compress", "dcb", "dcz", "exi", "x-compress", "zstd"})


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
        self._asks_part = self._asks_news = False

    async def attempt(self) -> Fetched:
        """The whole file. Raises NotModified, Quarantined, SourceAway."""
        parts, private = self._parts, False
        for _ in range(REDIRECTS + 1):
            if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
                raise refused("scheme")
            # What TLS once carried is never shown in clear, not on the way to the same host either.
            shown = self._account if is_private(parts) or not private else None
            private = private or is_private(parts)
            try:
                host = httpx.URL(parts.geturl())
                # Connects to the address that was checked; the name goes into Host and TLS alone.
                checked = await resolve(host.raw_host.decode(), self._settings)
                pinned = parts._replace(netloc=_netloc(checked, parts.port)).geturl()
                async with (
                    httpx.AsyncClient(timeout=30, follow_redirects=False, trust_env=False) as client,
                    client.stream(
                        "GET", pinned, headers=self._headers(parts, host, shown),
                        extensions={"sni_hostname": host.raw_host.decode()},
                    ) as answer,
                ):  # fmt: skip
                    if answer.has_redirect_location:
                        parts = _redirected(parts, answer.headers["location"])
                        continue
                    return await self._take(answer, "authorization" in answer.request.headers)
            except httpx.TimeoutException:
                raise away("time-out") from None
            except (httpx.DecodingError, NotGzip):
                raise Quarantined(Reason(code="source_unreadable", detail="encoding")) from None
            except httpx.InvalidURL:
                raise refused("form") from None
            except httpx.TransportError:
                raise away("connection") from None
        raise refused("redirects")

    def _headers(
        self, parts: SplitResult, host: httpx.URL, account: Account | None
    ) -> dict[bytes, bytes]:
        # Bytes: a server may know its version by a tag that is not ASCII (RFC 9110, 8.8.3).
        headers = {"Host": host.netloc, "User-Agent": b"ecluse"}
        port = parts.port or {"http": 80, "https": 443}[parts.scheme.lower()]
        if account is not None and account.is_for(parts.hostname, port):
            if token := account.token():
                headers["Authorization"] = f"Bearer {token}".encode()
            elif account.user is not None:
                pair = f"{account.user}:{account.secret() or ''}".encode()
                headers["Authorization"] = b"Basic " + base64.b64encode(pair)
        strong = self._seen.strong if self._seen else None
        self._asks_part = bool(self._download.size and strong)
        self._asks_news = bool(self._known) and not self._asks_part
        if self._asks_part and strong:
            headers["Range"] = f"bytes={self._download.size}-".encode()
            headers["If-Range"] = strong.encode()
        elif self._known:
            if self._known.etag:
                headers["If-None-Match"] = self._known.etag.encode()
            if self._known.modified:
                headers["If-Modified-Since"] = self._known.modified.encode()
        return {name.encode(): content for name, content in headers.items()}

    async def _take(self, answer: httpx.Response, signed: bool) -> Fetched:
        status = answer.status_code
        if status == 304 and self._asks_news:
            raise NotModified
        if status == 206 and (whole := self._rest_of(answer)):
            await self._download.take(_bytes(answer))
            if whole.isdecimal() and self._download.size != int(whole):
                # A server may give less than it was asked for (RFC 9110, 15.3.7).
                raise away("connection")
            return self._download.done(self._seen or Validators())
        if status in (206, 304, 416):
            # Not what was asked for: the next try asks for the whole.
            self._download.restart()
            raise away(f"HTTP {status}")
        _check_status(status, signed)
        self._download.restart()
        validators = Validators(answer.headers.get("etag"), answer.headers.get("last-modified"))
        # Bytes of an encoded body cannot be counted from the decoded ones.
        self._seen = None if _codings(answer) else validators
        await self._download.take(_bytes(answer))
        return self._download.done(validators)

    def _rest_of(self, answer: httpx.Response) -> str | None:
        """The size of the whole, or `*`, if this is the rest of the version that began; else None.

        Parts of two versions are never put together (RFC 9110, 15.3.7), whatever the server thinks
        of `If-Range`.
        """
        told = _PART.fullmatch(str(answer.headers.get("content-range", "")).strip())
        etag = answer.headers.get("etag")
        fits = (
            told is not None
            and self._asks_part
            and int(told["first"]) == self._download.size
            and not _codings(answer)
            and (etag is None or (self._seen is not None and etag == self._seen.etag))
        )
        return told["whole"] if told and fits else None


def is_private(parts: SplitResult) -> bool:
    """Whether nobody on the way sees what is sent there."""
    return parts.scheme.lower() == "https"


def _codings(answer: httpx.Response) -> list[str]:
    """What was done to the body, in that order."""
    told = str(answer.headers.get("content-encoding", "")).lower().split(",")
    return [name for one in told if (name := one.strip()) not in ("", "identity")]


def _bytes(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body, decoded. Raises NotGzip for a coding that is not read.

    As the bytes come: what waits in a buffer is lost when the connection breaks.
    """
    codings = _codings(answer)
    if not _NOT_READ.isdisjoint(codings):
        raise NotGzip
    if "deflate" in codings:
        return answer.aiter_bytes()
    content = answer.aiter_raw()
    for _ in (one for one in codings if one in ("gzip", "x-gzip")):
        content = unzipped(content)
    return content


def _redirected(parts: SplitResult, location: str) -> SplitResult:
    try:
        return address_parts(urljoin(parts.geturl(), location))
    except ValueError:
        raise refused("form") from None


def _check_status(status: int, signed: bool) -> None:
    if status == 200:
        return
    if signed and status in (401, 403):
        raise Quarantined(Reason(code="account_refused"))
    if status >= 500 or status in (408, 425, 429):
        raise away(f"HTTP {status}")
    raise Quarantined(Reason(code="source_missing", detail=f"HTTP {status}"))


def _netloc(address: str, port: int | None) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{port}" if port else host

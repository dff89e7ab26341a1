"""Fetches a change's source to a file of the spool, whatever its address.

`https`/`http` with every hop's address checked after resolution and the connection pinned to it,
`s3`, `file` under the allowed folders, `drop` in the drop bucket. Size and time are capped on
decoded bytes. What is away raises SourceAway; what can never work raises Quarantined.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import ipaddress
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import httpx
import obstore
from obstore import exceptions
from obstore.store import S3Store

from shared.failures import Quarantined, SourceAway
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import Store

CHUNK = 1024 * 1024
REDIRECTS = 3
TRIES = 3
# Files that came with POST /changes lie apart from those that people drop.
SENT = ".sent/"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source on the spool: its size in bytes and SHA-256."""

    path: Path
    bytes: int
    sha256: str


async def fetch_source(address: str, to: Path, settings: Settings, store: Store) -> Fetched:
    """The source at `address`, written to `to`.

    Three tries in about two minutes when somebody else's host is away; `source_timeout_seconds` for
    all of them. Raises SourceAway then, and Quarantined for an address that is refused, a source
    that is not there or too large.
    """
    parts = address_parts(address)
    try:
        async with asyncio.timeout(settings.source_timeout_seconds):
            for number in range(1, TRIES):
                try:
                    return await _fetch(parts, to, settings, store)
                except SourceAway:
                    await asyncio.sleep(settings.source_retry_seconds * (1, 3)[number - 1])
            return await _fetch(parts, to, settings, store)
    except TimeoutError:
        raise _away("too slow") from None


def address_parts(address: str) -> SplitResult:
    """The address taken apart. Raises Quarantined for what is no address, now or ever."""
    try:
        parts = urlsplit(address)
        written = parts.port is None or parts.port > 0
    except ValueError:
        written = False
    if not written or _CONTROL.search(address):
        raise Quarantined(Reason(code="address_refused", detail="form"))
    return parts


async def _fetch(parts: SplitResult, to: Path, settings: Settings, store: Store) -> Fetched:
    match parts.scheme.lower():
        case "http" | "https":
            content = _over_http(parts, settings)
        case "s3":
            content = _over_s3(parts, settings)
        case "file":
            content = _from_folder(parts, settings)
        case "drop":
            content = _from_drop(parts, store)
        case _:
            raise Quarantined(Reason(code="address_refused", detail="scheme"))
    async with aclosing(content):
        return await _write(content, to, settings.source_max_bytes)


async def _write(content: AsyncGenerator[bytes, None], to: Path, limit: int) -> Fetched:
    digest, size = hashlib.sha256(), 0
    with to.open("wb") as file:
        async for part in content:
            size += len(part)
            if size > limit:
                raise Quarantined(Reason(code="source_too_large", limit=limit))
            digest.update(part)
            await asyncio.to_thread(file.write, part)
    return Fetched(to, size, digest.hexdigest())


def _away(detail: str) -> SourceAway:
    return SourceAway(Reason(code="source_away", detail=detail))


async def _over_http(parts: SplitResult, settings: Settings) -> AsyncGenerator[bytes, None]:
    for _ in range(REDIRECTS + 1):
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            raise Quarantined(Reason(code="address_refused", detail="scheme"))
        checked = await _resolve(parts, settings)
        # Connects to the address that was checked; the name goes into Host and TLS alone.
        pinned = parts._replace(netloc=_netloc(checked, parts.port)).geturl()
        headers = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "ecluse"}
        extensions = {"sni_hostname": parts.hostname}
        try:
            async with (
                httpx.AsyncClient(timeout=30, follow_redirects=False, trust_env=False) as client,
                client.stream("GET", pinned, headers=headers, extensions=extensions) as answer,
            ):
                if answer.has_redirect_location:
                    parts = _redirected(parts, answer.headers["location"])
                    continue
                _check_status(answer.status_code)
                async for part in answer.aiter_bytes(CHUNK):
                    yield part
                return
        except httpx.TimeoutException:
            raise _away("time-out") from None
        except httpx.DecodingError:
            raise Quarantined(Reason(code="source_unreadable", detail="encoding")) from None
        except httpx.InvalidURL:
            raise Quarantined(Reason(code="address_refused", detail="form")) from None
        except httpx.TransportError:
            raise _away("connection") from None
    raise Quarantined(Reason(code="address_refused", detail="redirects"))


def _redirected(parts: SplitResult, location: str) -> SplitResult:
    try:
        return address_parts(urljoin(parts.geturl(), location))
    except ValueError:
        raise Quarantined(Reason(code="address_refused", detail="form")) from None


def _check_status(status: int) -> None:
    if status == 200:
        return
    if status >= 500 or status in (408, 425, 429):
        raise _away(f"HTTP {status}")
    raise Quarantined(Reason(code="source_missing", detail=f"HTTP {status}"))


async def _resolve(parts: SplitResult, settings: Settings) -> str:
    """An address of the host that may be connected to (limits of bad input S32, S33)."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(parts.hostname, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _away("DNS") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not settings.allow_private_addresses and not _is_public(address):
            raise Quarantined(Reason(code="address_refused", detail="private address"))
    return addresses[0]


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address)
    if found in _NAT64:
        # A translator hands it on to the IPv4 address in its last 32 bits (RFC 6052).
        found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found.is_global and not found.is_multicast


def _netloc(address: str, port: int | None) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{port}" if port else host


async def _over_s3(parts: SplitResult, settings: Settings) -> AsyncGenerator[bytes, None]:
    endpoint = settings.source_s3_endpoint or settings.s3_endpoint
    if not endpoint:
        raise Quarantined(Reason(code="address_refused", detail="no S3 endpoint"))
    key, secret = (
        (settings.source_s3_access_key, settings.source_s3_secret_key)
        if settings.source_s3_endpoint
        else (settings.s3_access_key, settings.s3_secret_key)
    )
    own = endpoint.rstrip("/") == settings.s3_endpoint.rstrip("/")
    if not _BUCKET.fullmatch(parts.netloc):
        raise Quarantined(Reason(code="address_refused", detail="bucket"))
    name = _key(parts)
    if own and parts.netloc.startswith(settings.s3_bucket_prefix):
        # Our own buckets are not sources: an event must not reach into the raw zone.
        raise Quarantined(Reason(code="address_refused", detail="own bucket"))
    bucket = S3Store(
        parts.netloc,
        endpoint=endpoint,
        region=settings.s3_region,
        access_key_id=key,
        secret_access_key=secret.get_secret_value(),
        virtual_hosted_style_request=False,
        client_options={"allow_http": endpoint.startswith("http://")},
        retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=10)},
    )
    try:
        found = await obstore.get_async(bucket, name)
        async for part in found.stream(CHUNK):
            yield bytes(part)
    except exceptions.NotFoundError:
        raise Quarantined(Reason(code="source_missing", detail="S3")) from None
    except (exceptions.BaseError, OSError):
        raise _away("S3") from None


async def _from_folder(parts: SplitResult, settings: Settings) -> AsyncGenerator[bytes, None]:
    path = await asyncio.to_thread(_allowed, parts, settings)
    try:
        # A pipe or a device would be waited for, for ever.
        if not await asyncio.to_thread(path.is_file):
            raise FileNotFoundError
        with path.open("rb") as file:
            while part := await asyncio.to_thread(file.read, CHUNK):
                yield part
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise Quarantined(Reason(code="source_missing", detail="file")) from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise Quarantined(Reason(code="source_missing", detail="file")) from None
        raise _away("folder") from None


def _allowed(parts: SplitResult, settings: Settings) -> Path:
    """The file, links resolved, if it lies under an allowed folder."""
    try:
        path = Path(unquote(parts.path)).resolve()
    except (OSError, RuntimeError, ValueError):
        # Links that lead to each other, or a NUL character.
        raise Quarantined(Reason(code="address_refused", detail="folder")) from None
    folders = [folder.resolve() for folder in settings.allowed_folders]
    if parts.netloc not in ("", "localhost") or not any(
        path.is_relative_to(folder) for folder in folders
    ):
        raise Quarantined(Reason(code="address_refused", detail="folder"))
    return path


def drop_key(parts: SplitResult) -> str:
    """The key in the drop bucket that a `drop:` address names. Raises Quarantined if none can be."""
    # A folder holds no longer names; an S3 endpoint does.
    return _key(parts, longest_piece=255)


def _key(parts: SplitResult, longest_piece: int = 1024) -> str:
    """An object's key. What no store can hold is refused here: asked for it, one fails as if away."""
    key = unquote(parts.path).removeprefix("/")
    pieces = key.split("/")
    holdable = all(
        piece not in ("", ".", "..") and len(piece.encode()) <= longest_piece for piece in pieces
    )
    if not holdable or _CONTROL.search(key) or len(key.encode()) > 1024:
        raise Quarantined(Reason(code="address_refused", detail="key"))
    return key


async def _from_drop(parts: SplitResult, store: Store) -> AsyncGenerator[bytes, None]:
    key = drop_key(parts)
    size = await store.size("drop", key)
    if size is None:
        raise Quarantined(Reason(code="source_missing", detail="drop"))
    if size:
        async for part in store.stream("drop", key, 0, size):
            yield part

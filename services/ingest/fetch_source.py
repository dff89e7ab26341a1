"""Fetches a change's source to a file of the spool, whatever its address.

`https`/`http` with every hop's address checked after resolution and the connection pinned to it,
`sftp` likewise, `s3`, `file` under the allowed folders, `drop` in the drop bucket. Size, speed and
time are capped on decoded bytes. What is away raises SourceAway; what can never work raises
Quarantined.
"""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, unquote

import obstore
from obstore import exceptions
from obstore.store import S3Store

from services.ingest.accounts import Account
from services.ingest.download import Download, Fetched, Validators, away, refused
from services.ingest.http_source import HttpSource
from services.ingest.sftp_source import SftpSource
from services.ingest.source_address import address_parts, drop_key, object_key
from shared.failures import Quarantined, SourceAway
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import GONE, Store

CHUNK = 1024 * 1024
TRIES = 3
# Files that came with POST /changes lie apart from those that people drop.
SENT = ".sent/"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


async def fetch_source(
    address: str,
    to: Path,
    settings: Settings,
    store: Store,
    account: Account | None = None,
    known: Validators | None = None,
) -> Fetched:
    """The source at `address`, written to `to`; `known` is what an earlier version is known by.

    Three tries in about two minutes when somebody else's host is away, each beginning where the
    last broke off if the host can do that; `source_timeout_seconds` for all of them. Raises
    SourceAway then, Quarantined for an address that is refused, a source that is not there or too
    large, and NotModified when the host still has the version that is known.
    """
    parts = address_parts(address)
    download = Download(to, settings)
    attempt = _attempt(parts, download, settings, store, account, known)
    try:
        async with asyncio.timeout(settings.source_timeout_seconds):
            for number in range(1, TRIES):
                try:
                    return await attempt()
                except SourceAway:
                    await asyncio.sleep(settings.source_retry_seconds * (1, 3)[number - 1])
            return await attempt()
    except TimeoutError:
        raise away("too slow") from None


def _attempt(
    parts: SplitResult,
    download: Download,
    settings: Settings,
    store: Store,
    account: Account | None,
    known: Validators | None,
) -> Callable[[], Awaitable[Fetched]]:
    """One try, by the address's scheme."""
    match parts.scheme.lower():
        case "http" | "https":
            return HttpSource(parts, download, settings, account, known).attempt
        case "sftp":
            return SftpSource(parts, download, settings, account).attempt
        case "s3":
            return lambda: _whole(_over_s3(parts, settings), download)
        case "file":
            return lambda: _whole(_from_folder(parts, settings), download)
        case "drop":
            return lambda: _whole(_from_drop(parts, store), download)
        case _:
            raise refused("scheme")


async def _whole(content: AsyncGenerator[bytes, None], download: Download) -> Fetched:
    download.restart()
    async with aclosing(content):
        await download.take(content)
    return download.done()


async def _over_s3(parts: SplitResult, settings: Settings) -> AsyncGenerator[bytes, None]:
    endpoint = settings.source_s3_endpoint or settings.s3_endpoint
    if not endpoint:
        raise refused("no S3 endpoint")
    key, secret = (
        (settings.source_s3_access_key, settings.source_s3_secret_key)
        if settings.source_s3_endpoint
        else (settings.s3_access_key, settings.s3_secret_key)
    )
    own = endpoint.rstrip("/") == settings.s3_endpoint.rstrip("/")
    if not _BUCKET.fullmatch(parts.netloc):
        raise refused("bucket")
    name = object_key(parts)
    if own and parts.netloc.startswith(settings.s3_bucket_prefix):
        # Our own buckets are not sources: an event must not reach into the raw zone.
        raise refused("own bucket")
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
    except GONE:
        raise Quarantined(Reason(code="source_missing", detail="S3")) from None
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError):
        raise Quarantined(Reason(code="account_refused")) from None
    except (exceptions.BaseError, OSError):
        raise away("S3") from None


async def _from_folder(parts: SplitResult, settings: Settings) -> AsyncGenerator[bytes, None]:
    path = await asyncio.to_thread(_allowed, parts, settings)
    try:
        # A pipe or a device would be waited for, for ever.
        if not await asyncio.to_thread(path.is_file):
            raise FileNotFoundError
        with path.open("rb") as file:
            before = await asyncio.to_thread(_state, path)
            while part := await asyncio.to_thread(file.read, CHUNK):
                yield part
            if await asyncio.to_thread(_state, path) != before:
                raise away("changed while it was read")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise Quarantined(Reason(code="source_missing", detail="file")) from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise Quarantined(Reason(code="source_missing", detail="file")) from None
        raise away("folder") from None


def _state(path: Path) -> tuple[int, ...]:
    """What changes with a file: whoever writes to it, or puts another in its place."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _allowed(parts: SplitResult, settings: Settings) -> Path:
    """The file, links resolved, if it lies under an allowed folder."""
    try:
        path = Path(unquote(parts.path)).resolve()
    except (OSError, RuntimeError, ValueError):
        # Links that lead to each other, or a NUL character.
        raise refused("folder") from None
    folders = [folder.resolve() for folder in settings.allowed_folders]
    if parts.netloc not in ("", "localhost") or not any(
        path.is_relative_to(folder) for folder in folders
    ):
        raise refused("folder")
    return path


async def _from_drop(parts: SplitResult, store: Store) -> AsyncGenerator[bytes, None]:
    key = drop_key(parts)
    found = await store.find("drop", key)
    if found is None:
        raise Quarantined(Reason(code="source_missing", detail="drop"))
    if found.bytes:
        async for part in store.stream("drop", key, 0, found.bytes):
            yield part
    if await store.find("drop", key) != found:
        # Half of one file and half of another is neither: the next try has the newer one.
        raise away("changed while it was read")

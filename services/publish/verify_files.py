"""Fetches every file of a release as a stranger would, and compares it with what was delivered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import httpx

from shared.at_once import at_once
from shared.event_parts import FileRef
from shared.failures import Quarantined, SourceAway
from shared.messages import Reason

CONNECTIONS = 8


def stranger() -> httpx.AsyncClient:
    """The client that downloads. One for the process: its TLS context costs more than a release.

    A connection is kept for less than the five seconds after which servers close it.
    """
    return httpx.AsyncClient(
        timeout=httpx.Timeout(30, pool=None),
        limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=2),
        trust_env=False,
    )


async def verify_files(client: httpx.AsyncClient, base: str, files: Iterable[FileRef]) -> None:
    """Raises SourceAway when the portal does not answer, Quarantined when a file is not the one."""
    await at_once(*(_verify(client, f"{base}/{file.name}", file) for file in files))


async def _verify(client: httpx.AsyncClient, address: str, file: FileRef) -> None:
    digest, size = hashlib.sha256(), 0
    headers = {"Accept-Encoding": "identity", "Origin": "https://www.data.gouv.fr"}
    try:
        async with client.stream("GET", address, headers=headers) as answer:
            if answer.status_code >= 500:
                raise SourceAway(Reason(code="portal_away"))
            if answer.status_code != 200:
                raise _wrong(f"{file.format}: HTTP {answer.status_code}")
            if not answer.headers.get("content-type", "").startswith(file.media_type):
                raise _wrong(f"{file.format}: type")
            if answer.headers.get("access-control-allow-origin") != "*":
                raise _wrong(f"{file.format}: CORS")
            async for part in answer.aiter_bytes():
                digest.update(part)
                size += len(part)
    except httpx.HTTPError:
        raise SourceAway(Reason(code="portal_away")) from None
    if (size, digest.hexdigest()) != (file.bytes, file.sha256):
        raise _wrong(f"{file.format}: bytes")


def _wrong(detail: str) -> Quarantined:
    return Quarantined(Reason(code="file_wrong", detail=detail))

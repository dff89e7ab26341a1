"""Fetches every file of a release as a stranger would, and compares it with what was delivered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import httpx

from shared.events import FileRef
from shared.failures import Quarantined, SourceAway
from shared.messages import Reason


async def verify_files(base: str, files: Iterable[FileRef]) -> None:
    """Raises SourceAway when the portal does not answer, Quarantined when a file is not the one."""
    try:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            for file in files:
                await _verify(client, f"{base}/{file.name}", file)
    except httpx.HTTPError:
        raise SourceAway(Reason(code="portal_away")) from None


async def _verify(client: httpx.AsyncClient, address: str, file: FileRef) -> None:
    digest, size = hashlib.sha256(), 0
    headers = {"Accept-Encoding": "identity", "Origin": "https://www.data.gouv.fr"}
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
    if (size, digest.hexdigest()) != (file.bytes, file.sha256):
        raise _wrong(f"{file.format}: bytes")


def _wrong(detail: str) -> Quarantined:
    return Quarantined(Reason(code="file_wrong", detail=detail))

"""A download under way: bytes written and hashed as they come, within size and speed, and taken up
again where they broke off."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path

from shared.failures import Quarantined, SourceAway
from shared.messages import Reason
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server says a version of its file is known by (RFC 9110, 8.8)."""

    etag: str | None = None
    modified: str | None = None

    def __bool__(self) -> bool:
        return bool(self.etag or self.modified)

    @property
    def strong(self) -> str | None:
        """What a range may be asked for with: a weak entity tag promises no equal bytes, and where
        there is one the date is no better (RFC 9110, 13.1.5)."""
        if self.etag:
            return None if self.etag.startswith("W/") else self.etag
        return self.modified


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source on the spool: its size in bytes and SHA-256; `notes` are for the quality report."""

    path: Path
    bytes: int
    sha256: str
    validators: Validators = Validators()
    notes: tuple[Reason, ...] = ()


class Download:
    """Bytes on their way into a file of the spool."""

    def __init__(self, to: Path, settings: Settings) -> None:
        self._to = to
        self._limit = settings.source_max_bytes
        self._slowest = settings.source_slowest_bytes
        self._patience = settings.source_patience_seconds
        self.restart()

    def restart(self) -> None:
        """Forgets what came so far."""
        self.size = 0
        self._digest = hashlib.sha256()
        self._to.unlink(missing_ok=True)

    async def take(self, content: AsyncIterable[bytes]) -> None:
        """Adds to what is there. Raises Quarantined(`source_too_large`), SourceAway when too slow."""
        began, had = time.monotonic(), self.size
        with self._to.open("ab") as file:
            async for part in content:
                self.size += len(part)
                if self.size > self._limit:
                    raise Quarantined(Reason(code="source_too_large", limit=self._limit))
                self._digest.update(part)
                await asyncio.to_thread(file.write, part)
                waited = time.monotonic() - began
                if waited > self._patience and self.size - had < waited * self._slowest:
                    raise away("too slow")

    def done(self, validators: Validators = Validators()) -> Fetched:
        if not self.size:
            self._to.touch()
        return Fetched(self._to, self.size, self._digest.hexdigest(), validators)


def away(detail: str) -> SourceAway:
    """Somebody else's host is away."""
    return SourceAway(Reason(code="source_away", detail=detail))


def refused(detail: str) -> Quarantined:
    """The address can never be fetched."""
    return Quarantined(Reason(code="address_refused", detail=detail))

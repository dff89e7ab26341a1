"""What a stranger finds on a portal: the metadata as told, and every file. Also asked for by people."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from services.publish.portals import compare
from services.publish.portals.compare import Difference
from services.publish.portals.connector import (
    Connector,
    Description,
    Ids,
    ReadsBack,
    Wanted,
    WantedFile,
)
from services.publish.portals.fetch_file import FileCheck, fetch_file, read_back
from services.publish.portals.where import where
from shared import metrics
from shared.messages import Reason
from shared.settings import Settings

FILES_AT_ONCE = 4


def few() -> asyncio.Semaphore:
    """How many files are fetched at a time: a queue in the client itself costs more."""
    return asyncio.Semaphore(FILES_AT_ONCE)


@dataclass(frozen=True)
class Proof:
    """What a stranger found; without `reasons` it has arrived."""

    files: tuple[FileCheck, ...]
    differences: tuple[Difference, ...]
    reasons: tuple[Reason, ...]

    def as_row(self) -> dict[str, object]:
        """JSON-compatible: what external checkers are told."""
        return {
            "arrived": not self.reasons,
            "at": datetime.now(UTC).isoformat(),
            "files": [one.as_row() for one in self.files],
            "differences": [one._asdict() for one in self.differences],
            "reasons": [one.model_dump(exclude_none=True) for one in self.reasons],
        }


async def prove(
    connector: Connector,
    http: httpx.AsyncClient,
    settings: Settings,
    portal: str,
    told: Description,
    wanted: Wanted,
    ids: Ids,
    gate: asyncio.Semaphore,
) -> Proof:
    """Reads the metadata and fetches every file, without a token. Raises PortalAway."""
    seen = await connector.read_back(wanted.uri, ids, stranger=True)
    if seen is None:
        return Proof((), (), (Reason(code="portal_not_shown"),))
    wrong = compare.differences(told, seen)
    there = [(one, seen.addresses[one.uri]) for one in wanted.files if one.uri in seen.addresses]
    files = await fetch_all(http, settings, portal, there, gate, connector)
    reasons = [reason for check in files if (reason := _wrong(check))]
    if wrong:
        named = ", ".join(sorted({one.field for one in wrong}))
        reasons.insert(0, Reason(code="portal_metadata_differs", detail=named, count=len(wrong)))
    return Proof(files, wrong, tuple(reasons))


async def prove_own(http: httpx.AsyncClient, settings: Settings, wanted: Wanted) -> Proof:
    """The same of the city's own portal: every file by its stable address."""
    there = [(one, one.address) for one in wanted.files]
    files = await fetch_all(http, settings, "own", there, few())
    return Proof(files, (), tuple(reason for check in files if (reason := _wrong(check))))


async def fetch_all(
    http: httpx.AsyncClient,
    settings: Settings,
    portal: str,
    there: list[tuple[WantedFile, str]],
    gate: asyncio.Semaphore,
    connector: object = None,
) -> tuple[FileCheck, ...]:
    """Fetches files at the addresses that the portal gives."""
    public = settings.public_url.rstrip("/") + "/"
    allowed = where(settings, portal)

    async def fetch(one: WantedFile, address: str) -> FileCheck:
        ours = address.startswith(public)
        if ours:
            # From inside, the city's own portal may lie elsewhere.
            address = f"{settings.verify_url}/{address.removeprefix(public)}"
        parts = connector.fetch(address) if isinstance(connector, ReadsBack) else None
        async with gate:
            if parts is not None:
                check = await read_back(parts, one.uri, one.file)
            else:
                check = await fetch_file(http, address, one.uri, one.file, allowed, ours=ours)
        outcome = "wrong" if check.wrong else "right"
        metrics.portal_files.labels(portal=portal, outcome=outcome).inc()
        return check

    return tuple(await asyncio.gather(*(fetch(one, address) for one, address in there)))


def _wrong(check: FileCheck) -> Reason | None:
    if not check.wrong:
        return None
    detail = f"{check.format}: {', '.join(check.wrong)}"
    return Reason(code="portal_file_wrong", detail=detail)

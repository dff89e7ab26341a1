"""One table from several sources (`sources:` in the card, one per commune say).

Each source is fetched and read by itself, so that what is wrong with it is told by its name and its
own lines; their tables are then put under each other, the producer's INSEE code as one more column.
A source that is late or broken stops the release, is replaced by its last good table, or is left
out, as the card says.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from services.ingest.append_tables import append_tables
from services.ingest.download import Fetched
from services.ingest.source_to_table import ReadLimits, source_to_table
from shared import keys
from shared.card import Card
from shared.card_source import PartSource
from shared.failures import EcluseError, Quarantined, SourceAway
from shared.messages import Reason
from shared.storage import Store
from shared.workers import WorkerPool

AT_ONCE = 4
Made = tuple[Path | None, Reason | None]  # a source's table, and what is to be said of it
Fetch = Callable[[PartSource, Path], Awaitable[Fetched]]


async def gather_sources(
    card: Card, to: Path, fetch: Fetch, store: Store, pool: WorkerPool
) -> Fetched:
    """The card's sources as one Parquet file; `notes` say what was replaced or left out.

    Raises the failure of a source that the card does not let pass, its name in `detail`;
    Quarantined(`parts_missing`) when none is left.
    """
    room = asyncio.Semaphore(AT_ONCE)
    parts = card.sources or ()

    async def one(part: PartSource, place: int) -> Made:
        async with room:
            return await _table(card, part, to.with_name(f"part-{place}"), fetch, store, pool)

    tried = await asyncio.gather(
        *(one(part, at) for at, part in enumerate(parts)), return_exceptions=True
    )
    made = _all(tried)
    there = [
        (part.insee, path) for part, (path, _) in zip(parts, made, strict=True) if path is not None
    ]
    notes = tuple(note for _, note in made if note is not None)
    if not there:
        missing = Reason(code="parts_missing", count=len(parts))
        # Where nobody answers there is nothing to be mended: it is tried again later.
        away = all(note.detail == "source_away" for note in notes)
        raise (SourceAway if away else Quarantined)(missing, *notes)
    await pool.run(append_tables, there, card.gather.column, to)
    return await asyncio.to_thread(_weighed, to, notes)


def _all(tried: Sequence[Made | BaseException]) -> list[Made]:
    """What every source came to, once all have ended: none goes on in a folder that is gone.

    Raises the first failure that is nobody's source; else of all sources that fail, by name:
    Quarantined if one of them needs a person, SourceAway if all are away.
    """
    failures = [one for one in tried if isinstance(one, BaseException)]
    for failure in failures:
        if not isinstance(failure, SourceAway | Quarantined):
            raise failure
    if failures:
        reasons = [
            reason for one in failures if isinstance(one, EcluseError) for reason in one.reasons
        ]
        broken = any(isinstance(one, Quarantined) for one in failures)
        raise (Quarantined if broken else SourceAway)(*reasons)
    return [one for one in tried if not isinstance(one, BaseException)]


async def _table(
    card: Card, part: PartSource, path: Path, fetch: Fetch, store: Store, pool: WorkerPool
) -> tuple[Path | None, Reason | None]:
    """The part's table, and what is to be said of it."""
    out = path.with_suffix(".parquet")
    key = keys.part(card.dataset, part.name)
    try:
        fetched = await fetch(part, path)
        made = await pool.run(source_to_table, fetched.path, _alone(card, part), out, ReadLimits())
    except (SourceAway, Quarantined) as failure:
        return await _instead(card, part, out, key, failure, store)
    await store.put("raw", key, out, made.sha256)
    return out, None


async def _instead(
    card: Card, part: PartSource, out: Path, key: str, failure: EcluseError, store: Store
) -> tuple[Path | None, Reason | None]:
    first = failure.reasons[0]
    if card.gather.late == "leave_out":
        return None, Reason(code="part_left_out", expected=part.name, detail=first.code)
    if card.gather.late == "last":
        kept = await store.size("raw", key)
        if kept:
            with out.open("wb") as file:
                async for data in store.stream("raw", key, 0, kept):
                    await asyncio.to_thread(file.write, data)
            return out, Reason(code="part_replaced", expected=part.name, detail=first.code)
    named = (reason.model_copy(update={"detail": part.name}) for reason in failure.reasons)
    raise type(failure)(*named)


def _alone(card: Card, part: PartSource) -> Card:
    """The card for one source: its own way of reading, no column that only the whole has, no key
    that holds over the whole."""
    later = {card.gather.column, *(n for one in card.derive or () for n in one.add.values())}
    schema = card.table_schema
    if schema is not None:
        fields = tuple(field for field in schema.fields if field.name not in later)
        schema = schema.model_copy(update={"fields": fields, "primary_key": ()})
    columns = {n: rule for n, rule in card.privacy.columns.items() if n not in later}
    privacy = card.privacy.model_copy(update={"columns": columns})
    alone = {"source": part, "table_schema": schema, "privacy": privacy, "derive": None}
    return card.model_copy(update=alone)


def _weighed(path: Path, notes: tuple[Reason, ...]) -> Fetched:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Fetched(path, path.stat().st_size, digest, notes=notes)

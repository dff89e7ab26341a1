"""From one safe table to every format that the card asks for, in one streamed reading."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from services.convert.datapackage import make_datapackage
from services.convert.geo_extent import geo_extent
from services.convert.open_writers import FormatJob, Order, open_job
from services.convert.preview import ROWS, make_preview
from services.convert.release_facts import release_facts
from services.convert.safe_table import Batch, SafeTable
from services.convert.sort_table import is_sorted, sort_by_key, sort_by_place
from services.convert.written_file import WrittenFile
from shared.card import Card, canonical_digest
from shared.failures import Quarantined
from shared.messages import Reason


@dataclass(frozen=True)
class ConvertedRelease:
    """The files of a release on the spool. `columns` is a fingerprint of names and types.

    `guarded` counts the cells that a spreadsheet would run, by column; `refused` says which optional
    formats cannot hold the table, and why.
    """

    files: tuple[WrittenFile, ...]
    datapackage: WrittenFile
    preview: WrittenFile
    rows: int
    columns: str
    guarded: dict[str, int]
    refused: tuple[Reason, ...]


def convert_table(table: Path, card: Card, release: str, out: Path) -> ConvertedRelease:
    """Writes the card's formats, `datapackage.json` and `preview.json` into the folder `out`.

    The same table and card give the same bytes, whenever and wherever. Raises Quarantined when one
    of the card's `formats` cannot hold the table; one of its `optional_formats` is left out.
    """
    source = SafeTable(table, card)
    extent = geo_extent(source) if source.geometries else None
    order = Order(source, card, release_facts(card, release), extent)
    wanted = tuple(dict.fromkeys((*(card.formats or ()), *(card.optional_formats or ()))))
    with tempfile.TemporaryDirectory(dir=out) as spool:
        sorted_first = _sorted_first(wanted, order, Path(spool))
        with ExitStack() as unfinished:
            jobs = []
            for form in wanted:
                jobs.append(open_job(form, sorted_first.get(form, order), out))
                unfinished.callback(jobs[-1].out.abandon)
            together = [job for job in jobs if job.form not in sorted_first]
            guarded, first = _run(source, together)
            for job in jobs:
                if job.form in sorted_first:
                    _run(sorted_first[job.form].table, [job])
            files = tuple(file for job in jobs if (file := job.finish(source.rows)))
            unfinished.pop_all()
    refused = {job.form: job.refusal for job in jobs if job.refusal}
    if fatal := [reason for form, reason in refused.items() if form in (card.formats or ())]:
        raise Quarantined(*fatal)
    package = make_datapackage(card, release, files, source.types, guarded)
    return ConvertedRelease(
        files=files,
        datapackage=_small(out / "datapackage.json", package),
        preview=_small(out / "preview.json", make_preview(first, source.rows, card, source.types)),
        rows=source.rows,
        columns=canonical_digest(sorted(source.types.items())),
        guarded=guarded,
        refused=tuple(refused.values()),
    )


def _sorted_first(wanted: Sequence[str], order: Order, spool: Path) -> dict[str, Order]:
    """Formats that want the rows in another order → the same order with the table sorted.

    Parquet by the card's key, GeoParquet along a Hilbert curve: readers then skip row groups.
    """
    table, card, extent = order.table, order.card, order.extent
    found: dict[str, Order] = {}
    key = card.table_schema.primary_key if card.table_schema else ()
    keyed = bool(key) and set(key) <= set(table.schema.names)
    if "parquet" in wanted and keyed and not is_sorted(table, key):
        made = sort_by_key(table, key, card, spool / "by_key.parquet")
        found["parquet"] = replace(order, table=made)
    if "geoparquet" in wanted and extent and (extent.hilbert[1:] < extent.hilbert[:-1]).any():
        made = sort_by_place(table, extent.hilbert, card, spool / "by_place.parquet")
        found["geoparquet"] = replace(order, table=made)
    return found


def _run(source: SafeTable, jobs: list[FormatJob]) -> tuple[dict[str, int], pl.DataFrame]:
    """Reads the table once for all formats: cells made harmless by column, first rows.

    The formats of a batch are written beside each other, and the next batch is read meanwhile.
    """
    counts: Counter[str] = Counter()
    first: pl.DataFrame | None = None
    with ThreadPoolExecutor(max(len(jobs), 1), thread_name_prefix="format") as threads:
        under_way: list[Future[None]] = []
        for batch in source.batches():
            first = _longer(first, batch)
            counts.update({name: int(cells.sum()) for name, cells in batch.risky.items()})
            for done in under_way:
                done.result()
            under_way = [threads.submit(job.write, batch) for job in jobs]
        for done in under_way:
            done.result()
    return dict(counts), first if first is not None else pl.DataFrame()


def _longer(first: pl.DataFrame | None, batch: Batch) -> pl.DataFrame:
    if first is None:
        return batch.cells.head(ROWS)
    return first if len(first) >= ROWS else first.vstack(batch.cells.head(ROWS - len(first)))


def _small(path: Path, content: bytes) -> WrittenFile:
    path.write_bytes(content)
    return WrittenFile(
        name=path.name,
        format="json",
        media_type="application/json",
        path=path,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        rows=None,
    )

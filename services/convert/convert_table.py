"""From one safe table to every format that the card asks for, in one streamed reading."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from services.convert.archive import make_archive
from services.convert.column_names import renamed_by_readers
from services.convert.datapackage import make_datapackage
from services.convert.geo_extent import geo_extent
from services.convert.map_layer import MapLayer
from services.convert.open_writers import Order, open_job
from services.convert.preview import Preview
from services.convert.readme import make_readme
from services.convert.release_facts import release_facts
from services.convert.safe_table import Batch, SafeTable
from services.convert.sort_table import is_sorted, sort_by_key, sort_by_place
from services.convert.table_schema import make_schema
from services.convert.written_file import WrittenFile, write_small
from shared.card import Card, canonical_digest
from shared.failures import Quarantined
from shared.messages import Reason

MAP = "map.geojson"
AHEAD = 4  # batches in memory at once


@dataclass(frozen=True)
class ConvertedRelease:
    """The files of a release on the spool. `columns` is a fingerprint of names and types.

    `extras` are README, schema, map layer and archive. `guarded` counts the cells that a spreadsheet
    would run, by column; `refused` says which optional formats cannot hold the table, and why;
    `renamed` is format → column → what that format's readers call it.
    """

    files: tuple[WrittenFile, ...]
    datapackage: WrittenFile
    preview: WrittenFile
    extras: tuple[WrittenFile, ...]
    rows: int
    columns: str
    guarded: dict[str, int]
    refused: tuple[Reason, ...]
    renamed: dict[str, dict[str, str]] = field(default_factory=dict)


def convert_table(
    table: Path, card: Card, release: str, out: Path, updated: dt.date | None = None
) -> ConvertedRelease:
    """Writes the card's formats and what goes with them into the folder `out`.

    `updated` is the day of the data's last update. The same table, card and day give the same bytes,
    whenever and wherever. Raises Quarantined when one of the card's `formats` cannot hold the table;
    one of its `optional_formats` is left out.
    """
    source = SafeTable(table, card)
    extent = geo_extent(source) if source.geometries else None
    order = Order(source, card, release_facts(card, release, updated), extent)
    preview = Preview(source, release)
    layer = MapLayer(source, extent) if extent and extent.bounds else None
    watching = [preview.write, *([layer.write] if layer else [])]
    files, refused, guarded = _write_formats(order, out, watching)
    if fatal := [reason for form, reason in refused.items() if form in (card.formats or ())]:
        raise Quarantined(*fatal)
    renamed = renamed_by_readers([file.format for file in files], source.types)
    package = make_datapackage(
        card, order.facts, files, source.types, guarded, preview.profile.told(), renamed
    )
    description = write_small(out / "datapackage.json", package)
    readme = make_readme(card, order.facts, files, source.types, source.rows, renamed)
    extras = [
        write_small(out / "README.md", readme),
        write_small(out / "schema.json", make_schema(card, source.types)),
    ]
    if card.archive:
        whole = (*extras, description, *files)
        extras.append(make_archive(out / f"{card.dataset}.zip", whole))
    if layer:
        extras.append(write_small(out / MAP, layer.content()))
    shown = preview.content(card, extent, MAP if layer else None)
    return ConvertedRelease(
        files=files,
        datapackage=description,
        preview=write_small(out / "preview.json", shown),
        extras=tuple(extras),
        rows=source.rows,
        columns=canonical_digest(sorted(source.types.items())),
        guarded=guarded,
        refused=tuple(refused.values()),
        renamed=renamed,
    )


def _write_formats(
    order: Order, out: Path, watching: Sequence[Callable[[Batch], None]]
) -> tuple[tuple[WrittenFile, ...], dict[str, Reason], dict[str, int]]:
    """The files; format → why it is refused; cells made harmless by column."""
    card = order.card
    wanted = tuple(dict.fromkeys((*(card.formats or ()), *(card.optional_formats or ()))))
    with tempfile.TemporaryDirectory(dir=out) as spool, ExitStack() as unfinished:
        sorted_first = _sorted_first(wanted, order, Path(spool))
        jobs = []
        for form in wanted:
            jobs.append(open_job(form, sorted_first.get(form, order), out))
            unfinished.callback(jobs[-1].out.abandon)
        together = [job.write for job in jobs if job.form not in sorted_first]
        guarded = _run(order.table, [*watching, *together])
        for job in jobs:
            if job.form in sorted_first:
                _run(sorted_first[job.form].table, [job.write])
        files = tuple(file for job in jobs if (file := job.finish(order.table.rows)))
        unfinished.pop_all()
    return files, {job.form: job.refusal for job in jobs if job.refusal}, guarded


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


def _run(source: SafeTable, takers: Sequence[Callable[[Batch], None]]) -> dict[str, int]:
    """Reads the table once for all takers; the cells that a spreadsheet would run, by column.

    Each taker has a thread of its own and may lag behind the reading by some batches.
    """
    counts: Counter[str] = Counter()
    with ExitStack() as opened:
        threads = [opened.enter_context(ThreadPoolExecutor(1)) for _ in takers]
        under_way: deque[list[Future[None]]] = deque()
        for batch in source.batches():
            counts.update({name: int(cells.sum()) for name, cells in batch.risky.items()})
            if source.geometries:
                _ = batch.geojson  # several want it: made once, before they start
            started = zip(threads, takers, strict=True)
            under_way.append([thread.submit(take, batch) for thread, take in started])
            if len(under_way) > AHEAD:
                _done(under_way.popleft())
        for pending in under_way:
            _done(pending)
    return dict(counts)


def _done(pending: list[Future[None]]) -> None:
    for one in pending:
        one.result()

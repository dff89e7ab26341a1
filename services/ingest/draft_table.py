"""A table under way, under readings that hold so far: converted, checked, counted and written.

Made while types are still being settled. When they turn out otherwise it is dropped, and the source
is read again with what all of its rows say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from services.ingest.column_types import Reading, classes
from services.ingest.findings import Findings
from services.ingest.geometry import geo_metadata
from services.ingest.nearly_typed import NearlyTyped
from services.ingest.parallel_columns import ColumnThreads
from services.ingest.point_column import Positions
from services.ingest.profile_columns import ColumnProfile
from services.ingest.read_limits import ReadLimits
from services.ingest.row_groups import RowGroups
from services.ingest.settle_types import ReadColumn
from services.ingest.source_table import Batch, Ordinals
from services.ingest.validate_table import TableRules
from shared.card import Card

# (position, reading) → the batch's values in that column if somebody has them already.
Known = Callable[[int, Reading], pa.Array | None]


class TableDraft:
    """What comes of batches, written to `writer`. Feed it every batch of the table.

    `mismatches` are values that do not fit their column's type: after the first, nothing more is
    written. `broken` are those that break a rule. Raises Quarantined(`constraint_unreadable`).
    """

    def __init__(
        self,
        writer: RowGroups,
        columns: Sequence[ReadColumn],
        card: Card,
        limits: ReadLimits,
        threads: ColumnThreads,
    ) -> None:
        self.columns = columns
        self.readings = {column.named.position: column.reading for column in columns}
        schema = card.table_schema
        self.rules = TableRules(
            [(column.named, column.reading) for column in columns],
            schema.primary_key if schema else (),
            limits,
            (schema.custom_checks if schema else None) or (),
        )
        self.profiles = [
            ColumnProfile(declared=column.named.field is not None) for column in columns
        ]
        self.nearly = [NearlyTyped(column) for column in columns]
        self.positions = Positions(
            [column.named.name for column in columns], [column.reading.type for column in columns]
        )
        self.mismatches, self.broken = Findings(limits.reasons), Findings(limits.reasons)
        self.rows = 0
        self._writer, self._threads = writer, threads

    def take(self, batch: Batch, known: Known = lambda _at, _reading: None) -> None:
        """Converts, checks and writes a batch."""
        columns, rules = self.columns, self.rules
        raws = [batch.columns[column.named.position - 1] for column in columns]
        ready = [known(column.named.position, column.reading) for column in columns]
        work = zip(columns, self.profiles, raws, ready, strict=True)
        read = self._threads.map(_read_column, work)
        for column, raw, (_, bad) in zip(columns, raws, read, strict=True):
            if bad is not None:
                _note_mismatches(self.mismatches, column, raw, batch.ordinals, bad)
        for watch, raw in zip(self.nearly, raws, strict=True):
            watch.feed(batch.ordinals, raw)
        values = [value for value, _ in read]
        self.positions.feed(values)
        texts = [
            column.text(raw) if rules.needs_text(at) else None
            for at, (column, raw) in enumerate(zip(columns, raws, strict=True))
        ]
        rules.check(batch.ordinals, values, texts, self.broken)
        self.rows += batch.rows
        if not self.mismatches:
            self._writer.write(values)

    def metadata(self) -> dict[str, str]:
        """What the file says of places: which columns are geometries, and which hold positions."""
        said = {}
        shapes = [(c.named.name, c.geometry.facts) for c in self.columns if c.geometry is not None]
        if shapes:
            said["geo"] = geo_metadata(shapes)
        if at := self.positions.columns():
            named = {axis: self.columns[i].named.name for axis, i in at.items()}
            said["ecluse:points"] = json.dumps(named, ensure_ascii=False, sort_keys=True)
        return said


@contextmanager
def table_draft(
    out: Path,
    columns: Sequence[ReadColumn],
    card: Card,
    limits: ReadLimits,
    threads: ColumnThreads,
) -> Iterator[TableDraft]:
    """The Parquet file `out` under way; whole once it is left without an error."""
    schema = [(column.named.name, column.reading.arrow) for column in columns]
    with RowGroups(out, schema) as writer:
        draft = TableDraft(writer, columns, card, limits, threads)
        yield draft
        writer.say(draft.metadata())


def _read_column(
    work: tuple[ReadColumn, ColumnProfile, pa.Array, pa.Array | None],
) -> tuple[pa.Array, pa.Array | None]:
    column, profile, raw, known = work
    values, bad = column.read(raw) if known is None else (known, None)
    profile.feed(values, raw)
    return values, bad


def _note_mismatches(
    findings: Findings, column: ReadColumn, raw: pa.Array, ordinals: Ordinals, bad: pa.Array
) -> None:
    if column.geometry is not None:
        rows = ordinals[bad.to_numpy(zero_copy_only=False)]
        findings.add("geometry_unreadable", column.named, rows)
        return
    findings.add(
        "type_mismatch",
        column.named,
        ordinals[bad.to_numpy(zero_copy_only=False)],
        expected=column.reading.type,
        found=lambda n: classes(column.text(raw.filter(bad)).slice(0, n)),
    )

"""Proof of the written bytes: reads them again, by another way than they were written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.anonymize.obeys import obeys
from shared.card_parts import ColumnRule
from shared.failures import Quarantined
from shared.messages import Reason

_BATCH_ROWS = 50_000
_THREADS = 2  # columns are independent, and reading them holds no lock

CHECKS = ("columns", "rows", "metadata", "statistics", "cells")


def verify_table(
    source: Path,
    written: Path,
    schema: pa.Schema,
    rows: int,
    rules: dict[str, ColumnRule] | None = None,
) -> None:
    """Raises Quarantined(`proof_failed`) unless the file holds what was allowed, and only that.

    It must hold the columns of `schema`, in name, type and order; `rows` rows; no key-value metadata
    at all (a column's would lie there too); no statistics but of its cells; and, column by column and
    cell by cell, the values of the source that the scan saw, or for a column that one of `rules`
    changes, what the rule allows. Detectors are not run a second time: equal cells have equal findings.
    """
    _verify_shape(written, schema, rows)
    changing = {name: rule for name, rule in (rules or {}).items() if rule.action != "keep"}

    def verify(fields: Sequence[pa.Field]) -> None:
        # Files of its own: a reader is not made for two threads.
        with (
            pq.ParquetFile(written, pre_buffer=False) as file,
            pq.ParquetFile(source, pre_buffer=False) as original,
        ):
            for field in fields:
                if rule := changing.get(field.name):
                    verify_rules(_groups(file, field), rule)
                else:
                    _verify_equal(_groups(file, field), _Rows(original, field))

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="proof") as pool:
        list(pool.map(verify, [list(schema)[first::_THREADS] for first in range(_THREADS)]))


def _verify_equal(cells: Iterator[pa.Array], original: _Rows) -> None:
    same = all(_equal(ours, original.take(len(ours))) for ours in cells)
    if not same or len(original.take(1)):
        raise failed("cells")


class _Rows:
    """A column of a file, so many rows at a time."""

    def __init__(self, file: pq.ParquetFile, field: pa.Field) -> None:
        self._field = field
        self._batches = file.iter_batches(_BATCH_ROWS, columns=[field.name])
        self._held = pa.array([], field.type)

    def take(self, count: int) -> pa.Array:
        """The next rows; fewer at the end."""
        while len(self._held) < count and (batch := next(self._batches, None)) is not None:
            more = batch.column(self._field.name).cast(self._field.type)
            self._held = pa.concat_arrays([self._held, more]) if len(self._held) else more
        taken, self._held = self._held[:count], self._held[count:]
        return taken


def verify_rules(cells: Iterator[pa.Array] | Sequence[pa.Array], rule: ColumnRule) -> None:
    """Raises Quarantined unless every cell is what the rule allows."""
    if not all(obeys(rule, part) for part in cells):
        raise failed("rules")


def verify_structure(written: Path, schema: pa.Schema, rows: int) -> None:
    """Raises Quarantined unless columns, rows, metadata and statistics are those of `schema`."""
    _verify_shape(written, schema, rows)
    with pq.ParquetFile(written) as file:
        for field in schema:
            for _ in _groups(file, field):
                pass


def _verify_shape(written: Path, schema: pa.Schema, rows: int) -> None:
    with pq.ParquetFile(written) as file:
        metadata, found = file.metadata, file.schema_arrow
        leaves = [metadata.schema.column(n).path for n in range(metadata.num_columns)]
        if leaves != schema.names or found.names != schema.names or found.types != schema.types:
            raise failed("columns")
        if metadata.num_rows != rows:
            raise failed("rows")
        if metadata.metadata or found.metadata:
            raise failed("metadata")


def _groups(file: pq.ParquetFile, field: pa.Field) -> Iterator[pa.Array]:
    """A column's cells, group by group. Raises Quarantined for statistics that are not theirs."""
    place = file.schema_arrow.get_field_index(field.name)
    for group in range(file.num_row_groups):
        column = file.read_row_group(group, columns=[field.name]).column(field.name)
        statistics = file.metadata.row_group(group).column(place).statistics
        if statistics is not None and statistics.has_min_max:
            _verify_statistics(column, statistics.min, statistics.max)
        for part in column.chunks:
            yield part.cast(field.type)


def _verify_statistics(column: pa.ChunkedArray, low: object, high: object) -> None:
    """Least and greatest value lie in the file's own metadata: they must be cells' values."""
    if pa.types.is_boolean(column.type):
        return
    for bound in (low, high):
        value = pa.scalar(bound, column.type)
        # 0.0 stands there as -0.0; as numbers they are equal.
        if not pc.any(pc.equal(column, value), min_count=0).as_py():
            raise failed("statistics")


def _equal(ours: pa.Array, theirs: pa.Array) -> bool:
    if pa.types.is_floating(ours.type):
        # NaN differs from itself; its bits do not.
        ours, theirs = ours.view(pa.int64()), theirs.view(pa.int64())
    return bool(ours.equals(theirs))


def failed(what: str) -> Quarantined:
    return Quarantined(Reason(code="proof_failed", detail=what))

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
    verify_structure(written, schema, rows)
    changing = {name: rule for name, rule in (rules or {}).items() if rule.action != "keep"}

    def verify(fields: Sequence[pa.Field]) -> None:
        # Files of its own: a reader is not made for two threads.
        with (
            pq.ParquetFile(written, pre_buffer=False) as file,
            pq.ParquetFile(source, pre_buffer=False) as original,
        ):
            for field in fields:
                if field.name in changing:
                    verify_rules(_cells(file, field), changing[field.name])
                else:
                    _verify_equal(file, original, field)

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="proof") as pool:
        list(pool.map(verify, [list(schema)[first::_THREADS] for first in range(_THREADS)]))


def _verify_equal(file: pq.ParquetFile, original: pq.ParquetFile, field: pa.Field) -> None:
    pairs = zip(_cells(file, field), _cells(original, field), strict=True)
    if not all(_equal(ours, theirs) for ours, theirs in pairs):
        raise failed("cells")


def verify_rules(cells: Iterator[pa.Array] | Sequence[pa.Array], rule: ColumnRule) -> None:
    """Raises Quarantined unless every cell is what the rule allows."""
    if not all(obeys(rule, part) for part in cells):
        raise failed("rules")


def verify_structure(written: Path, schema: pa.Schema, rows: int) -> None:
    """Raises Quarantined unless columns, rows, metadata and statistics are those of `schema`."""
    with pq.ParquetFile(written) as file:
        metadata, found = file.metadata, file.schema_arrow
        leaves = [metadata.schema.column(n).path for n in range(metadata.num_columns)]
        if leaves != schema.names or found.names != schema.names or found.types != schema.types:
            raise failed("columns")
        if metadata.num_rows != rows:
            raise failed("rows")
        if metadata.metadata or found.metadata:
            raise failed("metadata")
        for group in range(metadata.num_row_groups):
            for number, name in enumerate(schema.names):
                statistics = metadata.row_group(group).column(number).statistics
                if statistics is None or not statistics.has_min_max:
                    continue
                column = file.read_row_group(group, columns=[name]).column(name)
                _verify_statistics(column, statistics.min, statistics.max)


def _verify_statistics(column: pa.ChunkedArray, low: object, high: object) -> None:
    """Least and greatest value lie in the file's own metadata: they must be cells' values."""
    if pa.types.is_boolean(column.type):
        return
    for bound in (low, high):
        value = pa.scalar(bound, column.type)
        # 0.0 stands there as -0.0; as numbers they are equal.
        if not pc.any(pc.equal(column, value), min_count=0).as_py():
            raise failed("statistics")


def _cells(file: pq.ParquetFile, field: pa.Field) -> Iterator[pa.Array]:
    for batch in file.iter_batches(_BATCH_ROWS, columns=[field.name]):
        yield batch.column(field.name).cast(field.type)


def _equal(ours: pa.Array, theirs: pa.Array) -> bool:
    if pa.types.is_floating(ours.type):
        # NaN differs from itself; its bits do not.
        ours, theirs = ours.view(pa.int64()), theirs.view(pa.int64())
    return bool(ours.equals(theirs))


def failed(what: str) -> Quarantined:
    return Quarantined(Reason(code="proof_failed", detail=what))

"""Proof of the written bytes: reads them again, by another way than they were written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shared.failures import Quarantined
from shared.messages import Reason

_BATCH_ROWS = 50_000

CHECKS = ("columns", "rows", "metadata", "cells")


def verify_table(source: Path, written: Path, schema: pa.Schema, rows: int) -> None:
    """Raises Quarantined(`proof_failed`) unless the file holds what was allowed, and only that.

    It must hold the columns of `schema`, in name, type and order; `rows` rows; no key-value metadata
    at all (a column's would lie there too); and, column by column and cell by cell, the values of the
    source that the scan saw. Detectors are not run a second time: equal cells have equal findings.
    """
    with pq.ParquetFile(written) as file, pq.ParquetFile(source) as original:
        metadata, found = file.metadata, file.schema_arrow
        leaves = [metadata.schema.column(n).path for n in range(metadata.num_columns)]
        if leaves != schema.names or found.names != schema.names or found.types != schema.types:
            raise _failed("columns")
        if metadata.num_rows != rows:
            raise _failed("rows")
        if metadata.metadata or found.metadata:
            raise _failed("metadata")
        for field in schema:
            pairs = zip(_cells(file, field), _cells(original, field), strict=True)
            if not all(_equal(ours, theirs) for ours, theirs in pairs):
                raise _failed("cells")


def _cells(file: pq.ParquetFile, field: pa.Field) -> Iterator[pa.Array]:
    for batch in file.iter_batches(_BATCH_ROWS, columns=[field.name]):
        yield batch.column(field.name).cast(field.type)


def _equal(ours: pa.Array, theirs: pa.Array) -> bool:
    if pa.types.is_floating(ours.type):
        # NaN differs from itself; its bits do not.
        ours, theirs = ours.view(pa.int64()), theirs.view(pa.int64())
    return bool(ours.equals(theirs))


def _failed(what: str) -> Quarantined:
    return Quarantined(Reason(code="proof_failed", detail=what))

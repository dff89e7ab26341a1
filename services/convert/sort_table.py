"""A table in another order, out of core: by the card's key, or along a Hilbert curve.

DuckDB sorts and spills to the spool. Rows that the order does not tell apart keep theirs, so that the
same table gives the same bytes; a table of one batch is sorted where it is, with the same result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from services.convert.safe_table import SafeTable
from shared.card import Card

MEMORY = "192MB"


def is_sorted(table: SafeTable, key: Sequence[str]) -> bool:
    """Whether the rows are in ascending order of the key, without nulls in it; reads the key alone."""
    last: pl.DataFrame | None = None
    for batch in table.read(*key):
        rows = pl.DataFrame(batch)[list(key)]
        if sum(rows.null_count().row(0)):
            return False
        seen = rows if last is None else pl.concat([last, rows])
        before, after = seen[:-1], seen[1:]
        undecided = pl.Series([True]).new_from_index(0, len(after))
        for name in key:
            if (undecided & (before[name] > after[name])).any():
                return False
            undecided &= before[name] == after[name]
        last = rows[-1:]
    return True


def sort_by_key(table: SafeTable, key: Sequence[str], card: Card, out: Path) -> SafeTable:
    """The table in ascending order of the columns `key`, nulls last, as a file at `out`."""
    return _sorted(table, [table.schema.get_field_index(name) for name in key], None, card, out)


def sort_by_place(
    table: SafeTable, places: npt.NDArray[np.uint64], card: Card, out: Path
) -> SafeTable:
    """The table in ascending order of `places`, one a row, as a file at `out`."""
    return _sorted(table, [len(table.schema)], places, card, out)


def _sorted(
    table: SafeTable,
    by: list[int],
    places: npt.NDArray[np.uint64] | None,
    card: Card,
    out: Path,
) -> SafeTable:
    """`by` are positions of columns; behind the table's own lie the places, if any, and the row."""
    kinds = [_zoneless(field.type) for field in table.schema]
    added = [pa.int64()] if places is None else [pa.uint64(), pa.int64()]
    # By number: to DuckDB names that differ in case are the same.
    schema = pa.schema([(f"c{place}", kind) for place, kind in enumerate((*kinds, *added))])
    order = [f"c{place}" for place in (*by, len(schema) - 1)]
    reader = pa.RecordBatchReader.from_batches(schema, _numbered(table, places, schema))
    with pq.ParquetWriter(out, table.schema, compression="lz4") as writer:
        for part in _parts(reader, order, table, out.parent):
            own = part.select(range(len(table.schema))).rename_columns(table.schema.names)
            writer.write_table(own.cast(table.schema), row_group_size=table.batch_rows)
    return SafeTable(out, card)


def _parts(
    reader: pa.RecordBatchReader, order: list[str], table: SafeTable, spool: Path
) -> Iterator[pa.Table]:
    if table.rows <= table.batch_rows:
        yield reader.read_all().sort_by([(name, "ascending") for name in order])
        return
    for batch in _spilled(reader, order, table.batch_rows, spool):
        yield pa.Table.from_batches([batch])


def _spilled(
    reader: pa.RecordBatchReader, order: list[str], rows: int, spool: Path
) -> Iterator[pa.RecordBatch]:
    with duckdb.connect(
        config={"memory_limit": MEMORY, "threads": 2, "temp_directory": str(spool / "sort")}
    ) as engine:
        names = ", ".join(f"{name} ASC NULLS LAST" for name in order)
        yield from engine.from_arrow(reader).order(names).to_arrow_reader(rows)


def _zoneless(kind: pa.DataType) -> pa.DataType:
    # DuckDB's moments with a time zone need an extension of its; the count of microseconds does not.
    zoned = pa.types.is_timestamp(kind) and kind.tz is not None
    return pa.timestamp(kind.unit) if zoned else kind


def _numbered(
    table: SafeTable, places: npt.NDArray[np.uint64] | None, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    start = 0
    for batch in table.batches():
        end = start + batch.arrow.num_rows
        columns = [
            cells.cast(kind) for cells, kind in zip(batch.arrow.columns, schema.types, strict=False)
        ]
        if places is not None:
            columns.append(pa.array(places[start:end]))
        columns.append(pa.array(np.arange(start, end)))
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
        start = end

"""The safe table as batches of rows: one reading serves every format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from services.convert.cell_values import jsonable
from services.convert.formula_guard import risky

BATCH = 100_000
# A batch of wide rows has fewer of them, so that memory does not grow with the width.
BATCH_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Batch:
    """Some rows, as Arrow and as Polars hold them, and what several formats need to know of them."""

    arrow: pa.RecordBatch

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The rows as a data frame."""
        return pl.DataFrame(self.arrow)

    @property
    def cells(self) -> pl.DataFrame:
        """The rows as text formats and sheets show them."""
        return self.frame

    @cached_property
    def records(self) -> bytes:
        """The rows as JSON, one a line."""
        return jsonable(self.frame).write_ndjson().encode()

    @cached_property
    def risky(self) -> dict[str, pl.Series]:
        """Text columns with cells that a spreadsheet would run → which cells."""
        texts = [name for name, kind in self.frame.schema.items() if kind == pl.String]
        found = self.frame.select(risky(name) for name in texts)
        return {name: found[name] for name in texts if found[name].any()}


class SafeTable:
    """A Parquet file with the release's published columns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with pq.ParquetFile(path) as file:
            self.schema: pa.Schema = file.schema_arrow.remove_metadata()
            self.rows: int = file.metadata.num_rows
            groups = [file.metadata.row_group(n) for n in range(file.metadata.num_row_groups)]
            size = sum(group.total_byte_size for group in groups)
        # Text repeated in a column is stored once: what a row takes in memory can be more.
        width = max(size / max(self.rows, 1), 16 * len(self.schema), 1)
        self.batch_rows = max(1, min(BATCH, int(BATCH_BYTES / width)))

    @property
    def types(self) -> dict[str, str]:
        """Column → its Table Schema type, in the table's order."""
        return {field.name: table_schema_type(field.type) for field in self.schema}

    def batches(self) -> Iterator[Batch]:
        """All rows, in order; each batch is made when it is asked for. A table without rows is one."""
        if self.rows == 0:
            yield Batch(pa.RecordBatch.from_pylist([], schema=self.schema))
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(self.batch_rows):
                yield Batch(batch.replace_schema_metadata(None))


def table_schema_type(kind: pa.DataType) -> str:
    """The Table Schema type of an Arrow type."""
    checks = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
        (pa.types.is_floating, "number"),
        (pa.types.is_decimal, "number"),
        (pa.types.is_date, "date"),
        (pa.types.is_timestamp, "datetime"),
        (pa.types.is_time, "time"),
    )
    return next((name for check, name in checks if check(kind)), "string")

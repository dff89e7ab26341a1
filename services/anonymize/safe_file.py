"""Writes the safe table's Parquet file: names, types and cells, and no metadata of anybody's."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shared.repeating import repeating


class SafeFile:
    """A file under way, a row group for each batch."""

    def __init__(self, out: Path, schema: pa.Schema) -> None:
        self._out, self._schema = out, schema
        self._writer: pq.ParquetWriter | None = None

    def close(self) -> None:
        """Ends the file, if there is one."""
        if self._writer is not None:
            self._writer.close()

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Adds rows. The first ones say which columns are written with a dictionary."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._out,
                self._schema,
                compression="zstd",
                use_dictionary=repeating(rows),
                store_schema=False,
            )
        self._writer.write(rows)

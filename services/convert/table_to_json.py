"""JSON: an array of records, one a line, UTF-8 unescaped (RFC 8259); null for null, NaN and ∞."""

from __future__ import annotations

import polars as pl

from services.convert.table_to_csv import dated, finite
from services.convert.written_file import CountingWriter


class JsonWriter:
    """Writes batches of records into one array."""

    def __init__(self, out: CountingWriter) -> None:
        self._out = out
        self._first = True

    def write(self, batch: pl.DataFrame) -> None:
        times = [name for name, kind in batch.schema.items() if kind == pl.Time]
        batch = dated(finite(batch)).with_columns(
            pl.col(name).dt.to_string("%H:%M:%S") for name in times
        )
        # A line break inside a text is escaped in JSON, so each one here ends a record.
        lines = batch.write_ndjson().encode().rstrip(b"\n").replace(b"\n", b",\n")
        if lines:
            self._out.write((b"[\n" if self._first else b",\n") + lines)
            self._first = False

    def close(self) -> None:
        self._out.write(b"[]\n" if self._first else b"\n]\n")
        self._out.close()

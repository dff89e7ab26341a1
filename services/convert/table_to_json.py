"""JSON: an array of records, one a line, UTF-8 unescaped (RFC 8259); null for null, NaN and ∞.

NDJSON is the same records without the array.
"""

from __future__ import annotations

from services.convert.safe_table import Batch
from services.convert.written_file import CountingWriter


class JsonWriter:
    """Writes batches of records into one array."""

    def __init__(self, out: CountingWriter) -> None:
        self._out = out
        self._first = True

    def write(self, batch: Batch) -> None:
        # A line break inside a text is escaped in JSON, so each one here ends a record.
        lines = batch.records.replace(b"\n", b",\n")
        if lines:
            self._out.write(b"[\n" if self._first else b",\n")
            self._out.write(memoryview(lines)[:-2])
            self._first = False

    def close(self) -> None:
        self._out.write(b"[]\n" if self._first else b"\n]\n")
        self._out.close()


class NdjsonWriter:
    """Writes batches of records, one a line."""

    def __init__(self, out: CountingWriter) -> None:
        self._out = out

    def write(self, batch: Batch) -> None:
        self._out.write(batch.records)

    def close(self) -> None:
        self._out.close()

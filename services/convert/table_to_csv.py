"""CSV: UTF-8 without byte order mark, header, comma, CRLF (RFC 4180), ISO 8601 dates, null empty.

A number that is not finite (NaN, ∞) is no value to a reader of CSV: it is empty as well. In a table
of one column an empty cell is quoted, or its line would be blank and readers would leave it out.
"""

from __future__ import annotations

import polars as pl

from services.convert.formula_guard import guarded, guarded_headers, risky
from services.convert.written_file import CountingWriter


class CsvWriter:
    """Writes batches; `guarded` counts the cells made harmless, by column."""

    def __init__(self, out: CountingWriter, schema: pl.Schema) -> None:
        self._out = out
        self._texts = [name for name, kind in schema.items() if kind == pl.String]
        self._headers = guarded_headers(schema)
        self._null = '""' if len(schema) == 1 else ""
        self._first = True
        self.guarded: dict[str, int] = {}

    def write(self, batch: pl.DataFrame) -> None:
        if self._texts:
            counts = batch.select(risky(name).sum() for name in self._texts).row(0, named=True)
            for name, count in counts.items():
                if count:
                    self.guarded[name] = self.guarded.get(name, 0) + count
            batch = batch.with_columns(guarded(name) for name in self._texts)
        self._write(batch)

    def close(self) -> None:
        self._out.close()

    def empty(self, schema: pl.Schema) -> None:
        """The header alone, for a table without rows."""
        self._write(pl.DataFrame(schema=schema))

    def _write(self, batch: pl.DataFrame) -> None:
        text = (
            dated(finite(batch))
            .rename(self._headers)
            .write_csv(
                include_header=self._first,
                null_value=self._null,
                line_terminator="\r\n",
                date_format="%Y-%m-%d",
                time_format="%H:%M:%S",
            )
        )
        self._first = False
        self._out.write(text.encode())


def finite(batch: pl.DataFrame) -> pl.DataFrame:
    """The batch with null where a number is not finite."""
    floats = [name for name, kind in batch.schema.items() if kind in (pl.Float32, pl.Float64)]
    return batch.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats
    )


def dated(batch: pl.DataFrame) -> pl.DataFrame:
    """The batch with moments as ISO 8601 text; those in UTC say so."""
    return batch.with_columns(
        pl.col(name).dt.to_string(f"%Y-%m-%dT%H:%M:%S%.f{'Z' if kind.time_zone else ''}")
        for name, kind in batch.schema.items()
        if isinstance(kind, pl.Datetime)
    )

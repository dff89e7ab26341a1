"""CSV: UTF-8 without byte order mark, header, CRLF (RFC 4180), ISO 8601 dates, null empty.

The card chooses the delimiter; TXT is the same with a tab.

A number that is not finite (NaN, ∞) is no value to a reader of CSV: it is empty as well. In a table
of one column an empty cell is quoted, or its line would be blank and readers would leave it out.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from services.convert.cell_values import dated, finite
from services.convert.formula_guard import guarded, guarded_headers
from services.convert.safe_table import Batch
from services.convert.written_file import CountingWriter


class CsvWriter:
    """Writes batches of rows under one header line."""

    def __init__(self, out: CountingWriter, names: Sequence[str], delimiter: str) -> None:
        self._out = out
        self._delimiter = delimiter
        self._headers = guarded_headers(names)
        self._null = '""' if len(names) == 1 else ""
        self._first = True

    def write(self, batch: Batch) -> None:
        text = io.BytesIO()
        (
            dated(finite(batch.cells.with_columns(guarded(name) for name in batch.risky)))
            .rename(self._headers)
            .write_csv(
                text,
                separator=self._delimiter,
                include_header=self._first,
                null_value=self._null,
                line_terminator="\r\n",
                date_format="%Y-%m-%d",
                time_format="%H:%M:%S",
            )
        )
        self._first = False
        self._out.write(text.getbuffer())

    def close(self) -> None:
        self._out.close()

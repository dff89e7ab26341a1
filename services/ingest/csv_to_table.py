"""Streams a delimited text (RFC 4180 and its cousins) as batches of text columns.

Arrow reads; memory stays flat whatever the file's size. Where Arrow finds a row that it cannot
read, Python's csv module reads the file again to say on which line: Arrow's own messages quote the
row and go no further than this module.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from services.ingest.column_types import (
    DATETIME,
    DATETIME_UTC,
    INTEGER,
    NUMBER_COMMA,
    NUMBER_DOT,
    Reading,
)
from services.ingest.csv_dialect import NO_DELIMITER, find_dialect
from services.ingest.csv_lines import END, LineTooLong, PlainRows, Utf8Rows, physical_lines
from services.ingest.header_names import checked_headers
from services.ingest.quoted_cells import QuoteWatch, misquoted
from services.ingest.read_limits import MIB, ReadLimits
from services.ingest.source_table import NO_HINTS, Batch, Dropped, RowSieve, SourceFacts
from services.ingest.text_encoding import find_encoding
from shared.card_source import Source
from shared.failures import Quarantined
from shared.messages import Reason

# Arrow reads some blocks ahead, each held several times over: smaller ones keep the peak low.
BLOCK_BYTES = MIB


class CsvTable:
    """A delimited text, its encoding, delimiter and header found. See `SourceTable`."""

    typed = False
    crs: str | None = None

    def __init__(
        self, source: Path, told: Source, declared: Sequence[str], limits: ReadLimits
    ) -> None:
        self._source = source
        self._limits = limits
        self._text = find_encoding(source, told.encoding)
        self._dialect = find_dialect(source, self._text, told, declared, limits)
        self.headers = checked_headers(self._dialect.headers, declared)
        delimiter = self._dialect.delimiter
        self.facts = SourceFacts(
            format="csv",
            encoding=self._text.encoding,
            delimiter=None if delimiter == NO_DELIMITER else delimiter,
            header_line=self._dialect.header_line,
        )
        self.warnings = self._warnings()
        self.dropped = Dropped()
        self._rows = 0
        self._quotes_right = False

    def _warnings(self) -> tuple[Reason, ...]:
        warnings = [
            Reason(code="header_cleaned", position=position)
            for position, (raw, name) in enumerate(
                zip(self._dialect.headers, self.headers, strict=True), 1
            )
            if raw.strip() != name
        ]
        if self._text.replaced:
            warnings.append(Reason(code="replacement_characters"))
        return tuple(warnings)

    def batches(self, plain: Mapping[int, Reading] = NO_HINTS) -> Iterator[Batch]:
        """All rows from the first on. Raises Quarantined: `row_width`, `quote_unclosed`,
        `quote_misplaced`, `cell_too_large`, `row_too_large`, `text_unreadable`."""
        types, decimal = self._types(plain)
        sieve = RowSieve(self.headers)
        self.dropped = sieve.dropped
        done = 0
        for block_bytes in (BLOCK_BYTES, self._limits.row_bytes + MIB):
            first = 0
            try:
                for record in self._records(block_bytes, types, decimal):
                    # With larger blocks the same rows come again, cut elsewhere.
                    fresh = record.slice(max(0, done - first))
                    first += record.num_rows
                    if not fresh.num_rows:
                        continue
                    self._check_lengths(fresh)
                    start, done = done, done + fresh.num_rows
                    yield sieve.sift(start, fresh.columns, fresh.num_rows)
            except _RowOverBlock:
                continue
            self._rows = done
            return
        raise Quarantined(*self._explained())

    def _types(self, plain: Mapping[int, Reading]) -> tuple[dict[str, pa.DataType], str]:
        """Types that Arrow can give by itself, and the decimal mark, of which it knows one."""
        types = {str(at): pa.string() for at in range(1, len(self.headers) + 1)}
        if self.dropped.header:
            # A header among the rows is only told from them as text.
            return types, "."
        readings = list(plain.values())
        marks = {".": NUMBER_DOT, ",": NUMBER_COMMA}
        decimal = max(marks, key=lambda mark: readings.count(marks[mark]))
        direct = (INTEGER, DATETIME, DATETIME_UTC, marks[decimal])
        types |= {str(at): reading.arrow for at, reading in plain.items() if reading in direct}
        return types, decimal

    def _records(
        self, block_bytes: int, types: dict[str, pa.DataType], decimal: str
    ) -> Iterator[pa.RecordBatch]:
        # The second reading finds what the first one did.
        quotes = self._text.quotes
        watched = quotes and not self._quotes_right
        watch = QuoteWatch(self._dialect.delimiter) if watched else None
        stream = Utf8Rows(self._source, self._text, self._dialect, watch)
        ragged = 0
        closed = False
        # Rows of delimiters alone are none, however many they have.
        blank = f' \t\r\n"{self._dialect.delimiter}'

        def invalid(row: arrow_csv.InvalidRow) -> str:
            nonlocal ragged, closed
            text = str(row.text)
            if text == stream.end:
                closed = True
            elif text.strip(blank):
                ragged += 1
            return "skip"

        try:
            reader = arrow_csv.open_csv(
                pa.PythonFile(stream, mode="r"),
                read_options=arrow_csv.ReadOptions(
                    block_size=block_bytes, column_names=list(types)
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._dialect.delimiter,
                    # Without quotes a line is a row: blocks are cut without being parsed for it.
                    quote_char='"' if quotes else False,
                    newlines_in_values=quotes,
                    invalid_row_handler=invalid,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    # Encoding is settled over the whole file before any row is read.
                    check_utf8=False,
                    column_types=types,
                    decimal_point=decimal,
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
            yield from reader
        except pa.ArrowInvalid as error:
            if "straddl" in str(error):
                raise _RowOverBlock from None
            raise Quarantined(*self._explained()) from None
        if ragged or not closed:
            raise Quarantined(*self._explained())
        if watch and watch.odd and (misplaced := self._misquoted()):
            raise Quarantined(misplaced)
        self._quotes_right = True

    def _check_lengths(self, record: pa.RecordBatch) -> None:
        """A cell or a row can only be too long in a batch that weighs more than the limit."""
        limits = self._limits
        texts = [column for column in record.columns if pa.types.is_string(column.type)]
        if sum(map(_text_bytes, texts)) <= min(limits.field_bytes, limits.row_bytes):
            return
        lengths = [pc.fill_null(pc.binary_length(text), 0) for text in texts]
        longest = [pc.max(length).as_py() for length in lengths]
        if max(longest, default=0) > limits.field_bytes:
            raise Quarantined(*self._explained())
        if sum(longest) > limits.row_bytes:
            total = lengths[0]
            for length in lengths[1:]:
                total = pc.add(total, length)
            if pc.max(total).as_py() > limits.row_bytes:
                raise Quarantined(*self._explained())

    def lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        """Ordinal → physical line. Without line ends inside quotes this is a sum; else the rows up
        to the last one asked for are read again."""
        if self._text.lines - self._dialect.first_line + 1 == self._rows:
            return {ordinal: self._dialect.first_line + ordinal for ordinal in ordinals}
        wanted = set(ordinals)
        found: dict[int, int] = {}
        ordinal = 0
        rows = PlainRows(self._source, self._text, self._dialect, self._limits)
        for cells in rows:
            if len(found) == len(wanted):
                break
            if len(cells) == len(self.headers):
                if ordinal in wanted:
                    found[ordinal] = rows.begin
                ordinal += 1
        return found

    def _misquoted(self) -> Reason | None:
        dialect = self._dialect
        lines = physical_lines(self._source, self._text, dialect, self._limits.row_bytes)
        try:
            found = misquoted(lines, dialect.delimiter)
        except LineTooLong:
            return None
        if found is None:
            return None
        line, position = dialect.first_line + found.line, found.position
        return Reason(code="quote_misplaced", line=line, position=position)

    def _explained(self) -> list[Reason]:
        """What Arrow could not read, and on which lines: the first cases, and the count of all."""
        if misplaced := self._misquoted():
            return [misplaced]
        width, limits = len(self.headers), self._limits
        ragged: list[Reason] = []
        count = 0
        last: list[str] = []
        rows = PlainRows(self._source, self._text, self._dialect, limits)
        try:
            for last in rows:
                if END in last or not "".join(last).strip():
                    continue
                sizes = [len(cell.encode()) for cell in last]
                if max(sizes) > limits.field_bytes:
                    return [_too_large("cell", rows.begin, limits.field_bytes)]
                if sum(sizes) > limits.row_bytes:
                    return [_too_large("row", rows.begin, limits.row_bytes)]
                if len(last) != width:
                    count += 1
                    if len(ragged) < limits.reasons:
                        ragged.append(_row_width(rows.begin, width, len(last)))
        except LineTooLong:
            return [_too_large("row", rows.next, limits.row_bytes)]
        except csv.Error:
            if rows.line > rows.next:
                # A cell of many lines: a quote that somebody forgot to close.
                return [Reason(code="quote_unclosed", line=rows.next)]
            return [_too_large("cell", rows.next, limits.field_bytes)]
        if any(END in cell for cell in last) and END not in last:
            return [Reason(code="quote_unclosed", line=rows.begin)]
        if ragged:
            return [reason.model_copy(update={"count": count}) for reason in ragged]
        return [Reason(code="text_unreadable")]


def _text_bytes(text: pa.Array) -> int:
    """How many bytes the values have together."""
    places = np.frombuffer(text.buffers()[1], np.int32)
    return int(places[text.offset + len(text)] - places[text.offset])


def _too_large(what: str, line: int, limit: int) -> Reason:
    return Reason(code=f"{what}_too_large", line=line, limit=limit)


def _row_width(line: int, expected: int, found: int) -> Reason:
    return Reason(code="row_width", line=line, expected=str(expected), found=str(found))


class _RowOverBlock(Exception):
    """A row is longer than Arrow's block."""

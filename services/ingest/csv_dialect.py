"""Finds delimiter and header of a delimited text from its first rows.

A delimiter is judged by what it makes of many rows, quotes respected: the same number of cells
again and again, and declared names among them. Counting characters alone, as `csv.Sniffer` does,
takes the decimal comma for a delimiter.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.ingest.header_names import HEADER_ROWS, find_header, match_key
from services.ingest.read_limits import ReadLimits
from services.ingest.text_encoding import TextFacts
from shared.card_source import Source
from shared.failures import Quarantined
from shared.messages import Reason

# From the least likely to stand inside a value to the likeliest.
DELIMITERS = "\t;|,"
# Where no delimiter fits, the table has one column; this one is in no text.
NO_DELIMITER = "\x1f"
_SAMPLE_ROWS = 1000
_CONSISTENT = 0.7
_SAMPLE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A row of the sample: its cells, the physical line (from 0) it begins on, the one after it."""

    cells: list[str]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Dialect:
    """`headers` as written; data begin `skip` bytes into the file, on line `first_line` (from 1)."""

    delimiter: str
    headers: tuple[str, ...]
    header_line: int
    first_line: int
    skip: int


def find_dialect(
    source: Path, text: TextFacts, told: Source, declared: Collection[str], limits: ReadLimits
) -> Dialect:
    """Delimiter and header of `source`, those that the card tells taken as told.

    Raises Quarantined: `no_rows`, `header_missing`, `too_many_columns`, `row_too_large`,
    `cell_too_large`, `delimiter_unusable`.
    """
    csv.field_size_limit(limits.field_bytes)
    lines, whole = _first_lines(source, text, limits)
    if not any(line.strip() for line in lines):
        raise Quarantined(Reason(code="no_rows", detail="empty_file"))
    if told.delimiter is not None:
        # Arrow cuts at a single byte.
        if told.delimiter in '"\r\n' or not told.delimiter.isascii():
            raise Quarantined(Reason(code="delimiter_unusable"))
        delimiter = told.delimiter
        rows = _rows(lines, delimiter)
        if rows is None:
            raise Quarantined(Reason(code="cell_too_large", limit=limits.field_bytes))
    else:
        delimiter, rows = _best(lines, declared, limits)
    at = _header(rows, told.header, declared)
    if at is None:
        raise Quarantined(Reason(code="header_missing", line=told.header))
    header = rows[at]
    headers = _widened(header.cells, [row.cells for row in rows[at + 1 :]])
    if len(headers) > limits.columns:
        raise Quarantined(Reason(code="too_many_columns", limit=limits.columns))
    if whole and at == len(rows) - 1 and not _closes(lines, delimiter):
        raise Quarantined(Reason(code="quote_unclosed", line=header.begin + 1))
    skip = text.mark + sum(len(line.encode(text.encoding)) for line in lines[: header.end])
    return Dialect(delimiter, headers, header.begin + 1, header.end + 1, skip)


def _first_lines(source: Path, text: TextFacts, limits: ReadLimits) -> tuple[list[str], bool]:
    """The first physical lines, line ends kept, and whether they are all there are."""
    size = _SAMPLE_BYTES
    while True:
        with source.open("rb") as file:
            file.seek(text.mark)
            sample = file.read(size)
            whole = not file.read(1)
        # A character cut at the sample's end is dropped with its unfinished line.
        decoded = sample.decode(text.encoding, "strict" if whole else "ignore")
        lines = list(io.StringIO(decoded, newline=""))
        if not whole:
            lines = lines[:-1]
        if lines or whole:
            return lines, whole
        if size > limits.row_bytes:
            raise Quarantined(Reason(code="row_too_large", line=1, limit=limits.row_bytes))
        size *= 4


def _rows(lines: Sequence[str], delimiter: str) -> list[SampleRow] | None:
    """The first rows that are not blank; None when they make no sense with this delimiter."""
    reader = csv.reader(lines, delimiter=delimiter)
    rows: list[SampleRow] = []
    begin = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) or len(cells) > 1:
                rows.append(SampleRow(cells, begin, reader.line_num))
            begin = reader.line_num
            if len(rows) == _SAMPLE_ROWS:
                break
    except csv.Error:
        return rows[:-1] or None
    return rows


def _closes(lines: Sequence[str], delimiter: str) -> bool:
    """Whether a line added at the end stands alone, as it does unless a quote is open."""
    try:
        *_, last = csv.reader([*lines, "\r\n", "end"], delimiter=delimiter)
    except csv.Error:
        return False
    return last == ["end"]


def _best(
    lines: Sequence[str], declared: Collection[str], limits: ReadLimits
) -> tuple[str, list[SampleRow]]:
    keys = {match_key(name) for name in declared}
    best: tuple[tuple[int, bool, float], str, list[SampleRow]] | None = None
    uneven: tuple[str, list[SampleRow]] | None = None
    for delimiter in DELIMITERS:
        rows = _rows(lines, delimiter)
        if not rows:
            continue
        widths = Counter(len(row.cells) for row in rows)
        width, _ = max(widths.items(), key=lambda item: (item[1], item[0]))
        known = max(len(keys & {match_key(c) for c in row.cells}) for row in rows[:HEADER_ROWS])
        at = find_header([row.cells for row in rows], declared)
        if uneven is None and all(len(row.cells) > 1 for row in rows):
            uneven = (delimiter, rows)
        body = rows[at:] if at is not None else rows
        share = sum(len(row.cells) == width for row in body) / len(body)
        if (width < 2 and known < 2) or (share < _CONSISTENT and known < 2) or at is None:
            continue
        if len(rows[at].cells) < 2 <= width and known < 2:
            # One column of decimal commas: the header has no comma.
            continue
        score = (known, share > 0.95, round(share, 2))
        if best is None or score > best[0]:
            best = (score, delimiter, rows)
    if best is not None:
        return best[1], best[2]
    if uneven is not None:
        # Every row is cut, each otherwise: reading on says which rows are wrong.
        return uneven
    rows = _rows(lines, NO_DELIMITER)
    if not rows:
        raise Quarantined(Reason(code="cell_too_large", limit=limits.field_bytes))
    return NO_DELIMITER, rows


def _header(rows: Sequence[SampleRow], told: int | None, declared: Collection[str]) -> int | None:
    """Index of the header's row: the one on the line that the card tells, or the one found."""
    if told is None:
        return find_header([row.cells for row in rows], declared)
    return next((i for i, row in enumerate(rows) if row.begin < told <= row.end), None)


def _widened(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The header's cells, as many as the rows have when the difference is empty cells at the end.

    Many exports end each row, or the header alone, with a delimiter.
    """
    cells = list(header)
    if not rows:
        return tuple(cells)
    widths = Counter(len(row) for row in rows)
    width, times = max(widths.items(), key=lambda item: (item[1], item[0]))
    if times < _CONSISTENT * len(rows):
        return tuple(cells)
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    surplus_empty = all(not cell.strip() for row in rows for cell in row[len(cells) :])
    if len(cells) < width and surplus_empty:
        cells += [""] * (width - len(cells))
    return tuple(cells)

"""Reads delimited text as batches of text columns: encoding, dialect and header found or declared."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as pacsv

from services.ingest.detect_format import MIB, ReadLimits
from shared.card_parts import Source
from shared.failures import Quarantined
from shared.messages import Reason

DELIMITERS = (";", ",", "\t", "|")
SAMPLE_LINES = 200
_TWICE_ENCODED = re.compile("[ÃÂ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")  # noqa: RUF100


@dataclass(frozen=True)
class Dialect:
    """How a text is to be read. `header` is its line, from 1; `names` what it holds."""

    encoding: str
    delimiter: str
    header: int
    names: tuple[str, ...]
    repeated: int = 0


class TextSource:
    """A delimited text on disk. `batches` can be read more than once."""

    def __init__(self, path: Path, spool: Path, declared: Source, limits: ReadLimits) -> None:
        self._limits = limits
        encoding = declared.encoding or detect_encoding(path)
        self._utf8 = _as_utf8(path, spool, encoding)
        self.dialect = detect_dialect(self._utf8, encoding, declared, limits)

    @property
    def names(self) -> tuple[str, ...]:
        return self.dialect.names

    def line(self, row: int) -> int:
        """The line of a row (from 0), were no cell to hold a line break."""
        return self.dialect.header + self.dialect.repeated + 1 + row

    def batches(self) -> Iterator[list[pa.StringArray]]:
        """The columns as text, batch after batch; empty cells are null.

        Raises Quarantined: rows of another width, cells or rows that are too large.
        """
        wrong: list[int | None] = []

        def invalid(row: pacsv.InvalidRow) -> str:
            wrong.append(row.number)
            return "skip"

        width = len(self.names)
        options = {
            "read_options": pacsv.ReadOptions(
                block_size=self._limits.row_bytes,
                skip_rows=self.dialect.header + self.dialect.repeated,
                column_names=[str(number) for number in range(width)],
                use_threads=False,
            ),
            "parse_options": pacsv.ParseOptions(
                delimiter=self.dialect.delimiter,
                newlines_in_values=True,
                invalid_row_handler=invalid,
            ),
            "convert_options": pacsv.ConvertOptions(
                column_types={str(number): pa.string() for number in range(width)},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        }
        try:
            reader = pacsv.open_csv(self._utf8, **options)
            for batch in reader:
                if wrong:
                    break
                for position, column in enumerate(batch.columns):
                    _check_cells(column, position, self._limits)
                yield list(batch.columns)
        except pa.ArrowInvalid:
            if not wrong:
                raise Quarantined(Reason(code="text_unreadable")) from None
        if wrong:
            first = wrong[0]
            line = None if first is None else first
            raise Quarantined(Reason(code="row_width", line=line, limit=width, count=len(wrong)))


def _check_cells(column: pa.Array, position: int, limits: ReadLimits) -> None:
    buffers = column.buffers()
    if buffers[2] is None or buffers[2].size <= limits.cell_bytes:
        return
    longest = max((len(cell.as_buffer() or b"") for cell in column if cell.is_valid), default=0)
    if longest > limits.cell_bytes:
        raise Quarantined(
            Reason(code="cell_too_large", position=position + 1, limit=limits.cell_bytes)
        )


def detect_encoding(path: Path) -> str:
    """`utf-8`, `utf-16` or `cp1252`. Raises Quarantined when none holds for the whole text."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head[1::2].count(0) > len(head) // 4:
        return "utf-16-le"
    if head[0::2].count(0) > len(head) // 4:
        return "utf-16-be"
    if _decodes(path, "utf-8"):
        return "utf-8"
    # Some accents in UTF-8 and some not: two exports were joined, and neither reading is right.
    if _decodes(path, "cp1252", forbidden=_TWICE_ENCODED):
        return "cp1252"
    raise Quarantined(Reason(code="encoding"))


def _decodes(path: Path, encoding: str, forbidden: re.Pattern[str] | None = None) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        with path.open("rb") as file:
            while part := file.read(MIB):
                if forbidden and forbidden.search(decoder.decode(part)):
                    return False
                if not forbidden:
                    decoder.decode(part)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _as_utf8(path: Path, spool: Path, encoding: str) -> Path:
    """The text as UTF-8 without byte order mark. Raises Quarantined: undecodable, NUL characters."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)("strict")
    except LookupError:
        raise Quarantined(Reason(code="encoding")) from None
    first = True
    try:
        with path.open("rb") as source, spool.open("wb") as out:
            while True:
                part = source.read(MIB)
                text = decoder.decode(part, final=not part)
                if "\0" in text:
                    raise Quarantined(Reason(code="nul_character"))
                if first and text:
                    text, first = text.removeprefix("\ufeff"), False
                out.write(text.encode())
                if not part:
                    return spool
    except UnicodeError:
        raise Quarantined(Reason(code="encoding")) from None


def detect_dialect(utf8: Path, encoding: str, declared: Source, limits: ReadLimits) -> Dialect:
    """Delimiter and header line, declared or found in the first lines.

    The delimiter is the one under which most lines have the same number of cells, more than one;
    the header is the first line of that width.
    """
    with utf8.open(encoding="utf-8", newline="") as file:
        sample = file.read(MIB)
    candidates = (declared.delimiter,) if declared.delimiter else DELIMITERS
    best, widths, delimiter = -1.0, Counter[int](), candidates[0]
    for one in candidates:
        counted = Counter(len(row) for row in _rows(sample, one, limits))
        if not counted:
            raise Quarantined(Reason(code="no_rows"))
        width, often = max(counted.items(), key=lambda found: (found[0] > 1, found[1], found[0]))
        score = often / counted.total() + (width > 1) if width > 1 else 0.0
        if score > best:
            best, widths, delimiter = score, counted, one
    rows = _rows(sample, delimiter, limits)
    width = max(widths.items(), key=lambda found: (found[0] > 1, found[1], found[0]))[0]
    number = declared.header or _header_line(rows, width)
    lines = list(_numbered(sample, delimiter, limits))
    at = next((cells for line, cells in lines if line >= number), None)
    if at is None:
        raise Quarantined(Reason(code="no_rows"))
    line = next(line for line, _ in lines if line >= number)
    following = [cells for number_, cells in lines if number_ > line]
    repeated = 0
    while repeated < len(following) and following[repeated] == at:
        repeated += 1
    if len(at) > limits.columns:
        raise Quarantined(Reason(code="too_many_columns", limit=limits.columns))
    return Dialect(encoding, delimiter, line, tuple(name.strip() for name in at), repeated)


def _rows(sample: str, delimiter: str, limits: ReadLimits) -> list[list[str]]:
    return [cells for _, cells in _numbered(sample, delimiter, limits)]


def _numbered(sample: str, delimiter: str, limits: ReadLimits) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(limits.cell_bytes)
    reader = csv.reader(sample.splitlines(keepends=True), delimiter=delimiter)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
            if reader.line_num >= SAMPLE_LINES:
                return
    except csv.Error:
        raise Quarantined(Reason(code="text_unreadable")) from None


def _header_line(rows: list[list[str]], width: int) -> int:
    """The first row of the usual width without an empty cell at its end, as its place from 1."""
    for number, cells in enumerate(rows, start=1):
        if len(cells) == width and sum(1 for cell in cells if cell.strip()) * 2 > width:
            return number
    return 1

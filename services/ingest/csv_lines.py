"""The data rows of a delimited text: as bytes for Arrow, as rows and lines to say where a fault is."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from services.ingest.csv_dialect import Dialect
from services.ingest.quoted_cells import QuoteWatch
from services.ingest.read_limits import ReadLimits
from services.ingest.text_encoding import TextFacts, chunks

# Added after the last row: a quote left open swallows it, and so is noticed.
END = "\x1eend\x1e"


class PlainRows:
    """The data's rows by the csv module, with lines.

    `begin` is the physical line of the row just given, `next` that of the row after it, `line` the
    last one read. Raises csv.Error for a cell over the limit, LineTooLong.
    """

    def __init__(self, source: Path, text: TextFacts, dialect: Dialect, limits: ReadLimits) -> None:
        csv.field_size_limit(limits.field_bytes)
        lines = physical_lines(source, text, dialect, limits.row_bytes)
        self._reader = csv.reader(lines, delimiter=dialect.delimiter)
        self._first = dialect.first_line
        self.begin = self.next = self._first

    @property
    def line(self) -> int:
        return self._first + self._reader.line_num - 1

    def __iter__(self) -> Iterator[list[str]]:
        for cells in self._reader:
            self.begin, self.next = self.next, self.line + 1
            yield cells


class LineTooLong(Exception):
    """A physical line goes over the limit of a row."""


class Utf8Rows(io.RawIOBase):
    """The data rows as UTF-8, then one row of another width that shows no quote was left open."""

    def __init__(
        self, source: Path, text: TextFacts, dialect: Dialect, quotes: QuoteWatch | None
    ) -> None:
        super().__init__()
        self.end = _end_row(dialect)
        self._quotes = quotes
        self._chunks = chunks(source, dialect.skip)
        self._decoder = (
            None
            if text.encoding == "utf-8"
            else codecs.getincrementaldecoder(text.encoding)("strict")
        )
        self._block = b""
        self._ready = memoryview(self._block)
        self._ended = False
        self._line_begins = True

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        parts: list[memoryview] = []
        missing = size if size is not None and size >= 0 else 1 << 62
        while missing:
            if not self._ready and not self._refill():
                break
            part = self._ready[:missing]
            if size == len(part) == len(self._block):
                # As Arrow asks for them: no copy.
                self._ready = memoryview(b"")
                return self._block
            self._ready = self._ready[len(part) :]
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _refill(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is not None:
            decoded = chunk if self._decoder is None else self._decoder.decode(chunk).encode()
            decoded = self._unmarked(decoded)
            if self._quotes:
                self._quotes.feed(decoded)
            self._block, self._ready = decoded, memoryview(decoded)
            return bool(decoded) or self._refill()
        if self._ended:
            return False
        self._ended = True
        self._block = f"\n{self.end}\n".encode()
        self._ready = memoryview(self._block)
        return True

    def _unmarked(self, block: bytes) -> bytes:
        """The block without byte order marks where lines begin, as files put end to end have."""
        if not block:
            return block
        if self._line_begins:
            block = block.removeprefix(codecs.BOM_UTF8)
        self._line_begins = block.endswith(b"\n")
        # One byte is looked for many times faster than three are.
        if b"\xef" in block and codecs.BOM_UTF8 in block:
            return block.replace(b"\n" + codecs.BOM_UTF8, b"\n")
        return block


def _end_row(dialect: Dialect) -> str:
    return END + dialect.delimiter if len(dialect.headers) == 1 else END


def physical_lines(source: Path, text: TextFacts, dialect: Dialect, limit: int) -> Iterator[str]:
    """The data's lines with their ends, and the end row. Raises LineTooLong, memory bounded."""
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(text.encoding)("strict"), translate=False
    )
    rest = ""
    for chunk in chunks(source, dialect.skip):
        lines = list(io.StringIO(rest + decoder.decode(chunk), newline=""))
        rest = lines.pop() if lines else ""
        yield from lines
        if len(rest) > limit:
            raise LineTooLong
    yield from io.StringIO(rest + decoder.decode(b"", final=True), newline="")
    yield "\n"
    yield _end_row(dialect)

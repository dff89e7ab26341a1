"""The extent of an OpenDocument spreadsheet's sheets, from its XML as it streams by.

Rows and cells carry repeat counts (ODF 1.3 part 3, 19.679 and 19.677): ten bytes can stand for a
thousand million rows, which a reader would lay out. Empty rows and cells at the end count for
nothing, as every spreadsheet program writes them.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from services.ingest.ods_values import (
    BYTE,
    FORMULA,
    HALF,
    SEVEN,
    SIX,
    SPACED,
    Tags,
    Words,
    unread_values,
    word,
)
from services.ingest.read_limits import MIB, ReadLimits
from shared.failures import Quarantined
from shared.messages import Reason

_ROW_BYTES = 64 * MIB
_END = b"</table:table-row>"
_TABLE = b"<table:table "
_INSIDE = rb"""(?:[^>"']|"[^"]*"|'[^']*')*>"""
_ROW = re.compile(rb"<table:table-row(?=[\s/>])" + _INSIDE)
_CELL = re.compile(rb"<table:(?:covered-)?table-cell(?=[\s/>])" + _INSIDE)
_REPEATED = re.compile(rb"""number-(?:rows|columns)-repeated\s*=\s*["']([0-9]{1,18})["']""")
_VALUE = re.compile(rb"office:value-type|<text:p")
# A formula's cell without a type has no value saved.
_SPANNED = b"-columns-spanned"
_UNCOMPUTED = re.compile(rb"<table:table-cell\b(?=[^>]*table:formula)(?![^>]*office:value-type)")
_REPEAT = b"-repeated"
_REPEATS = re.compile(_REPEAT)
_CELL_TAGS = (b"<table:table-cell", b"<table:covered-table-cell")
_OPEN, _EQUALS, _SPACE = b"<= "


class OdsExtent:
    """Feed it `content.xml` in order. Raises Quarantined(`sheet_too_large`) at once.

    `error_cells` and `uncomputed` as in `XmlCheck`; `marks` counts what `ods_cells` looks for.
    """

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._held = b""
        self.error_cells = self.uncomputed = self.marks = 0
        self._reset()

    def _reset(self) -> None:
        self._rows = self._pending = self._columns = 0

    def feed(self, chunk: bytes) -> None:
        whole = self._held + chunk
        end = whole.rfind(_END, max(0, len(self._held) - len(_END)))
        end = end + len(_END) if end >= 0 else 0
        self._held = whole[end:]
        if len(self._held) > _ROW_BYTES:
            raise Quarantined(Reason(code="sheet_too_large", limit=_ROW_BYTES))
        if end:
            self._block(whole[:end])

    def _block(self, block: bytes) -> None:
        """Whole rows. Those that repeat nothing and hold text are counted together; the others, and
        all where a sheet begins, are looked at one by one."""
        seen = _Seen(block)
        ends, rows = seen.ends, len(seen.ends)
        # Cells that reach a reader as empty and are not.
        self.error_cells += seen.errors
        self.marks += seen.marks
        if seen.formulas:
            self.uncomputed += len(_UNCOMPUTED.findall(block))
        if seen.table or len(seen.repeats) > rows:
            plain = np.zeros(rows, np.bool_)
            widths = np.zeros(rows, np.int64)
        else:
            widths = _by_row(ends, seen.cells)
            plain = (widths > 0) & (_by_row(ends, seen.texts) > 0)
            plain[np.searchsorted(ends, seen.repeats)] = False
        odd = np.flatnonzero(~plain).tolist()
        edges = [0, *(ends + len(_END)).tolist()]
        first = 0
        for at in (*odd, rows):
            if first < at:
                self._add(at - first, int(widths[first:at].max()))
            if at < rows:
                self._row(block[edges[at] : edges[at + 1]])
            first = at + 1

    def _row(self, row: bytes) -> None:
        if _TABLE in row:
            self._reset()
        times = 1
        if _REPEAT in row:
            # Rows without an end of their own come before the one that ends here.
            *empty, last = _ROW.findall(row) or [b""]
            self._add(sum(map(_repeats, empty)), 0)
            times = _repeats(last)
            width = self._width(row)
        else:
            cells = sum(row.count(tag) for tag in _CELL_TAGS)
            width = cells if _VALUE.search(row) else 0
        self._add(times, width)

    def _add(self, times: int, width: int) -> None:
        """So many rows, the widest of them of `width` cells."""
        if not width:
            self._pending += times
            return
        self._rows += self._pending + times
        self._pending = 0
        self._columns = max(self._columns, width)
        limits = self._limits
        if self._rows > limits.sheet_rows or self._columns > limits.sheet_columns:
            raise Quarantined(Reason(code="sheet_too_large", limit=limits.sheet_rows))
        if self._rows * self._columns > limits.sheet_cells:
            raise Quarantined(Reason(code="sheet_too_large", limit=limits.sheet_cells))

    @staticmethod
    def _width(row: bytes) -> int:
        """Cells to the last that holds something."""
        width = pending = 0
        cells = list(_CELL.finditer(row))
        for at, cell in enumerate(cells):
            end = cells[at + 1].start() if at + 1 < len(cells) else len(row)
            pending += _repeats(cell[0])
            if _VALUE.search(row, cell.start(), end):
                width += pending
                pending = 0
        return width


class _Seen:
    """What stands where in a block of whole rows, told by eight bytes at a time: an attribute by the
    eight before its `=`, a tag by its first sixteen."""

    def __init__(self, block: bytes) -> None:
        data = np.frombuffer(block, np.uint8)
        # Eight bytes from every place on, overlapping; the last tag is longer than two of them.
        words = np.ndarray((len(block) - 7,), "<u8", block, strides=(1,))
        tags = np.flatnonzero(data == _OPEN)
        begins = words[tags]
        elements = np.flatnonzero(begins == word(b"<table:t"))
        second = words[tags[elements] + 8]
        opened = elements[second == word(b"able-cel")]
        self.table = _any((second & HALF == word(b"able")) & (second >> _FIFTH & BYTE != _DASH))
        covers = np.flatnonzero(begins == word(b"<table:c"))
        covers = covers[words[tags[covers] + 8] == word(b"overed-t")]
        self.cells = tags[opened]
        if len(covers):
            opened = np.sort(np.concatenate([opened, covers]))
            self.cells = tags[opened]
        ends = _next(words, tags[begins == word(b"</table:")], b"table-ro")
        # Not that of a group of rows.
        self.ends = ends[words[ends + len(_END) - 8] == word(_END[-8:])]
        breaks = _next(words, tags[begins == word(b"<text:li")], b"ne-break")
        self.marks = len(breaks) + _count(begins == word(b"<text:ta"))
        self.marks += _count(begins == word(b"<![CDATA"))
        self.marks += _count(begins & SIX == word(b"<draw:"))
        self.texts = tags[begins & SEVEN == word(b"<text:p")]
        equals = np.flatnonzero(data[18:] == _EQUALS) + 18
        names, places = words[equals - 8], Tags(tags, begins, opened, self.texts)
        unread, self.errors = unread_values(block, words, places, equals, names)
        self.marks += unread
        if _any(data[equals - 1] <= _SPACE):
            # As XML allows and few write; or in a text.
            self.repeats = [found.start() for found in _REPEATS.finditer(block)]
            self.formulas = FORMULA in block
            self.marks += block.count(_SPANNED) + len(SPACED.findall(block))
            return
        self.repeats = equals[names == word(b"repeated")].tolist()
        self.formulas = _any(names == word(b":formula"))
        spanned = equals[names == word(b"-spanned")]
        self.marks += _count(words[spanned - 16] == word(b"-columns"))


_FIFTH, _DASH = np.uint64(32), np.uint64(ord("-"))


def _next(words: Words, at: NDArray[np.int64], text: bytes) -> NDArray[np.int64]:
    """Those of the places where `text` comes eight bytes later."""
    found: NDArray[np.int64] = at[words[at + 8] == word(text)]
    return found


def _count(mask: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))


def _any(mask: NDArray[np.bool_]) -> bool:
    return bool(mask.any())


def _by_row(ends: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the places found lie in each row."""
    until: NDArray[np.int64] = np.searchsorted(found, ends)
    until[1:] -= until[:-1].copy()
    return until


def _repeats(tag: bytes) -> int:
    if _REPEAT not in tag:
        return 1
    found = _REPEATED.findall(tag)
    if len(found) != tag.count(_REPEAT):
        # A count that this cannot read is one that a reader might.
        raise Quarantined(Reason(code="sheet_too_large", detail="repeats"))
    return int(found[0])

"""The extent of an OpenDocument spreadsheet's sheets, from its XML as it streams by.

Rows and cells carry repeat counts (ODF 1.3 part 3, 19.679 and 19.677): ten bytes can stand for a
thousand million rows, which a reader would lay out. Empty rows and cells at the end count for
nothing, as every spreadsheet program writes them.
"""

from __future__ import annotations

import re

from services.ingest.read_limits import MIB, ReadLimits
from shared.failures import Quarantined
from shared.messages import Reason

_ROW_BYTES = 64 * MIB
_END = b"</table:table-row>"
_TABLE = b"<table:table "
_INSIDE = rb"""(?:[^>"']|"[^"]*"|'[^']*')*>"""
_ROW = re.compile(rb"<table:table-row\b" + _INSIDE)
_CELL = re.compile(rb"<table:(?:covered-)?table-cell\b" + _INSIDE)
_REPEATED = re.compile(rb"""number-(?:rows|columns)-repeated\s*=\s*["']([0-9]{1,18})["']""")
_VALUE = re.compile(rb"office:value-type|<text:p")


class OdsExtent:
    """Feed it `content.xml` in order. Raises Quarantined(`sheet_too_large`) at once."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._held = b""
        self._reset()

    def _reset(self) -> None:
        self._rows = self._pending = self._columns = 0

    def feed(self, chunk: bytes) -> None:
        rows = (self._held + chunk).split(_END)
        self._held = rows.pop()
        if len(self._held) > _ROW_BYTES:
            raise Quarantined(Reason(code="sheet_too_large", limit=_ROW_BYTES))
        for row in rows:
            self._row(row)

    def _row(self, row: bytes) -> None:
        if _TABLE in row:
            self._reset()
        times = 1
        if b"-repeated" in row:
            opening = _ROW.search(row)
            times = _repeats(opening[0]) if opening else 1
            width = self._width(row)
        else:
            cells = row.count(b"<table:table-cell") + row.count(b"<table:covered-table-cell")
            width = cells if _VALUE.search(row) else 0
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


def _repeats(tag: bytes) -> int:
    if b"-repeated" not in tag:
        return 1
    found = _REPEATED.findall(tag)
    if len(found) != tag.count(b"-repeated"):
        # A count that this cannot read is one that a reader might.
        raise Quarantined(Reason(code="sheet_too_large", detail="repeats"))
    return int(found[0])

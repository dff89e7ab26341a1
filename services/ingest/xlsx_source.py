"""Reads one sheet of a workbook as text columns: cached values, never formulas, hidden sheets never.

Real cell types become the text that the same value has in a CSV (ISO dates, decimal point), so that
both kinds of source are typed by the same rules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from services.ingest.detect_format import ReadLimits
from shared.card_parts import Source
from shared.failures import Quarantined
from shared.messages import Reason

BATCH = 20_000
Cell = int | float | str | bool | dt.time | dt.date | dt.datetime | dt.timedelta


class XlsxSource:
    """One sheet: the declared one, else the first visible one that holds a table."""

    def __init__(self, path: Path, declared: Source, limits: ReadLimits) -> None:
        try:
            with CalamineWorkbook.from_path(str(path)) as workbook:
                rows = _sheet(workbook, declared, limits)
        except (CalamineError, OSError, ValueError):
            raise Quarantined(Reason(code="archive_damaged")) from None
        self.header, self.names = _header(rows, declared)
        if len(self.names) > limits.columns:
            raise Quarantined(Reason(code="too_many_columns", limit=limits.columns))
        self._rows = [row for row in rows[self.header :] if any(cell != "" for cell in row)]
        self._check_width()

    def line(self, row: int) -> int:
        """The sheet's line of a row (from 0)."""
        return self.header + 1 + row

    def _check_width(self) -> None:
        width = len(self.names)
        for number, row in enumerate(self._rows):
            if any(cell != "" for cell in row[width:]):
                raise Quarantined(Reason(code="row_width", line=self.line(number), limit=width))

    def batches(self) -> Iterator[list[pa.StringArray]]:
        """The columns as text, batch after batch; empty cells are null."""
        for start in range(0, len(self._rows), BATCH):
            part = self._rows[start : start + BATCH]
            yield [
                pa.array([as_text(row[place]) for row in part], pa.string())
                for place in range(len(self.names))
            ]


def _sheet(workbook: CalamineWorkbook, declared: Source, limits: ReadLimits) -> list[list[Cell]]:
    sheets = workbook.sheets_metadata
    if len(sheets) > limits.sheets:
        raise Quarantined(Reason(code="too_many_sheets", limit=limits.sheets))
    visible = [
        sheet.name
        for sheet in sheets
        if sheet.visible == SheetVisibleEnum.Visible and sheet.typ == SheetTypeEnum.WorkSheet
    ]
    if declared.sheet is not None:
        if declared.sheet not in visible:
            raise Quarantined(Reason(code="sheet_missing", expected=declared.sheet))
        return workbook.get_sheet_by_name(declared.sheet).to_python(skip_empty_area=False)
    for name in visible:
        rows: list[list[Cell]] = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
        if sum(1 for row in rows if any(cell != "" for cell in row)) > 1:
            return rows
    raise Quarantined(Reason(code="no_rows"))


def _header(rows: list[list[Cell]], declared: Source) -> tuple[int, tuple[str, ...]]:
    """The header's line (from 1) and names: the first row as wide as most rows are."""
    if declared.header:
        number = declared.header
    else:
        widths = [_width(row) for row in rows[:200] if _width(row)]
        usual = max(set(widths), key=lambda width: (widths.count(width), width), default=0)
        number = next((n for n, row in enumerate(rows, start=1) if _width(row) >= usual > 0), 0)
    if not 0 < number <= len(rows):
        raise Quarantined(Reason(code="no_rows"))
    names = [(as_text(cell) or "").strip() for cell in rows[number - 1]]
    while names and not names[-1]:
        names.pop()
    return number, tuple(names)


def _width(row: list[Cell]) -> int:
    """Cells up to the last that holds something."""
    return next((n for n in range(len(row), 0, -1) if row[n - 1] != ""), 0)


def as_text(cell: Cell) -> str | None:
    """The text that this cell's value has in a CSV; None for an empty cell."""
    if cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime):
        midnight = cell.time() == dt.time()
        return cell.date().isoformat() if midnight else cell.isoformat(timespec="seconds")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    if isinstance(cell, dt.timedelta):
        return str(cell)
    return str(cell)

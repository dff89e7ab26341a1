"""Reads one sheet of a workbook (XLSX, ECMA-376; ODS; legacy XLS) as columns of cells by their type.

An archive is checked (`check_archive`) before it is read, a long one's end while it is read; both
epochs of Excel are read as meant. Formulas give their cached values; hidden sheets, comments, links
and document properties are never read. A sheet lies in memory as a whole: its extent is bounded
(`ReadLimits.sheet_cells`), its lines are rows of the sheet.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import python_calamine as calamine

from services.ingest.cell_text import Cell
from services.ingest.cells_to_columns import CHUNK_ROWS, cells_to_columns
from services.ingest.check_archive import NO_ARCHIVE, CheckedArchive, check_archive
from services.ingest.column_types import Reading
from services.ingest.date_serials import may_be_none, numbers_of, put_back, refuse_times
from services.ingest.header_names import HEADER_ROWS, checked_headers, clean_name
from services.ingest.nul_characters import refuse_nul
from services.ingest.ods_cells import Ranges, find_cells, first_column, put_texts
from services.ingest.read_limits import ReadLimits
from services.ingest.sheet_header import find_sheet_header
from services.ingest.source_table import NO_HINTS, Batch, Dropped, RowSieve, SourceFacts
from shared.card_source import Source, SourceFormat
from shared.failures import Quarantined
from shared.messages import Reason


class WorkbookTable:
    """One sheet, its header found. See `SourceTable`.

    Raises Quarantined: reasons of `check_archive`, `encrypted`, `workbook_unreadable`,
    `too_many_sheets`, `sheet_missing`, `sheet_hidden`, `no_rows`, `header_missing`, `dates_unsure`,
    `nul_character`, those of `checked_headers`.
    """

    crs: str | None = None
    # Everything is a number or a text in some sheets: what a column of texts says is looked at.
    typed = False

    def __init__(
        self,
        source: Path,
        format_: SourceFormat,
        told: Source,
        declared: Sequence[str],
        limits: ReadLimits,
    ) -> None:
        opened = _bounded_sheet if format_ == "xls" else _checked_sheet
        checked, book = opened(source, told.sheet, limits)
        index, sheet = max(book.sheets.items())
        left = sheet.start[1] if sheet.start else 0
        merged, rows = _merged(sheet, left), _rows(sheet)
        if checked.ods_marks:
            found = find_cells(source, book.sheets, checked.ods_marks)
            index, sheet = found.sheet, book.sheets[found.sheet]
            start = sheet.start[1] if sheet.start else None
            left = first_column(found.texts, start)
            merged, rows = _moved(found.merged, left), put_texts(_rows(sheet), found.texts, start)
        if (first := next(rows, None)) is None:
            raise Quarantined(Reason(code="no_rows", detail="empty_sheet"))
        rows = chain([first], rows)
        head = list(islice(rows, 2 * HEADER_ROWS))
        top, header_rows, names = find_sheet_header(head, merged, told.header, declared)
        self.headers = checked_headers(names, declared)
        self.facts = SourceFacts(format=format_, header_line=top + 1, sheet=index + 1)
        counts = {
            "cell_errors": checked.error_cells,
            "formulas_uncomputed": checked.uncomputed,
            "external_links": checked.external_links,
            "sheets_hidden": book.hidden,
            "cells_merged": _merged_below(merged, top + header_rows, len(names)),
        }
        self.warnings = tuple(Reason(code=code, count=n) for code, n in counts.items() if n)
        self.dropped = Dropped()
        self._first_line = top + header_rows + 1
        kinds: set[frozenset[type]] = set()
        below: Iterator[list[Cell]] = chain(head[top + header_rows :], rows)
        self._columns = cells_to_columns(below, len(names), kinds)
        parts = (part for column in self._columns for part in column)
        if format_ == "xlsx" and may_be_none(kinds, parts):
            numbers = numbers_of(source, index)
            none: list[tuple[int, int]] = []
            right = put_back(_rows(sheet), numbers, left, none)
            below = islice(right, top + header_rows, None)
            self._columns = cells_to_columns(below, len(names), kinds) if numbers else self._columns
            self.warnings += _no_dates([place for place in none if place[0] >= top + header_rows])
        if format_ == "xls" and any(dt.time in some for some in kinds):
            refuse_times(islice(_rows(sheet), top + header_rows, None), self._first_line)
        for at, columns in enumerate(zip(*self._columns, strict=True)):
            refuse_nul(columns, at * CHUNK_ROWS, self.lines)

    def batches(
        self,
        plain: Mapping[int, Reading] = NO_HINTS,  # noqa: ARG002 - cells have their type already
    ) -> Iterator[Batch]:
        """All rows from the first on; each column of one type throughout."""
        sieve = RowSieve(self.headers)
        self.dropped = sieve.dropped
        for at, columns in enumerate(zip(*self._columns, strict=True)):
            yield sieve.sift(at * CHUNK_ROWS, columns, len(columns[0]))

    def lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        """Ordinal → row of the sheet, from 1."""
        return {ordinal: self._first_line + ordinal for ordinal in ordinals}


class Book(NamedTuple):
    """Visible sheets by their position (from 0), to the first in which the reader finds something, or
    to the last; and how many are hidden."""

    sheets: dict[int, calamine.CalamineSheet]
    hidden: int


def _bounded_sheet(
    source: Path, name: str | None, limits: ReadLimits
) -> tuple[CheckedArchive, Book]:
    """Of a legacy workbook, which is no archive."""
    if source.stat().st_size > limits.archive_bytes:
        raise Quarantined(
            Reason(code="archive_too_large", limit=limits.archive_bytes, detail="packed")
        )
    return NO_ARCHIVE, _sheet(source, name, limits)


def _checked_sheet(
    source: Path, name: str | None, limits: ReadLimits
) -> tuple[CheckedArchive, Book]:
    """The end of a long archive is checked while it is read, so that the check costs no time of its
    own. It is the faster; where it finds something its answer is given at once, and who waits for
    it ends the process with whatever the reader was at (`shared.workers`)."""
    reader = ThreadPoolExecutor(1, thread_name_prefix="workbook")
    reading: list[Future[Book]] = []
    try:
        checked = check_archive(
            source,
            limits,
            begin=lambda: reading.append(reader.submit(_sheet, source, name, limits)),
        )
    finally:
        reader.shutdown(wait=False)
    return checked, reading[0].result() if reading else _sheet(source, name, limits)


def _sheet(source: Path, name: str | None, limits: ReadLimits) -> Book:
    try:
        workbook = calamine.CalamineWorkbook.from_path(source)
        sheets = list(workbook.sheets_metadata)
        if len(sheets) > limits.sheets:
            raise Quarantined(Reason(code="too_many_sheets", limit=limits.sheets))
        visible = [
            at
            for at, sheet in enumerate(sheets)
            if sheet.visible == calamine.SheetVisibleEnum.Visible
            and sheet.typ == calamine.SheetTypeEnum.WorkSheet
        ]
        hidden = sum(s.visible != calamine.SheetVisibleEnum.Visible for s in sheets)
        if name is not None:
            at = next(
                (i for i, s in enumerate(sheets) if clean_name(s.name) == clean_name(name)), -1
            )
            if at < 0:
                raise Quarantined(Reason(code="sheet_missing", expected=name))
            if at not in visible:
                raise Quarantined(Reason(code="sheet_hidden", expected=name))
            visible = [at]
        found = {}
        for at in visible:
            found[at] = workbook.get_sheet_by_index(at)
            if found[at].height:
                break
    except Quarantined:
        raise
    except calamine.PasswordError:
        raise Quarantined(Reason(code="encrypted")) from None
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException:  # noqa: BLE001 - a panic of the Rust library is no Exception
        raise Quarantined(Reason(code="workbook_unreadable")) from None
    if not found:
        raise Quarantined(Reason(code="no_rows", detail="empty_sheet"))
    return Book(found, hidden)


def _rows(sheet: calamine.CalamineSheet) -> Iterator[list[Cell]]:
    """Raises Quarantined(`value_out_of_range`) for what Python has no value for: a duration of more
    than a thousand million days."""
    try:
        yield from sheet.iter_rows()
    except OverflowError:
        raise Quarantined(Reason(code="value_out_of_range")) from None


def _no_dates(places: Sequence[tuple[int, int]]) -> tuple[Reason, ...]:
    """The first of each column, and how many it has."""
    count = Counter(column for _, column in places)
    first = {column: row for row, column in reversed(places)}
    return tuple(
        Reason(code="dates_none", position=at + 1, line=first[at] + 1, count=count[at])
        for at in sorted(count)
    )


def _merged(sheet: calamine.CalamineSheet, left: int) -> Ranges:
    """Merged cells: top left → bottom right, as (row, column) of the grid that is read."""
    return _moved(dict(sheet.merged_cell_ranges or []), left)


def _moved(merged: Ranges, left: int) -> Ranges:
    return {
        (first[0], first[1] - left): (last[0], last[1] - left) for first, last in merged.items()
    }


def _merged_below(merged: Ranges, top: int, width: int) -> int:
    """How many merged cells lie in the data: all but the first of each are empty to a reader."""
    return sum(row >= top and 0 <= column < width for row, column in merged)

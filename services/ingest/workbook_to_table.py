"""Reads one sheet of a workbook (XLSX, ECMA-376; ODS; legacy XLS) as columns of cells by their type.

An archive is checked (`check_archive`) before it is read, a long one's end while it is read; both
epochs of Excel are read as meant. Formulas give their cached values; hidden sheets, comments, links
and document properties are never read. A sheet lies in memory as a whole: its extent is bounded
(`ReadLimits.sheet_cells`), its lines are rows of the sheet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import python_calamine as calamine

from services.ingest.cell_text import Cell, as_text, text_of
from services.ingest.check_archive import NO_ARCHIVE, CheckedArchive, check_archive
from services.ingest.column_types import ARROW_TYPES, Reading
from services.ingest.date_serials import may_be_none, numbers_of, put_back
from services.ingest.header_names import HEADER_ROWS, checked_headers, clean_name, find_header
from services.ingest.nul_characters import refuse_nul
from services.ingest.ods_cells import Ranges, find_cells, put_texts
from services.ingest.read_limits import ReadLimits
from services.ingest.source_table import NO_HINTS, Batch, Dropped, RowSieve, SourceFacts
from shared.card_source import Source, SourceFormat
from shared.failures import Quarantined
from shared.messages import Reason

CHUNK_ROWS = 20_000
# Rows turned into columns at once: while their cells lie in the processor's cache still.
_TURNED_ROWS = 500
# A merged cell taller than this is no header's.
_HEADER_ROWS = 4
_ARROW: dict[type, pa.DataType] = {
    str: pa.string(),
    float: pa.float64(),
    int: pa.float64(),
    bool: pa.bool_(),
    dt.date: ARROW_TYPES["date"],
    dt.datetime: ARROW_TYPES["datetime"],
    dt.time: ARROW_TYPES["time"],
}


class WorkbookTable:
    """One sheet, its header found. See `SourceTable`.

    Raises Quarantined: reasons of `check_archive`, `encrypted`, `workbook_unreadable`,
    `too_many_sheets`, `sheet_missing`, `sheet_hidden`, `no_rows`, `header_missing`, `nul_character`,
    those of `checked_headers`.
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
        checked, (index, sheet, hidden) = opened(source, told.sheet, limits)
        left = sheet.start[1] if sheet.start else 0
        merged, rows = _merged(sheet, left), _rows(sheet)
        if checked.ods_marks:
            merged, texts = find_cells(source, index - 1, checked.ods_marks)
            merged, rows = _moved(merged, left), put_texts(rows, texts, left)
        head = list(islice(rows, 2 * HEADER_ROWS))
        top, header_rows, names = _header(head, merged, told.header, declared)
        self.headers = checked_headers(names, declared)
        self.facts = SourceFacts(format=format_, header_line=top + 1, sheet=index)
        counts = {
            "cell_errors": checked.error_cells,
            "formulas_uncomputed": checked.uncomputed,
            "external_links": checked.external_links,
            "sheets_hidden": hidden,
            "cells_merged": _merged_below(merged, top + header_rows, len(names)),
        }
        self.warnings = tuple(Reason(code=code, count=n) for code, n in counts.items() if n)
        self.dropped = Dropped()
        self._first_line = top + header_rows + 1
        kinds: set[frozenset[type]] = set()
        below: Iterator[list[Cell]] = chain(head[top + header_rows :], rows)
        self._columns = _columns(below, len(names), kinds)
        parts = (part for column in self._columns for part in column)
        if format_ == "xlsx" and may_be_none(kinds, parts):
            numbers = numbers_of(source, index - 1)
            right = put_back(_rows(sheet), numbers, left)
            below = islice(right, top + header_rows, None)
            self._columns = _columns(below, len(names), kinds) if numbers else self._columns
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


# Position (from 1) and content of the sheet to read, and how many are hidden.
Sheet = tuple[int, calamine.CalamineSheet, int]


def _bounded_sheet(
    source: Path, name: str | None, limits: ReadLimits
) -> tuple[CheckedArchive, Sheet]:
    """Of a legacy workbook, which is no archive."""
    if source.stat().st_size > limits.archive_bytes:
        raise Quarantined(
            Reason(code="archive_too_large", limit=limits.archive_bytes, detail="packed")
        )
    return NO_ARCHIVE, _sheet(source, name, limits)


def _checked_sheet(
    source: Path, name: str | None, limits: ReadLimits
) -> tuple[CheckedArchive, Sheet]:
    """The end of a long archive is checked while it is read, so that the check costs no time of its
    own. It is the faster; where it finds something its answer is given at once, and who waits for
    it ends the process with whatever the reader was at (`shared.workers`)."""
    reader = ThreadPoolExecutor(1, thread_name_prefix="workbook")
    reading: list[Future[Sheet]] = []
    try:
        checked = check_archive(
            source,
            limits,
            begin=lambda: reading.append(reader.submit(_sheet, source, name, limits)),
        )
    finally:
        reader.shutdown(wait=False)
    return checked, reading[0].result() if reading else _sheet(source, name, limits)


def _sheet(source: Path, name: str | None, limits: ReadLimits) -> Sheet:
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
        for at in visible:
            sheet = workbook.get_sheet_by_index(at)
            if sheet.height:
                return at + 1, sheet, hidden
    except Quarantined:
        raise
    except calamine.PasswordError:
        raise Quarantined(Reason(code="encrypted")) from None
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException:  # noqa: BLE001 - a panic of the Rust library is no Exception
        raise Quarantined(Reason(code="workbook_unreadable")) from None
    raise Quarantined(Reason(code="no_rows", detail="empty_sheet"))


def _rows(sheet: calamine.CalamineSheet) -> Iterator[list[Cell]]:
    """Raises Quarantined(`value_out_of_range`) for what Python has no value for: a duration of more
    than a thousand million days."""
    try:
        yield from sheet.iter_rows()
    except OverflowError:
        raise Quarantined(Reason(code="value_out_of_range")) from None


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


def _header(
    head: list[list[Cell]],
    merged: Ranges,
    told: int | None,
    declared: Sequence[str],
) -> tuple[int, int, list[str]]:
    """Row of the header (from 0), how many rows it takes, and the columns' names.

    A merged cell of the header makes a header of several rows, read downwards: « Population » over
    « Hommes » and « Femmes » gives « Population Hommes » and « Population Femmes ».
    """
    texts = [[as_text(cell) for cell in row] for row in head]
    if told is not None:
        top = told - 1 if told <= len(texts) else None
    else:
        shown = [at for at, row in enumerate(texts) if any(cell.strip() for cell in row)]
        spread = _spread(texts, merged)
        found = find_header([spread[at] for at in shown], declared)
        top = None if found is None else shown[found]
    if top is None:
        raise Quarantined(Reason(code="header_missing", line=told))
    bottom = _header_end(texts, top, merged)
    if bottom == top:
        return top, 1, texts[top]
    for (row, column), (last_row, last_column) in merged.items():
        if top <= row <= bottom and 0 <= column < len(texts[row]):
            for r in range(row, min(last_row, bottom) + 1):
                for c in range(column, min(last_column + 1, len(texts[r]))):
                    texts[r][c] = texts[row][column]
    names = []
    for column in range(len(texts[top])):
        parts = [clean_name(row[column]) for row in texts[top : bottom + 1]]
        names.append(" ".join(dict.fromkeys(part for part in parts if part)))
    return top, bottom - top + 1, names


def _spread(texts: list[list[str]], merged: Ranges) -> list[list[str]]:
    """The rows with what stands over several columns written in each of them; not a title, which
    stands over all."""
    rows = [list(row) for row in texts]
    for (row, first), (_, last) in merged.items():
        if row < len(rows) and first >= 0 and last - first + 1 < len(rows[row]):
            rows[row][first : last + 1] = [rows[row][first]] * (
                min(last + 1, len(rows[row])) - first
            )
    return rows


def _header_end(texts: list[list[str]], top: int, merged: Ranges) -> int:
    """Last row of the header that begins at `top`: that of its tallest merged cell, or the next one
    where that names what stands under a wide merged cell."""
    below = texts[top + 1] if top + 1 < len(texts) else []
    bottom = top
    for (row, column), (last_row, last_column) in merged.items():
        if row != top or column < 0 or last_row - row > _HEADER_ROWS:
            continue
        wide = last_column > column and any(below[column : last_column + 1])
        bottom = max(bottom, last_row, top + 1 if wide else top)
    return min(bottom, len(texts) - 1)


def _columns(
    rows: Iterator[list[Cell]], width: int, seen: set[frozenset[type]]
) -> list[list[pa.Array]]:
    """Each column's cells, in arrays of `CHUNK_ROWS`, all of one type. Kinds of cells that came
    together, texts alone apart, are `seen`."""
    turned = (
        [_array(cells, seen) for cells in zip(*some, strict=True)]
        for some in iter(lambda: list(islice(rows, _TURNED_ROWS)), [])
    )
    columns: list[list[list[pa.Array]]] = [[] for _ in range(width)]
    while block := list(islice(turned, CHUNK_ROWS // _TURNED_ROWS)):
        for column, parts in zip(columns, zip(*block, strict=True), strict=True):
            column.append(_joined(list(parts)))
    return [_one_type(column) for column in columns]


def _joined(parts: list[pa.Array]) -> list[pa.Array]:
    """One array where they are of one type."""
    return [pa.concat_arrays(parts)] if len({part.type for part in parts}) == 1 else parts


def _array(cells: Sequence[Cell], seen: set[frozenset[type]]) -> pa.Array:
    """The cells by their type, as text where there are several; empty is null."""
    if type(cells[0]) is str:
        with suppress(pa.ArrowTypeError):
            texts = pa.array(cells, pa.string())
            return texts if any(cells) else pa.nulls(len(cells), pa.null())
    kinds = set(map(type, cells))
    values: Sequence[Cell | None] = cells
    if str in kinds and "" in cells:
        values = [None if cell == "" else cell for cell in cells]
        kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return pa.nulls(len(cells), pa.null())
    if kinds <= {int, float}:
        return pa.array(values, pa.float64())
    seen.add(frozenset(kinds))
    if dt.time in kinds and any(_is_fine(value) for value in values):
        kinds = set()
    if kinds == {dt.date, dt.datetime}:
        return pa.array([_moment(value) for value in values], ARROW_TYPES["datetime"])
    if len(kinds) == 1 and (kind := next(iter(kinds))) in _ARROW:
        return pa.array(values, _ARROW[kind])
    return pa.array([None if v is None else as_text(v) for v in values], pa.string())


def _is_fine(cell: Cell | None) -> bool:
    """Whether it is a time that milliseconds do not hold: as a text it stays what it is."""
    return type(cell) is dt.time and cell.microsecond % 1000 != 0


def _moment(cell: Cell | None) -> Cell | None:
    """A day among moments, which is how midnight is read, is its midnight."""
    return dt.datetime.combine(cell, dt.time()) if type(cell) is dt.date else cell


def _one_type(blocks: list[list[pa.Array]]) -> list[pa.Array]:
    parts = [part for block in blocks for part in block]
    types = {part.type for part in parts} - {pa.null()}
    if pa.float64() in types and not all(map(_finite, parts)):
        # 1e400, NaN: no spreadsheet program writes them; as text they are seen for what they are.
        types.add(pa.string())
    date, moment = ARROW_TYPES["date"], ARROW_TYPES["datetime"]
    if len(types) == 1:
        (kind,) = types
    elif types == {date, moment}:
        kind = moment
    else:
        kind = pa.string()
    return [pa.concat_arrays([_as(part, kind) for part in block]) for block in blocks]


def _as(part: pa.Array, kind: pa.DataType) -> pa.Array:
    if kind == pa.string():
        texts = text_of(part)
        empty = pc.equal(texts, "")
        return pc.if_else(empty, pa.scalar(None, kind), texts) if empty.true_count else texts
    return part if part.type == kind else part.cast(kind)


def _finite(part: pa.Array) -> bool:
    return part.type != pa.float64() or pc.all(pc.is_finite(part)).as_py() is not False

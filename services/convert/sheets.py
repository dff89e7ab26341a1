"""How a table lies on the sheets of a workbook, XLSX or ODS: limits, names, rows as XML."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

import polars as pl

from services.convert.column_names import series_of
from services.convert.refusal import refused
from services.convert.safe_table import Batch, SafeTable

MOST_ROWS, MOST_COLUMNS, LONGEST_CELL = 1_048_576, 16_384, 32_767
MOST_SHEETS = 20  # beyond it no program opens the workbook in a usual machine's memory
EXACT = 10**15
SLICE = 20_000  # rows whose XML is in memory at once
DATA, DICTIONARY = "Données", "Dictionnaire"


def sheet_rows() -> int:
    """Rows of data on a sheet, below its header."""
    return MOST_ROWS - 1


def data_sheets(form: str, table: SafeTable, *, split: bool) -> tuple[str, ...]:
    """The names of the sheets that the rows lie on: one, or with `split` as many as it takes.

    Raises FormatRefused when there are more rows or columns than they hold.
    """
    most = sheet_rows() * (MOST_SHEETS if split else 1)
    if table.rows > most:
        raise refused(form, "too_many_rows", count=table.rows, limit=most)
    if len(table.schema) > MOST_COLUMNS:
        raise refused(form, "too_many_columns", count=len(table.schema), limit=MOST_COLUMNS)
    count = max(1, -(-table.rows // sheet_rows()))
    return (DATA,) if count == 1 else tuple(f"{DATA} {number + 1}" for number in range(count))


def write_rows(
    batch: Batch,
    first: int,
    sheet_of: Callable[[int], IO[bytes]],
    cell: Callable[[str, pl.DataType, str | None], pl.Expr],
    marks: tuple[str, str, str],
) -> None:
    """Writes a batch as XML, its first row being the table's row `first`, from 0, on the sheets that
    `sheet_of` gives by their number, from 0.

    `cell` makes a column's cells of its name, its type and the name of the column that says which
    would run; `marks` begin a row, stand for no value, end a row.
    """
    begin, nothing, end = marks
    told = {name: f"\x00{name}" for name in batch.risky}
    cells = [
        cell(name, kind, told.get(name)).fill_null(nothing)
        for name, kind in batch.cells.schema.items()
    ]
    row = pl.concat_str(pl.lit(begin), *cells, pl.lit(end))
    marked = batch.cells.with_columns(batch.risky[name].alias(told[name]) for name in told)
    start = 0
    while start < marked.height:
        number, place = divmod(first + start, sheet_rows())
        part = marked.slice(start, min(SLICE, sheet_rows() - place))
        sheet_of(number).write(part.select(row=row)["row"].str.join("").item().encode())
        start += part.height


def check_lengths(form: str, frame: pl.DataFrame) -> None:
    """Raises FormatRefused when a text is longer than a cell (in UTF-16, as Excel counts)."""
    for name, kind in frame.schema.items():
        if kind != pl.String:
            continue
        cells = series_of(frame, name)
        long = cells.filter(cells.str.len_bytes() > LONGEST_CELL)
        if any(len(text.encode("utf-16-le")) // 2 > LONGEST_CELL for text in long):
            raise refused(form, "cell_too_long", limit=LONGEST_CELL, column=name)


def sheet_integers(column: pl.Expr) -> pl.Expr:
    """Whether an integer is exact as a number of a sheet, which shows 15 digits."""
    return column.is_between(-EXACT, EXACT, closed="none")

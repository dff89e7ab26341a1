"""Where the header of a sheet is, and the names that it gives, merged cells among it or not."""

from __future__ import annotations

from collections.abc import Sequence

from services.ingest.cell_text import Cell, as_text
from services.ingest.header_names import clean_name, find_header
from services.ingest.ods_cells import Ranges
from shared.failures import Quarantined
from shared.messages import Reason

# A merged cell taller than this is no header's.
_HEADER_ROWS = 4


def find_sheet_header(
    head: list[list[Cell]],
    merged: Ranges,
    told: int | None,
    declared: Sequence[str],
) -> tuple[int, int, list[str]]:
    """Row of the header (from 0), how many rows it takes, and the columns' names.

    A merged cell of the header makes a header of several rows, read downwards: « Population » over
    « Hommes » and « Femmes » gives « Population Hommes » and « Population Femmes ».

    Raises Quarantined(`header_missing`).
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

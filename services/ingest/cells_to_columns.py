"""Turns rows of a sheet's cells into columns, each of one type throughout."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.cell_text import Cell, as_text, text_of
from services.ingest.column_types import ARROW_TYPES

CHUNK_ROWS = 20_000
# Rows turned into columns at once: while their cells lie in the processor's cache still.
_TURNED_ROWS = 500
_ARROW: dict[type, pa.DataType] = {
    str: pa.string(),
    float: pa.float64(),
    int: pa.float64(),
    bool: pa.bool_(),
    dt.date: ARROW_TYPES["date"],
    dt.datetime: ARROW_TYPES["datetime"],
    dt.time: ARROW_TYPES["time"],
}


def cells_to_columns(
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

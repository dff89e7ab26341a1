"""Spreadsheet cells as text that reads back as the same value."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.text_casts import WHOLE

Cell = int | float | str | bool | dt.date | dt.datetime | dt.time | dt.timedelta


def as_text(cell: Cell) -> str:
    """One cell: 12, 1.5, true, 2025-12-31, 14:30:00; a duration as hours, minutes, seconds."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < WHOLE else repr(cell)
    if isinstance(cell, dt.timedelta):
        seconds, parts = divmod(abs(cell) // dt.timedelta(microseconds=1), 10**6)
        whole = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        sign = "-" if cell < dt.timedelta() else ""
        return f"{sign}{whole}" + (f".{parts:06d}".rstrip("0") if parts else "")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return str(cell)


def text_of(values: pa.Array) -> pa.Array:
    """`as_text` of a whole array."""
    if pa.types.is_string(values.type):
        return values
    if pa.types.is_integer(values.type):
        return values.cast(pa.string())
    if pa.types.is_floating(values.type):
        whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), WHOLE))
        digits = pc.if_else(whole, values, pa.scalar(None, pa.float64())).cast(pa.int64())
        return pc.coalesce(digits.cast(pa.string()), values.cast(pa.string()))
    return pa.array([None if v is None else as_text(v) for v in values.to_pylist()], pa.string())

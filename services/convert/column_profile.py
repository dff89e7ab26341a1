"""A profile of each column, taken while the rows pass: nulls, distinct values, extent, distribution.

Of the safe table, which is public: values may show. Edges of the histograms come from the file's own
statistics, so that one reading does.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from services.convert.column_names import series_of
from services.convert.safe_table import Batch, SafeTable

BINS = 20
MOST_DISTINCT = 1000  # counted exactly up to here
MOST_TOP = 10
LONGEST_TOP = 100
# A page shows no more, and a table of thousands of columns is profiled in no time.
MOST_COLUMNS = 300


class TableProfile:
    """Profiles the first `MOST_COLUMNS` columns of a table; geometries by their nulls alone."""

    def __init__(self, table: SafeTable) -> None:
        self._columns = [
            _Column(name, table.edges(name)) for name in table.schema.names[:MOST_COLUMNS]
        ]
        self._geometries = set(table.geometries)

    def write(self, batch: Batch) -> None:
        """Takes the next rows."""
        for column in self._columns:
            if column.name in self._geometries:
                column.nulls += batch.arrow.column(column.name).null_count
            else:
                column.see(series_of(batch.frame, column.name))

    def told(self) -> dict[str, dict[str, Any]]:
        """Column → its profile, as JSON holds it."""
        return {column.name: column.told() for column in self._columns}


class _Column:
    def __init__(self, name: str, edges: tuple[Any, Any] | None) -> None:
        self.name = name
        self.nulls = 0
        self._edges, self._bins = edges, _bins(edges)
        self._counts = np.zeros(max(len(self._bins) - 1, 0), np.int64)
        self._sum, self._seen = 0.0, 0
        self._values: dict[Any, int] | None = {}

    def see(self, cells: pl.Series) -> None:
        self.nulls += cells.null_count()
        there = cells.drop_nulls()
        if there.dtype.is_float():
            there = there.filter(there.is_finite())
        if len(self._bins):
            numbers = _numbers(there)
            self._counts += np.histogram(numbers, self._bins)[0]
            self._sum += float(numbers.sum()) if there.dtype.is_numeric() else 0.0
        self._seen += len(there)
        if self._values is not None and not there.dtype.is_float():
            self._count(there)

    def _count(self, there: pl.Series) -> None:
        values: dict[Any, int] = self._values or {}
        # A look at some tells at once of a column whose values hardly repeat.
        hardly = not values and len(there) > 4 * MOST_DISTINCT
        if hardly and there[: 2 * MOST_DISTINCT].n_unique() > MOST_DISTINCT:
            self._values = None
            return
        for value, count in there.value_counts().iter_rows():
            values[value] = values.get(value, 0) + count
            if len(values) > MOST_DISTINCT:
                self._values = None
                return
        self._values = values

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = {"nulls": self.nulls}
        if self._values is not None and self._values:
            found["distinct"] = len(self._values)
            found["top"] = _top(self._values)
        elif self._values is None:
            found["distinct_more_than"] = MOST_DISTINCT
        if self._edges and len(self._bins) and self._seen:
            low, high = self._edges
            found |= {"min": _plain(low), "max": _plain(high)}
            if isinstance(low, int | float):
                found["mean"] = self._sum / self._seen
            found["histogram"] = {
                "edges": [_shown(edge, low) for edge in self._bins.tolist()],
                "counts": self._counts.tolist(),
            }
        return found


def _bins(edges: tuple[Any, Any] | None) -> npt.NDArray[np.float64]:
    """The histogram's edges; empty for what has no order that a person would draw."""
    none = np.empty(0)
    if edges is None or isinstance(edges[0], str | bytes | bool | dt.time):
        return none
    low, high = (_number(edge) for edge in edges)
    if not (math.isfinite(low) and math.isfinite(high)):
        return none
    count = BINS
    if isinstance(edges[0], int) and not isinstance(edges[0], bool):
        count = int(min(BINS, high - low + 1))
        return np.linspace(low, high + 1 if high - low < BINS else high, count + 1)
    return np.linspace(low, high if high > low else low + 1, count + 1)


def _number(value: Any) -> float:
    """Days for days, seconds for moments, since 1970."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=dt.UTC).timestamp()
    if isinstance(value, dt.date):
        return float((value - dt.date(1970, 1, 1)).days)
    return float(value)


def _numbers(cells: pl.Series) -> npt.NDArray[np.float64]:
    if isinstance(cells.dtype, pl.Datetime):
        cells = cells.dt.epoch("us").cast(pl.Float64) / 1e6
    elif cells.dtype == pl.Date:
        cells = cells.cast(pl.Int32)
    return cells.cast(pl.Float64).to_numpy()


def _shown(edge: float, like: Any) -> float | str:
    if isinstance(like, dt.datetime):
        moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=round(edge))
        return moment.replace(tzinfo=like.tzinfo).isoformat()
    if isinstance(like, dt.date):
        return (dt.date(1970, 1, 1) + dt.timedelta(days=math.floor(edge))).isoformat()
    return float(f"{edge:.12g}")


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _top(values: dict[Any, int]) -> list[list[Any]]:
    """The most frequent values with their counts; equal counts in order of their texts."""
    first = sorted(values.items(), key=lambda one: (-one[1], str(one[0])))[:MOST_TOP]
    return [
        [one if isinstance(one, bool | int) else str(_plain(one))[:LONGEST_TOP], count]
        for one, count in first
    ]

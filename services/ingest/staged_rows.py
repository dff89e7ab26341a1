"""Rows of named cells, kept on the spool as Arrow batches so that they can be read more than once.

For sources whose columns are only known at their end: JSON above all. Each chunk of rows keeps the
types that it has; what a column is as a whole is settled when all chunks are there.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from services.ingest.cell_text import text_of
from services.ingest.read_limits import ReadLimits
from services.ingest.text_casts import WHOLE
from shared.failures import Quarantined
from shared.messages import Reason

Scalar = str | int | float | Decimal | bool | bytes | dt.date | dt.datetime | dt.time | None
CHUNK_ROWS = 10_000
_CHUNK_BYTES = 16 << 20
_TEXT = pa.string()


class StagedRows:
    """Add rows, close, then read them. Cells are text, int64, float64, booleans, or bytes (WKB)."""

    def __init__(self, path: Path, limits: ReadLimits) -> None:
        self._path = path
        self._limits = limits
        self._file = path.open("wb")
        self._kinds: dict[str, set[pa.DataType]] = {}
        self._long: set[str] = set()
        self._declared: set[str] = set()
        self._held: list[Mapping[str, Scalar]] = []
        self._bytes = 0
        self._chunks = 0
        self.rows = 0

    def add(self, row: Mapping[str, Scalar]) -> None:
        """Takes a row. Raises Quarantined(`too_many_columns`)."""
        for name in row:
            if name not in self._kinds:
                if len(self._kinds) == self._limits.columns:
                    raise Quarantined(Reason(code="too_many_columns", limit=self._limits.columns))
                self._kinds[name] = set()
        self._held.append(row)
        self._bytes += sum(len(cell) for cell in row.values() if isinstance(cell, str | bytes))
        self.rows += 1
        if len(self._held) == CHUNK_ROWS or self._bytes > _CHUNK_BYTES:
            self._flush()

    def declare(self, names: Sequence[str]) -> None:
        """Columns that are there whatever rows come."""
        self._declared = set(names)
        self._kinds = {name: set() for name in names}

    def remove(self) -> None:
        """Deletes the staged rows."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Ends the rows. A column without a value, in place of which other rows have columns within
        it (`{"a": null}` beside `{"a": {"b": 1}}`), is none."""
        self._flush()
        self._file.close()
        outer = {name[:at] for name in self._kinds for at, c in enumerate(name) if c == "."}
        for name in (outer - self._declared) & set(self._kinds):
            if self._type(name) == pa.null():
                del self._kinds[name]

    @property
    def headers(self) -> tuple[str, ...]:
        """Every name that a row had, in order of first appearance."""
        return tuple(self._kinds)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in chunks of one schema."""
        types = {name: self._type(name) for name in self._kinds}
        with pa.OSFile(str(self._path)) as file:
            for _ in range(self._chunks):
                [chunk] = pa.ipc.open_stream(file)
                given = dict(zip(chunk.schema.names, chunk.columns, strict=True))
                yield pa.record_batch(
                    [
                        _as(given[name], kind) if name in given else pa.nulls(len(chunk), kind)
                        for name, kind in types.items()
                    ],
                    names=list(types),
                )

    def _type(self, name: str) -> pa.DataType:
        kinds = self._kinds[name] - {pa.null()}
        if len(kinds) == 1:
            (kind,) = kinds
            return kind
        if not kinds:
            return pa.null()
        return pa.float64() if kinds == _NUMBERS and name not in self._long else _TEXT

    def _flush(self) -> None:
        if not self._held:
            return
        arrays = {}
        for name, kinds in self._kinds.items():
            cells = [row.get(name) for row in self._held]
            arrays[name] = _array(cells)
            kinds.add(arrays[name].type)
            if arrays[name].type == pa.int64() and _is_long(arrays[name]):
                self._long.add(name)
        chunk = pa.record_batch(list(arrays.values()), names=list(arrays))
        with pa.ipc.new_stream(self._file, chunk.schema) as writer:
            writer.write_batch(chunk)
        self._held, self._bytes = [], 0
        self._chunks += 1


_NUMBERS = {pa.int64(), pa.float64()}


def _is_long(values: pa.Array) -> bool:
    bounds = pa.compute.min_max(values).as_py()
    return bounds["min"] is not None and max(-bounds["min"], bounds["max"]) >= WHOLE


def _array(cells: list[Scalar]) -> pa.Array:
    kinds = {type(cell) for cell in cells if cell is not None}
    if not kinds:
        return pa.nulls(len(cells))
    if kinds == {bool}:
        return pa.array(cells, pa.bool_())
    if kinds == {bytes}:
        return pa.array(cells, pa.binary())
    if len(kinds) == 1 and (moment := _MOMENTS.get(next(iter(kinds)))) is not None:
        return pa.array(cells, _zoned(cells) or moment)
    if kinds == {int} and all(abs(c) < 10**18 for c in cells if isinstance(c, int)):
        return pa.array(cells, pa.int64())
    if kinds <= {int, float, Decimal} and kinds & {float, Decimal}:
        numbers = [float(c) if isinstance(c, int | float | Decimal) else None for c in cells]
        if all(map(_keeps, numbers, cells)):
            return pa.array(numbers, pa.float64())
    return pa.array([_text(cell) for cell in cells], _TEXT)


def _keeps(number: float | None, cell: Scalar) -> bool:
    """Whether float64 has room for the cell: not for 1e400, nor for 1e-400, which is not 0."""
    if number is None:
        return True
    return math.isfinite(number) and abs(number) < WHOLE and (number != 0 or not cell)


_MOMENTS: dict[type, pa.DataType] = {
    dt.date: pa.date32(),
    dt.datetime: pa.timestamp("us"),
    dt.time: pa.time64("us"),
}


def _zoned(cells: list[Scalar]) -> pa.DataType | None:
    """The type of moments that all name their offset from UTC."""
    moments = [cell for cell in cells if isinstance(cell, dt.datetime)]
    return pa.timestamp("us", "UTC") if moments and all(m.tzinfo for m in moments) else None


def _text(cell: Scalar) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return str(cell)


def _as(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if values.type == kind:
        return values
    return text_of(values) if kind == _TEXT else values.cast(kind)

"""Reads Parquet as columns of cells by their own type. Lists and structures become JSON text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import MAXYEAR
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyproj
from pyproj.exceptions import CRSError

from services.ingest.cell_text import as_text
from services.ingest.column_types import UTC, Reading
from services.ingest.geometry import WGS84
from services.ingest.header_names import checked_headers
from services.ingest.json_text import json_text
from services.ingest.nul_characters import refuse_nul
from services.ingest.read_limits import ReadLimits
from services.ingest.source_table import NO_HINTS, Batch, Dropped, RowSieve, SourceFacts
from services.ingest.text_casts import WHOLE
from shared.card_source import Source
from shared.failures import Quarantined
from shared.messages import Reason

BATCH_ROWS = 20_000
# Of a second.
_PARTS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class ParquetTable:
    """See `SourceTable`. A line is a row's rank.

    Raises Quarantined: `file_damaged`, `too_many_columns`, `no_rows`, `column_unreadable` for bytes
    that are no geometry and for geometries in another form than well-known binary, `crs_unknown`
    where two have other systems, `crs_missing`, those of `checked_headers`.
    """

    typed = True

    def __init__(
        self, source: Path, told: Source, declared: Sequence[str], limits: ReadLimits
    ) -> None:
        self._source = source
        try:
            # Buffered ahead, every byte read so far would stay in memory.
            # A moment of 12 bytes has room for days that nanoseconds of 64 bits have not.
            self._file = pq.ParquetFile(source, pre_buffer=False, coerce_int96_timestamp_unit="us")
            schema = self._file.schema_arrow
        except (pa.ArrowException, OSError, ValueError):
            raise Quarantined(Reason(code="file_damaged")) from None
        if len(schema) > limits.columns:
            raise Quarantined(Reason(code="too_many_columns", limit=limits.columns))
        if not self._file.metadata.num_rows:
            raise Quarantined(Reason(code="no_rows", detail="empty_table"))
        self._limits = limits
        self._geometries, systems = _geometries(schema)
        self.headers = checked_headers(schema.names, declared)
        self.facts = SourceFacts(format="parquet")
        self.crs = told.crs or _one_of(systems)
        self.warnings: tuple[Reason, ...] = ()
        self.dropped = Dropped()
        for at, column in enumerate(schema, 1):
            if is_bytes(_plain_type(column.type)) != (column.name in self._geometries):
                raise Quarantined(Reason(code="column_unreadable", position=at))

    def batches(
        self,
        plain: Mapping[int, Reading] = NO_HINTS,  # noqa: ARG002 - cells have their type already
    ) -> Iterator[Batch]:
        """All rows from the first on. Raises Quarantined: `file_damaged`, `cell_too_large`,
        `number_too_long` where float64 or int64 would not keep every digit, `value_out_of_range`
        for infinity and for years before 1 or after 9999, `moment_too_fine`, `nul_character`."""
        sieve = RowSieve(self.headers)
        self.dropped = sieve.dropped
        first = 0
        try:
            fine = self._nanoseconds()
            for batch in self._file.iter_batches(BATCH_ROWS):
                batch.validate(full=True)
                _refuse_cut(batch, next(fine), first)
                cells = placed_cells(batch.columns, first)
                self._check_lengths(cells)
                refuse_nul(cells, first, self.lines)
                yield sieve.sift(first, cells, batch.num_rows)
                first += batch.num_rows
        except (pa.ArrowException, OSError):
            raise Quarantined(Reason(code="file_damaged")) from None

    def _nanoseconds(self) -> Iterator[pa.RecordBatch | None]:
        """Of the same batches the moments of 12 bytes, whose last digits microseconds do not hold."""
        schema = self._file.schema
        parts = (schema.column(at) for at in range(len(schema)))
        names = [p.path for p in parts if p.physical_type == "INT96" and p.path == p.name]
        if not names:
            return repeat(None)
        file = pq.ParquetFile(self._source, pre_buffer=False, coerce_int96_timestamp_unit="ns")
        found: Iterator[pa.RecordBatch | None] = file.iter_batches(BATCH_ROWS, columns=names)
        return found

    def _check_lengths(self, cells: Sequence[pa.Array]) -> None:
        limit = self._limits.field_bytes
        for at, column in enumerate(cells, 1):
            if pa.types.is_string(column.type) and column.nbytes > limit:
                lengths = pc.binary_length(column)
                if (pc.max(lengths).as_py() or 0) > limit:
                    raise Quarantined(Reason(code="cell_too_large", position=at, limit=limit))

    def lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        """Ordinal → rank, from 1."""
        return {ordinal: ordinal + 1 for ordinal in ordinals}


def _refuse_cut(batch: pa.RecordBatch, fine: pa.RecordBatch | None, first: int) -> None:
    """Raises Quarantined(`moment_too_fine`) where a moment has digits below the microsecond. Days that
    64 bits of nanoseconds do not hold go round in both, so that what differs is still those digits."""
    for name, column in zip(fine.schema.names, fine.columns, strict=True) if fine else ():
        said = batch.column(name)
        whole = said.cast(pa.int64()).fill_null(0).to_numpy() * 1000
        cut = np.flatnonzero(whole != column.cast(pa.int64()).fill_null(0).to_numpy())
        if len(cut):
            position = batch.schema.names.index(name) + 1
            line = first + int(cut[0]) + 1
            raise Quarantined(Reason(code="moment_too_fine", position=position, line=line))


def is_bytes(kind: pa.DataType) -> bool:
    kinds = ("is_binary", "is_large_binary", "is_binary_view", "is_fixed_size_binary")
    return any(getattr(pa.types, name)(kind) for name in kinds)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """What a column's cells are once `plain_cells` has them."""
    if isinstance(kind, pa.UuidType):
        return pa.string()
    if isinstance(kind, pa.BaseExtensionType):
        return _plain_type(kind.storage_type)
    return _plain_type(kind.value_type) if pa.types.is_dictionary(kind) else kind


def _geometries(schema: pa.Schema) -> tuple[frozenset[str], list[str | None]]:
    """Columns that the file's GeoParquet metadata name, and the reference system of each: WGS 84
    where nothing is said, None where it is said to be unknown (GeoParquet 1.1, « crs »)."""
    written = (schema.metadata or {}).get(b"geo")
    if written is None:
        return frozenset(), []
    try:
        columns: dict[str, Any] = json.loads(written)["columns"]
        there = {name: told for name, told in columns.items() if name in schema.names}
        systems = [told.get("crs", WGS84) for told in there.values()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Quarantined(Reason(code="file_damaged", detail="geo")) from None
    return frozenset(there), [s if isinstance(s, str | None) else json.dumps(s) for s in systems]


def _one_of(systems: Sequence[str | None]) -> str | None:
    """The one reference system of all geometries."""
    if None in systems:
        raise Quarantined(Reason(code="crs_missing"))
    if len(distinct := list(dict.fromkeys(systems))) > 1:
        try:
            first, *others = (pyproj.CRS.from_user_input(system) for system in distinct)
        except CRSError:
            raise Quarantined(Reason(code="crs_unknown")) from None
        if not all(first.equals(other, ignore_axis_order=True) for other in others):
            raise Quarantined(Reason(code="crs_unknown", count=len(distinct)))
    return distinct[0] if distinct else None


def plain_cells(column: pa.Array) -> pa.Array:
    """A column in one of the types that go on: text, int64, float64, booleans, moments, bytes."""
    kind = column.type
    if isinstance(kind, pa.UuidType):
        return pa.array([c if c is None else str(c) for c in column.to_pylist()], pa.string())
    if isinstance(kind, pa.Bool8Type):
        return column.storage.cast(pa.bool_())
    if isinstance(column, pa.ExtensionArray):
        return plain_cells(column.storage)
    if pa.types.is_dictionary(kind):
        return plain_cells(column.dictionary_decode())
    if pa.types.is_integer(kind):
        return _whole(column)
    if pa.types.is_decimal(kind):
        return _decimal(column)
    if pa.types.is_floating(kind):
        # NaN is how programs without null write it.
        numbers = _doubles(column)
        if pc.any(pc.is_inf(numbers)).as_py():
            raise Quarantined(Reason(code="value_out_of_range"))
        return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    if pa.types.is_temporal(kind):
        return _temporal(column)
    for fits, wanted in (
        (pa.types.is_large_string, pa.string()),
        (pa.types.is_string_view, pa.string()),
        (pa.types.is_large_binary, pa.binary()),
        (pa.types.is_binary_view, pa.binary()),
        (pa.types.is_fixed_size_binary, pa.binary()),
    ):
        if fits(kind):
            return column.cast(wanted, safe=False)
    if pa.types.is_nested(kind):
        return pa.array([c if c is None else json_text(c) for c in _objects(column)], pa.string())
    return column


def _doubles(column: pa.Array) -> pa.Array:
    """Numbers of half the precision by the fewest digits that say which they are: 0.1 is 0.1, and not
    what its 32 bits are among those of 64."""
    if pa.types.is_float16(column.type):
        digits = [None if c is None else str(c) for c in column.to_numpy(zero_copy_only=False)]
        return pc.if_else(column.is_valid(), pa.array(digits, pa.string()), None).cast(pa.float64())
    if pa.types.is_float32(column.type):
        return column.cast(pa.string()).cast(pa.float64())
    return column


def _whole(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        raise Quarantined(Reason(code="number_too_long")) from None


def _decimal(column: pa.Array) -> pa.Array:
    # By way of text: Arrow itself makes 19.990000000000002 of 19.99.
    numbers = column.cast(pa.string()).cast(pa.float64())
    if numbers.null_count < len(column) and pc.max(pc.abs(numbers)).as_py() >= WHOLE:
        raise Quarantined(Reason(code="number_too_long"))
    return numbers


def _temporal(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _moments(column, UTC if kind.tz else pa.timestamp("us"))
    if pa.types.is_date(kind):
        return _moments(column, pa.date32())
    if pa.types.is_time(kind):
        return _exact(column, pa.time32("ms"))
    if not pa.types.is_duration(kind):
        # Months, days and nanoseconds apart: no format has them.
        raise Quarantined(Reason(code="column_unreadable"))
    whole = _exact(column, pa.duration("us"))
    return pa.array([c if c is None else as_text(c) for c in _objects(whole)], pa.string())


def _moments(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Days or moments of the years 1 to 9999, which is what readers have."""
    moments = _exact(column, kind)
    years = pc.min_max(pc.year(moments)).as_py()
    if years["min"] is not None and not 1 <= years["min"] <= years["max"] <= MAXYEAR:
        raise Quarantined(Reason(code="value_out_of_range"))
    return moments


def _exact(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The same moments in a unit that may be coarser. Raises Quarantined: `moment_too_fine` with the
    rank within the column where that would cut one, `value_out_of_range`."""
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        if _PARTS[getattr(kind, "unit", "s")] >= _PARTS[getattr(column.type, "unit", "ms")]:
            raise Quarantined(Reason(code="value_out_of_range")) from None
    cut = column.cast(kind, safe=False).cast(column.type)
    changed = pc.fill_null(pc.not_equal(cut, column), False)
    raise Quarantined(Reason(code="moment_too_fine", line=changed.index(True).as_py() + 1))


def _objects(column: pa.Array) -> list[Any]:
    """Python's values. Raises Quarantined(`value_out_of_range`) where it has none for one."""
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError):
        raise Quarantined(Reason(code="value_out_of_range")) from None


def placed_cells(columns: Sequence[pa.Array], first: int = 0) -> list[pa.Array]:
    """`plain_cells` of each column, whose position is said where one cannot go on, and the rank of
    the row where that is known; `first` rows come before these."""
    cells = []
    for position, column in enumerate(columns, 1):
        try:
            cells.append(plain_cells(column))
        except Quarantined as failure:
            raise Quarantined(
                *(
                    one.model_copy(
                        update={"position": position, "line": one.line and first + one.line}
                    )
                    for one in failure.reasons
                )
            ) from None
    return cells

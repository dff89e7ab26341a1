"""Settles how each column is read, from all rows, before any is converted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.cell_text import text_of
from services.ingest.column_types import (
    ARROW_TYPES,
    BOOLEANS,
    DATE,
    DATETIME,
    DATETIME_UTC,
    GEOMETRY,
    STRING,
    TIME,
    UTC,
    Decimal,
    Reading,
    declared_reading,
    read_each,
    with_zone,
)
from services.ingest.geometry import GeometryColumn, Projection
from services.ingest.header_names import NamedColumn
from services.ingest.infer_types import NumberGuess, TypeGuess
from services.ingest.parallel_columns import ColumnThreads, ahead
from services.ingest.source_table import SourceTable
from services.ingest.text_casts import WHOLE
from shared.card_parts import SchemaField
from shared.failures import Quarantined
from shared.messages import Reason

# Cells that a spreadsheet types itself, numbers apart.
_CELLS = {ARROW_TYPES[r.type]: r for r in (BOOLEANS[0], DATE, DATETIME, TIME, GEOMETRY)}
_CELLS[UTC] = DATETIME_UTC


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A named column and how it is read."""

    named: NamedColumn
    reading: Reading
    geometry: GeometryColumn | None = None
    missing: pa.Array | None = None

    def read(self, raw: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        """`raw` (text, or cells) as values, null where one does not fit, and which those are."""
        if self.missing is not None and pa.types.is_string(raw.type):
            raw = pc.if_else(pc.is_in(raw, self.missing), pa.scalar(None, pa.string()), raw)
        if self.geometry is not None:
            return self.geometry.read(raw)
        if pa.types.is_string(raw.type):
            return read_each(self.reading, raw)
        return self._of_cells(raw)

    def text(self, raw: pa.Array) -> pa.Array:
        """`raw` as it is written."""
        return text_of(raw)

    def _of_cells(self, cells: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        arrow = self.reading.arrow
        if cells.type == arrow:
            return cells, None
        if cells.null_count == len(cells):
            return pa.nulls(len(cells), arrow), None
        if pa.types.is_floating(cells.type) and pa.types.is_integer(arrow):
            whole = pc.and_(pc.equal(cells, pc.floor(cells)), pc.less(pc.abs(cells), WHOLE))
            return _kept(cells, whole, arrow)
        if pa.types.is_timestamp(cells.type) and pa.types.is_date(arrow):
            midnight = pc.equal(pc.floor_temporal(cells, unit="day"), cells)
            return _kept(cells, midnight, arrow)
        if pa.types.is_integer(cells.type) and pa.types.is_floating(arrow):
            whole = pc.less(pc.abs(cells.cast(arrow)), WHOLE)
            return _kept(cells, whole, arrow)
        if pa.types.is_date(cells.type) and arrow == ARROW_TYPES["datetime"]:
            return cells.cast(arrow), None
        return read_each(self.reading, text_of(cells))


def _kept(cells: pa.Array, fits: pa.Array, arrow: pa.DataType) -> tuple[pa.Array, pa.Array]:
    kept = pc.if_else(fits, cells, pa.scalar(None, cells.type))
    return kept.cast(arrow), pc.fill_null(pc.invert(fits), False)


@dataclass(frozen=True, slots=True)
class SettledTypes:
    """`plain` names the columns, by position, whose text needs no tidying."""

    columns: tuple[ReadColumn, ...]
    plain: dict[int, Reading]
    warnings: tuple[Reason, ...]


def settle_types(
    table: SourceTable,
    named: Sequence[NamedColumn],
    decimal: Decimal | None,
    columns: ColumnThreads,
    positions: int,
    missing: Sequence[str] = (),
    codes: Collection[str] = (),
) -> SettledTypes:
    """Every named column with its reading, `codes` as text; a column without name and content is
    left out.

    Raises Quarantined: `header_empty` for a column without name that holds something,
    `constraint_unreadable` for a format of the schema that is none, and those of `table.batches`.
    """
    declared = {c.position: _declared(c, c.field, decimal) for c in named if c.field is not None}
    moments = {
        c.position: _FirstMoment()
        for c in named
        if c.field is not None and c.field.type == "datetime" and not _has_format(c.field)
    }
    declared |= {c.position: STRING for c in named if c.field is None and c.name in codes}
    guesses = {
        c.position: _Guess(c.name, decimal, table.typed)
        for c in named
        if c.position not in declared
    }
    places = {column.position for column in named}
    nameless = [at for at in range(1, len(table.headers) + 1) if at not in places]
    filled: set[int] = set()
    if guesses or moments or nameless:
        watched: list[tuple[int, _Guess | _FirstMoment]] = [*guesses.items(), *moments.items()]
        for batch in ahead(table.batches()):
            columns.map(_feed, [(watch, batch.columns[at - 1]) for at, watch in watched])
            filled |= {at for at in nameless if _holds_something(batch.columns[at - 1])}
            if not guesses and not nameless and all(m.settled for m in moments.values()):
                break
    if filled:
        reasons = [Reason(code="header_empty", position=at, count=len(filled)) for at in filled]
        raise Quarantined(*sorted(reasons, key=lambda reason: reason.position or 0)[:100])
    readings = {
        **{at: guess.reading for at, guess in guesses.items()},
        **declared,
        **{at: with_zone(declared[at]) for at, moment in moments.items() if moment.zoned},
    }
    projection = Projection(table.crs) if GEOMETRY in readings.values() else None
    read = []
    for column in named:
        reading = readings[column.position]
        shape = projection and reading is GEOMETRY
        geometry = GeometryColumn(projection, positions) if projection and shape else None
        absent = pa.array(missing) if missing and column.field is not None else None
        read.append(ReadColumn(column, reading, geometry, absent))
    rough = projection is not None and not projection.exact
    return SettledTypes(
        tuple(read),
        {at: guess.reading for at, guess in guesses.items() if guess.plain},
        (
            *(Reason(code="column_empty", position=at) for at in nameless),
            *([Reason(code="crs_approximate")] if rough else []),
            *(one for c in named if c.position in guesses for one in guesses[c.position].doubts(c)),
        ),
    )


def _declared(column: NamedColumn, field: SchemaField, decimal: Decimal | None) -> Reading:
    try:
        return declared_reading(field, decimal)
    except ValueError:
        raise Quarantined(column.reason("constraint_unreadable", expected="format")) from None


def _has_format(field: SchemaField) -> bool:
    return (field.format or "").startswith("%")


def _holds_something(raw: pa.Array) -> bool:
    values = STRING.cast(raw) if pa.types.is_string(raw.type) else raw
    return values is not None and bool(values.null_count < len(raw))


class _FirstMoment:
    """Whether a declared datetime column's first value names its offset: then all must."""

    def __init__(self) -> None:
        self.zoned: bool | None = None

    def feed(self, raw: pa.Array) -> None:
        if self.zoned is None and pa.types.is_string(raw.type):
            first = raw.drop_null().slice(0, 1)
            if len(first):
                self.zoned = DATETIME_UTC.read(first) is not None
        elif self.zoned is None and raw.type == UTC:
            self.zoned = True

    @property
    def settled(self) -> bool:
        """Whether no further batch can change the answer."""
        return self.zoned is not None


def _feed(work: tuple[_Guess | _FirstMoment, pa.Array]) -> None:
    watch, raw = work
    watch.feed(raw)


class _Guess:
    """A column whose type nobody declares: text by what it says, cells by what they are."""

    def __init__(self, header: str, decimal: Decimal | None, typed: bool) -> None:
        self._text = TypeGuess(header, decimal, typed=typed)
        self._number = NumberGuess(header)
        self._kind = pa.null()

    def feed(self, raw: pa.Array) -> None:
        if not pa.types.is_null(raw.type):
            self._kind = raw.type
        if pa.types.is_string(raw.type):
            self._text.feed(raw)
        elif pa.types.is_floating(raw.type) or pa.types.is_integer(raw.type):
            self._number.feed(raw)

    def doubts(self, column: NamedColumn) -> list[Reason]:
        """What a spreadsheet program has probably taken from the column's numbers."""
        short = self._number.short_codes
        return [
            *([column.reason("codes_short", count=short)] if short else []),
            *([column.reason("digits_unsure")] if self._number.rounded else []),
        ]

    @property
    def plain(self) -> bool:
        return pa.types.is_string(self._kind) and self._text.plain

    @property
    def reading(self) -> Reading:
        if pa.types.is_null(self._kind) or pa.types.is_string(self._kind):
            return self._text.reading
        if pa.types.is_floating(self._kind) or pa.types.is_integer(self._kind):
            return self._number.reading
        return _CELLS[self._kind]

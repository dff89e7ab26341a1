"""Settles how each column is read, from all rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
from services.ingest.parallel_columns import ColumnThreads
from services.ingest.source_table import Batch, SourceTable
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


class Settling:
    """How every named column is read, `codes` as text, as far as the batches fed so far tell.

    A column without name and content is left out. Raises Quarantined(`constraint_unreadable`) for a
    format of the schema that is none.
    """

    def __init__(
        self,
        table: SourceTable,
        named: Sequence[NamedColumn],
        decimal: Decimal | None,
        columns: ColumnThreads,
        positions: int,
        missing: Sequence[str] = (),
        codes: Collection[str] = (),
    ) -> None:
        self._table, self._named, self._threads = table, named, columns
        self._positions = positions
        self._missing = pa.array(missing) if missing else None
        self._declared = {
            c.position: _declared(c, c.field, decimal) for c in named if c.field is not None
        }
        self._moments = {
            c.position: _FirstMoment()
            for c in named
            if c.field is not None and c.field.type == "datetime" and not _has_format(c.field)
        }
        self._declared |= {c.position: STRING for c in named if c.field is None and c.name in codes}
        self._guesses = {
            c.position: _Guess(c.name, decimal, table.typed)
            for c in named
            if c.position not in self._declared
        }
        places = {column.position for column in named}
        self._nameless = [at for at in range(1, len(table.headers) + 1) if at not in places]
        self._filled: set[int] = set()

    @property
    def settled(self) -> bool:
        """Whether no further batch can change a reading."""
        return not self._guesses and all(m.settled for m in self._moments.values())

    def feed(self, batch: Batch) -> None:
        """Takes a batch into account."""
        watched: list[tuple[int, _Guess | _FirstMoment]] = [
            *self._guesses.items(),
            *self._moments.items(),
        ]
        self._threads.map(_feed, [(watch, batch.columns[at - 1]) for at, watch in watched])
        self._filled |= {at for at in self._nameless if _holds_something(batch.columns[at - 1])}

    def readings(self) -> dict[int, Reading]:
        """Position → how the column is read, by what was fed."""
        zoned = {at for at, moment in self._moments.items() if moment.zoned}
        return {
            **{at: guess.reading for at, guess in self._guesses.items()},
            **self._declared,
            **{at: with_zone(self._declared[at]) for at in zoned},
        }

    def columns(self) -> tuple[ReadColumn, ...]:
        """The named columns, each with its reading by what was fed."""
        readings = self.readings()
        projection = self._projection(readings)
        read = []
        for column in self._named:
            reading = readings[column.position]
            shape = projection and reading is GEOMETRY
            geometry = GeometryColumn(projection, self._positions) if projection and shape else None
            absent = self._missing if column.field is not None else None
            read.append(ReadColumn(column, reading, geometry, absent))
        return tuple(read)

    def values(self, position: int, reading: Reading) -> pa.Array | None:
        """The values that the last batch fed has in this column, where they are known already."""
        guess = self._guesses.get(position)
        return guess.values(reading) if guess else None

    def plain(self) -> dict[int, Reading]:
        """The columns, by position, whose text needs no tidying."""
        return {at: guess.reading for at, guess in self._guesses.items() if guess.plain}

    def warnings(self) -> tuple[Reason, ...]:
        """What is to be told of the columns, after the last batch. Raises Quarantined(`header_empty`)
        for a column without name that holds something."""
        if self._filled:
            count = len(self._filled)
            reasons = [
                Reason(code="header_empty", position=at, count=count) for at in sorted(self._filled)
            ]
            raise Quarantined(*reasons[:100])
        projection = self._projection(self.readings())
        rough = projection is not None and not projection.exact
        guessed = [(column, self._guesses.get(column.position)) for column in self._named]
        return (
            *(Reason(code="column_empty", position=at) for at in self._nameless),
            *([Reason(code="crs_approximate")] if rough else []),
            *(one for column, guess in guessed if guess for one in guess.doubts(column)),
        )

    def _projection(self, readings: Mapping[int, Reading]) -> Projection | None:
        return Projection(self._table.crs) if GEOMETRY in readings.values() else None


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

    def values(self, reading: Reading) -> pa.Array | None:
        """The last text's values, if they were tried with this reading."""
        return self._text.values if self._text.tried is reading else None

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

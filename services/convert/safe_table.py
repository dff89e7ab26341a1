"""The safe table as batches of rows: one reading serves every format."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from services.convert.cell_values import jsonable
from services.convert.column_names import series_of
from services.convert.formula_guard import begins, risky
from services.convert.geometry import (
    Shapes,
    drawn,
    geojson_texts,
    geometry_columns,
    read_wkb,
)
from shared.card import Card

BATCH = 25_000
# A batch of wide rows has fewer of them, so that memory does not grow with the width.
BATCH_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Batch:
    """Some rows, as Arrow and as Polars hold them, and what several formats need to know of them.

    `geometries` are the geometry columns, the primary one first.
    """

    arrow: pa.RecordBatch
    geometries: tuple[str, ...] = ()

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The columns that are no geometry."""
        return pl.DataFrame(self.arrow.drop_columns(list(self.geometries)))

    @cached_property
    def shapes(self) -> Shapes:
        """The primary geometries as they are."""
        return read_wkb(self.arrow.column(self.geometries[0]), self.geometries[0])

    @cached_property
    def drawn(self) -> Shapes:
        """The primary geometries as formats for the public draw them."""
        return drawn(self.shapes)

    @cached_property
    def geojson(self) -> dict[str, pl.Series]:
        """Geometry column → its cells as GeoJSON text."""
        texts = {}
        for place, name in enumerate(self.geometries):
            shapes = drawn(read_wkb(self.arrow.column(name), name)) if place else self.drawn
            texts[name] = geojson_texts(shapes).alias(name)
        return texts

    @cached_property
    def cells(self) -> pl.DataFrame:
        """All columns as text formats and sheets show them: geometries are GeoJSON."""
        if not self.geometries:
            return self.frame
        names = self.arrow.schema.names
        return pl.DataFrame(
            [self.geojson.get(n, self.frame.get_column(n, default=None)) for n in names]
        )

    @cached_property
    def records(self) -> bytes:
        """The rows as JSON, one a line; geometries are objects, behind the other values."""
        plain = jsonable(self.frame)
        if not self.geometries:
            written = io.BytesIO()
            plain.write_ndjson(written)
            return written.getvalue()
        places: list[pl.Expr | pl.Series] = []
        for name, texts in self.geojson.items():
            key = json.dumps(name, ensure_ascii=False)
            places += [pl.lit(f"{',' if places else ''}{key}:"), texts.fill_null("null")]
        if not plain.width:
            lines = pl.select(pl.concat_str(pl.lit("{"), *places, pl.lit("}\n")))
        else:
            record = pl.struct(pl.all()).struct.json_encode().str.strip_suffix("}")
            lines = plain.select(line=pl.concat_str(record, pl.lit(","), *places, pl.lit("}\n")))
        return str(lines.to_series().str.join("").item()).encode()

    @cached_property
    def features(self) -> pl.Series:
        """The rows as GeoJSON features of their primary geometries, one text each."""
        primary, *others = self.geometries
        properties = jsonable(self.frame).with_columns(self.geojson[name] for name in others)
        told = pl.Series(["{}"]).new_from_index(0, len(properties))
        if properties.width:
            told = properties.select(told=pl.struct(pl.all()).struct.json_encode()).to_series()
        feature = pl.concat_str(
            pl.lit('{"type":"Feature","properties":'),
            told,
            pl.lit(',"geometry":'),
            self.geojson[primary].fill_null("null"),
            pl.lit("}"),
        )
        return pl.select(feature).to_series()

    @cached_property
    def risky(self) -> dict[str, pl.Series]:
        """Text columns with cells that a spreadsheet would run → which cells."""
        texts = [name for name, kind in self.frame.schema.items() if kind == pl.String]
        # Hardly a column begins like a formula: the second look is at those alone.
        begun = self.frame.select(begins(name).any() for name in texts).row(0) if texts else ()
        some = [name for name, any_ in zip(texts, begun, strict=True) if any_]
        found = self.frame.select(risky(name) for name in some)
        told = {name: series_of(found, name) for name in some}
        return {name: cells for name, cells in told.items() if cells.any()}


class SafeTable:
    """A Parquet file with the release's published columns."""

    def __init__(self, path: Path, card: Card) -> None:
        self.path = path
        with pq.ParquetFile(path) as file:
            self.geometries = geometry_columns(file.schema_arrow, card)
            self.schema: pa.Schema = file.schema_arrow.remove_metadata()
            if not all(_is_known(field.type) for field in self.schema):
                raise TypeError("a column of a type that no safe table holds")
            self.rows: int = file.metadata.num_rows
            count = file.metadata.num_row_groups
            self._groups = [file.metadata.row_group(n) for n in range(count)]
        size = sum(group.total_byte_size for group in self._groups)
        # Text repeated in a column is stored once: what a row takes in memory can be more.
        width = max(size / max(self.rows, 1), 16 * len(self.schema), 1)
        self.batch_rows = max(1, min(BATCH, int(BATCH_BYTES / width)))

    def as_xml(self, cell: int) -> int:
        """About how many bytes of XML its rows are, `cell` being what a short cell takes."""
        held: int = sum(group.total_byte_size for group in self._groups)
        # Digits are longer than what they stand for, marks are escaped.
        return max(cell * self.rows * len(self.schema), 3 * held)

    @property
    def geometry(self) -> str | None:
        """The primary geometry column."""
        return self.geometries[0] if self.geometries else None

    @property
    def types(self) -> dict[str, str]:
        """Column → its Table Schema type, in the table's order."""
        return {field.name: table_schema_type(field.type) for field in self.schema}

    def edges(self, name: str) -> tuple[Any, Any] | None:
        """The least and the greatest value of a column, as the file's statistics say."""
        place = self.schema.get_field_index(name)
        found: list[Any] = []
        for group in self._groups:
            told = group.column(place).statistics
            if told is None or not told.has_min_max:
                if told is None or told.null_count != group.num_rows:
                    return None
                continue
            found += [told.min, told.max]
        return (min(found), max(found)) if found else None

    def is_short(self, name: str) -> bool:
        """Whether the file says that an integer column fits into 32 bits."""
        edges = self.edges(name)
        return edges is not None and edges[0] >= -(2**31) and edges[1] < 2**31

    def batches(self) -> Iterator[Batch]:
        """All rows, in order; each batch is made when it is asked for. A table without rows is one."""
        if self.rows == 0:
            yield Batch(pa.RecordBatch.from_pylist([], schema=self.schema), self.geometries)
        for batch in self.read():
            yield Batch(batch, self.geometries)

    def read(self, *columns: str) -> Iterator[pa.RecordBatch]:
        """Batches of some columns, or of all."""
        # Without buffering ahead: it keeps every byte that was read until the end.
        with pq.ParquetFile(self.path, pre_buffer=False) as file:
            for batch in file.iter_batches(self.batch_rows, columns=list(columns) or None):
                yield batch.replace_schema_metadata(None)


def _is_known(kind: pa.DataType) -> bool:
    """What ingest and anonymize write. Of another type a value might come out as another value, or
    pass by what looks at texts."""
    if pa.types.is_timestamp(kind):
        return kind.tz in (None, "UTC")
    is_ = pa.types
    checks = (
        is_.is_boolean, is_.is_integer, is_.is_float32, is_.is_float64, is_.is_string,
        is_.is_large_string, is_.is_date32, is_.is_time, is_.is_binary, is_.is_large_binary,
    )  # fmt: skip
    return any(check(kind) for check in checks)


def table_schema_type(kind: pa.DataType) -> str:
    """The Table Schema type of an Arrow type."""
    checks = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
        (pa.types.is_floating, "number"),
        (pa.types.is_date, "date"),
        (pa.types.is_timestamp, "datetime"),
        (pa.types.is_time, "time"),
        (pa.types.is_binary, "geojson"),
        (pa.types.is_large_binary, "geojson"),
    )
    return next((name for check, name in checks if check(kind)), "string")

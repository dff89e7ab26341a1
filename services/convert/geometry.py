"""Geometries: where they are in a table, and how formats for the public draw them.

Safe tables hold geometries as WKB in longitude and latitude, WGS 84. Parquet metadata (`geo`,
GeoParquet 1.1) may say which column is the primary one; a table that lost its metadata is read by its
types: nothing else in a safe table is binary.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import shapely

from services.convert.antimeridian import crosses_antimeridian, cut
from shared.card import Card
from shared.failures import Quarantined
from shared.messages import Reason

Shapes: TypeAlias = npt.NDArray[np.object_]

# RFC 7946, 11.2: more says nothing. 1e-7 degrees are about a centimetre.
PRECISION = 1e-7
_COLLECTION = shapely.GeometryType.GEOMETRYCOLLECTION
GEOMETRY_TYPES = ("geojson", "geometry")


def geometry_columns(schema: pa.Schema, card: Card) -> tuple[str, ...]:
    """The table's geometry columns, the primary one first; empty for a table without."""
    binary = [field.name for field in schema if _is_binary(field.type)]
    told = (schema.metadata or {}).get(b"geo")
    primary = _primary(told) if told else None
    if primary is None and card.table_schema:
        primary = next(
            (f.name for f in card.table_schema.fields if str(f.type) in GEOMETRY_TYPES), None
        )
    return tuple(sorted(binary, key=lambda name: name != primary))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _primary(told: bytes) -> str | None:
    try:
        name = json.loads(told).get("primary_column")
    except (ValueError, AttributeError):
        return None
    return name if isinstance(name, str) else None


def read_wkb(column: pa.Array, name: str) -> Shapes:
    """The geometries of a WKB column; None where there is none. Raises Quarantined for damaged ones."""
    cells = column.to_numpy(zero_copy_only=False)
    try:
        shapes: Shapes = shapely.from_wkb(cells)
    except (shapely.errors.GEOSException, TypeError, ValueError):
        raise Quarantined(Reason(code="geometry_damaged", column=name)) from None
    return shapes


def drawn(shapes: Shapes) -> Shapes:
    """The geometries as RFC 7946 wants them; None for those without a position.

    Seven decimals, outer rings counter-clockwise, cut in two where they cross the 180th meridian, no
    collection within a collection.
    """
    crossing = crosses_antimeridian(shapes)
    nested = _nested(shapes)
    if crossing.any() or nested.any():
        shapes = shapes.copy()
        shapes[nested] = [shapely.geometrycollections(_leaves(one)) for one in shapes[nested]]
        shapes[crossing] = [cut(shape) for shape in shapes[crossing]]
    rounded = shapely.set_precision(shapes, PRECISION, mode="pointwise")
    rounded[shapely.is_empty(rounded)] = None
    ringed = shapely.get_dimensions(rounded) == 2
    if ringed.any():
        rounded[ringed] = shapely.orient_polygons(rounded[ringed])
    found: Shapes = rounded
    return found


def _nested(shapes: Shapes) -> npt.NDArray[np.bool_]:
    """Which ones are collections that hold others."""
    found = shapely.get_type_id(shapes) == _COLLECTION
    for place in np.flatnonzero(found):
        kinds = shapely.get_type_id(shapely.get_parts(shapes[place]))
        found[place] = bool((kinds == _COLLECTION).any())
    return np.asarray(found, bool)


def _leaves(shape: Any) -> list[Any]:
    """What a collection holds, those within it opened."""
    parts = list(shapely.get_parts(shape))
    return [
        leaf
        for part in parts
        for leaf in (_leaves(part) if shapely.get_type_id(part) == _COLLECTION else [part])
    ]


def geojson_texts(shapes: Shapes) -> pl.Series:
    """GeoJSON geometry objects as text; null where there is none."""
    # As a list: of an array that begins with None Polars makes no texts.
    return pl.Series("geojson", shapely.to_geojson(shapes).tolist(), dtype=pl.String)

"""Geometries: where they are in a table, and how formats for the public draw them.

Safe tables hold geometries as WKB in longitude and latitude, WGS 84. Parquet metadata (`geo`,
GeoParquet 1.1) may say which column is the primary one; a table that lost its metadata is read by its
types: nothing else in a safe table is binary.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import shapely

from shared.card import Card
from shared.failures import Quarantined
from shared.messages import Reason

Shapes: TypeAlias = npt.NDArray[np.object_]

# RFC 7946, 11.2: more says nothing. 1e-7 degrees are about a centimetre.
PRECISION = 1e-7
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
    """The geometries as RFC 7946 wants them.

    Seven decimals, outer rings counter-clockwise, cut in two where they cross the 180th meridian.
    """
    crossing = crosses_antimeridian(shapes)
    if crossing.any():
        shapes = shapes.copy()
        shapes[crossing] = [_cut(shape) for shape in shapes[crossing]]
    rounded = shapely.set_precision(shapes, PRECISION, mode="pointwise")
    ringed = shapely.get_dimensions(rounded) == 2
    if ringed.any():
        rounded[ringed] = shapely.orient_polygons(rounded[ringed])
    found: Shapes = rounded
    return found


def crosses_antimeridian(shapes: Shapes) -> npt.NDArray[np.bool_]:
    """Which ones cross it: they lie beyond 180°, or jump by more than half the world."""
    bounds = shapely.bounds(shapes)
    beyond = (bounds[:, 2] > 180) | (bounds[:, 0] < -180)
    for place in np.flatnonzero(bounds[:, 2] - bounds[:, 0] > 180):
        beyond[place] = any(_jumps(line) for line in _lines(shapes[place]))
    return np.asarray(beyond, bool)


def _lines(shape: Any) -> Sequence[Any]:
    parts = shapely.get_parts(shape)
    polygons = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    others = parts[shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING]
    return [*shapely.get_rings(polygons), *others]


def _jumps(line: Any) -> bool:
    return bool((np.abs(np.diff(shapely.get_coordinates(line)[:, 0])) > 180).any())


def _cut(shape: Any) -> Any:
    """One geometry in parts that lie within the world."""
    if shapely.bounds(shape)[2] - shapely.bounds(shape)[0] > 180:
        # The short way: what is west of Greenwich lies a turn further east.
        shape = shapely.transform(shape, lambda xy: xy + np.outer(xy[:, 0] < 0, [360, 0]))
    parts = []
    for turn in (-360, 0, 360):
        world = shapely.box(turn - 180, -90, turn + 180, 90)
        inside = shapely.intersection(shape, world)
        parts += [
            shapely.transform(part, lambda xy, turn=turn: xy - [turn, 0])
            for part in shapely.get_parts(inside)
            if not part.is_empty and shapely.get_dimensions(part) == shapely.get_dimensions(shape)
        ]
    if len(parts) == 1:
        return parts[0]
    several = {
        0: shapely.multipoints, 1: shapely.multilinestrings, 2: shapely.multipolygons
    }  # fmt: skip
    return several[int(shapely.get_dimensions(shape))](parts)


def geojson_texts(shapes: Shapes) -> pl.Series:
    """GeoJSON geometry objects as text; null where there is none."""
    return pl.Series("geojson", shapely.to_geojson(shapes), dtype=pl.String)

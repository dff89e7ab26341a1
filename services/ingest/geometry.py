"""Geometries: read, brought to WGS 84, checked, written as well-known binary (ISO flavour).

As GeoParquet 1.1 asks: longitude first, whatever order an authority gives the axes. Heights are
kept as they are. French grids of NTF (Lambert II étendu…) are not in PROJ's small data: without
them positions from NTF are right to some metres, and the report says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import CRSError
from pyproj.transformer import Transformer, TransformerGroup

from services.ingest.cell_text import text_of
from shared.failures import Quarantined
from shared.messages import Reason

# What stands for a geometry that could not be read: empty well-known binary is none.
UNREADABLE = b""
WGS84 = "OGC:CRS84"
# With a decimetre of grace: rounding puts the antimeridian a little beyond itself.
_WORLD = (180.000001, 90.000001)
# Metropolitan France: west, south, east, north.
_FRANCE = (-5.2, 41.3, 9.6, 51.1)
_URN = re.compile(r"(?:urn:ogc:def:crs:)?(EPSG|OGC)(?::[\w.]*)?:(\w+)", re.IGNORECASE)
_HEX = re.compile(r"[0-9A-Fa-f]{18,}")
_SRID = re.compile(r"^SRID=\d+;", re.IGNORECASE)


def geometry_of_json(value: object) -> bytes | None:
    """A GeoJSON geometry object as well-known binary; `UNREADABLE` when it is none."""
    if value is None:
        return None
    try:
        return _binary(shapely.from_geojson(json.dumps(value, default=float), on_invalid="ignore"))
    except (TypeError, ValueError, OverflowError):
        return UNREADABLE


def geometry_of_text(text: str) -> bytes:
    """Well-known text, a GeoJSON geometry object, or well-known binary in hexadecimal digits."""
    text = text.strip()
    try:
        if text.startswith("{"):
            return _binary(shapely.from_geojson(text, on_invalid="ignore"))
        if _HEX.fullmatch(text):
            return _binary(shapely.from_wkb(text, on_invalid="ignore"))
        return _binary(shapely.from_wkt(_SRID.sub("", text), on_invalid="ignore"))
    except NotImplementedError:
        return UNREADABLE  # arcs


def points(x: NDArray[np.float64], y: NDArray[np.float64]) -> pa.Array:
    """Positions as well-known binary, null where both are NaN, `UNREADABLE` where one is."""
    absent = np.isnan(x) & np.isnan(y)
    broken = np.isnan(x) ^ np.isnan(y)
    found = shapely.to_wkb(shapely.points(np.nan_to_num(x), np.nan_to_num(y)), flavor="iso")
    found[broken] = UNREADABLE
    found[absent] = None
    return pa.array(found, pa.binary())


def _binary(geometry: Any) -> bytes:
    if geometry is None:
        return UNREADABLE
    written: bytes = shapely.to_wkb(geometry, flavor="iso")
    return written


def old_crs(member: object) -> str | None:
    """The reference system that GeoJSON of before RFC 7946 names: `urn:ogc:def:crs:EPSG::2154`; as a
    text alone in some. None where the member says nothing. Raises Quarantined(`crs_unknown`)."""
    if member is None:
        return None
    properties = member.get("properties") if isinstance(member, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else member
    found = _URN.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise Quarantined(Reason(code="crs_unknown"))
    return f"{found[1]}:{found[2]}".upper()


class Projection:
    """From a reference system to WGS 84. Raises Quarantined(`crs_unknown`)."""

    def __init__(self, crs: str | None) -> None:
        self.exact = True
        self._transformer: Transformer | None = None
        try:
            given = pyproj.CRS.from_user_input(crs or WGS84)
            if given.is_geographic and given.equals(pyproj.CRS(WGS84), ignore_axis_order=True):
                return
            if not (given.is_geographic or given.is_projected or given.is_compound):
                raise Quarantined(Reason(code="crs_unknown"))
            self._transformer = TransformerGroup(given, WGS84, always_xy=True).transformers[0]
            # RGF93 and WGS 84 agree to a metre, as EPSG has it; without the grid NTF does to two.
            self.exact = 0 <= self._transformer.accuracy <= 1
        except (CRSError, IndexError):
            raise Quarantined(Reason(code="crs_unknown")) from None

    def project(self, geometries: NDArray[np.object_]) -> NDArray[np.object_]:
        """The geometries in WGS 84; heights stay."""
        if self._transformer is None:
            return geometries
        transformer = self._transformer

        def moved(xy: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

        with_heights = shapely.has_z(geometries)
        found = geometries.copy()
        for solid in (False, True):
            chosen = with_heights == solid
            if not chosen.any():
                continue
            coordinates = shapely.get_coordinates(found[chosen], include_z=solid)
            coordinates[:, :2] = moved(coordinates)
            found[chosen] = shapely.set_coordinates(found[chosen], coordinates)
        return found


@dataclass(slots=True)
class GeometryFacts:
    """What the column's metadata say: types, and bounds as west, south, east, north."""

    types: set[str] = field(default_factory=set)
    # Whether a position had a measure (M), which GeoParquet and GeoJSON have no place for.
    measured: bool = False
    bounds: list[float] = field(default_factory=list)

    @property
    def swapped(self) -> bool:
        """Whether all lies in metropolitan France once longitude and latitude change places, which is
        in the Horn of Africa as it stands."""
        if not self.bounds:
            return False
        west, south, east, north = self.bounds
        return (
            _FRANCE[1] <= west
            and east <= _FRANCE[3]
            and _FRANCE[0] <= south
            and north <= _FRANCE[2]
        )

    def add(self, geometries: NDArray[np.object_]) -> None:
        there = geometries[~shapely.is_missing(geometries)]
        if not len(there):
            return
        kinds = set(
            zip(shapely.get_type_id(there).tolist(), shapely.has_z(there).tolist(), strict=True)
        )
        self.types |= {_TYPES[kind] + (" Z" if solid else "") for kind, solid in kinds}
        west, south, east, north = shapely.total_bounds(there).tolist()
        if not self.bounds:
            self.bounds = [west, south, east, north]
        old = self.bounds
        self.bounds = [min(old[0], west), min(old[1], south), max(old[2], east), max(old[3], north)]


_TYPES = (
    "Point", "LineString", "LineString", "Polygon", "MultiPoint", "MultiLineString",
    "MultiPolygon", "GeometryCollection",
)  # fmt: skip


def read_geometries(
    raw: pa.Array, projection: Projection, positions: int, facts: GeometryFacts
) -> tuple[pa.Array, pa.Array | None]:
    """Well-known binary in WGS 84, null where it is not right, and which those are (None: none).

    Right is what can be read, and lies on the Earth. Raises Quarantined(`geometry_too_large`).
    """
    given = np.array(raw.to_pylist(), dtype=object)
    there = np.array([cell is not None for cell in given], dtype=bool)
    found = _from_wkb(given)
    if len(found) and int(shapely.get_num_coordinates(found).max()) > positions:
        raise Quarantined(Reason(code="geometry_too_large", limit=positions))
    empty = shapely.is_empty(found)
    found, measured = _without_measures(found)
    facts.measured |= measured
    found = projection.project(found)
    found[_elsewhere(found) | empty] = None
    facts.add(found)
    bad = there & shapely.is_missing(found) & ~empty
    written = shapely.to_wkb(found, flavor="iso", output_dimension=3)
    return pa.array(written, pa.binary()), pa.array(bad) if bad.any() else None


class GeometryColumn:
    """How a geometry column is read, and what its metadata will say."""

    def __init__(self, projection: Projection, positions: int) -> None:
        self._projection = projection
        self._positions = positions
        self.facts = GeometryFacts()

    def read(self, raw: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        """`raw` (well-known binary, or text) as `read_geometries` gives it."""
        if pa.types.is_null(raw.type):
            return raw.cast(pa.binary()), None
        if not pa.types.is_binary(raw.type):
            texts = text_of(raw).to_pylist()
            raw = pa.array([t and geometry_of_text(t) for t in texts], pa.binary())
        return read_geometries(raw, self._projection, self._positions, self.facts)


def _from_wkb(given: NDArray[np.object_]) -> NDArray[np.object_]:
    """The geometries; arcs, which GEOS has no lines for, are none and refused with the others."""
    try:
        found: NDArray[np.object_] = shapely.from_wkb(given, on_invalid="ignore")
    except NotImplementedError:
        found = np.array([_straight(cell) for cell in given], dtype=object)
    return found


def _without_measures(given: NDArray[np.object_]) -> tuple[NDArray[np.object_], bool]:
    """The geometries without measures, and whether one said something: programs fill them with NaN."""
    chosen = shapely.has_m(given)
    if not chosen.any():
        return given, False
    flat = chosen & ~shapely.has_z(given)
    said = shapely.get_coordinates(given[chosen], include_z=True, include_m=True)[:, 3]
    found = given.copy()
    found[flat] = shapely.force_2d(given[flat])
    # By way of bytes: `force_3d` makes 0 of the heights, moving the positions NaN.
    solid = chosen & ~flat
    found[solid] = shapely.from_wkb(shapely.to_wkb(given[solid], output_dimension=3))
    return found, not bool(np.isnan(said).all())


def _straight(cell: bytes | None) -> object:
    try:
        return shapely.from_wkb(cell, on_invalid="ignore")
    except NotImplementedError:
        return None


def _elsewhere(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Which geometries have a position that is not on the Earth, nowhere, or without end above it."""
    positions, of = shapely.get_coordinates(geometries, include_z=True, return_index=True)
    with np.errstate(invalid="ignore"):
        off = ~(np.abs(positions[:, :2]) <= _WORLD).all(axis=1) | np.isinf(positions[:, 2])
    found = np.zeros(len(geometries), dtype=bool)
    found[of[off]] = True
    return found


def are_valid(values: pa.Array) -> pa.Array:
    """Whether each geometry is valid (OGC simple features: rings closed, that do not cross)."""
    found = shapely.from_wkb(np.array(values.to_pylist(), dtype=object), on_invalid="ignore")
    return pa.array(shapely.is_valid(found) | shapely.is_missing(found))


def geo_metadata(named: Sequence[tuple[str, GeometryFacts]]) -> str:
    """The `geo` metadata of a Parquet file (GeoParquet 1.1.0) with these geometry columns.

    No `crs` means longitude and latitude in WGS 84 (OGC:CRS84).
    """
    return json.dumps(
        {
            "version": "1.1.0",
            "primary_column": named[0][0],
            "columns": {
                name: {
                    "encoding": "WKB",
                    "geometry_types": sorted(facts.types),
                    **({"bbox": facts.bounds} if facts.bounds else {}),
                }
                for name, facts in named
            },
        },
        ensure_ascii=False,
        sort_keys=True,
    )

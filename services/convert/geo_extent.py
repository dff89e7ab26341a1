"""What a table's geometries are, from a reading of their column alone: kinds, extent, order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from services.convert.geometry import Shapes, read_wkb
from services.convert.safe_table import SafeTable

Floats = npt.NDArray[np.float64]
Bounds = tuple[float, float, float, float]

# GeoParquet 1.1 names kinds as GeoJSON does, with " Z" behind those with heights.
KINDS = (
    "Point", "LineString", "LineString", "Polygon", "MultiPoint", "MultiLineString",
    "MultiPolygon", "GeometryCollection",
)  # fmt: skip
BITS = 31  # of a place along one side of the world: 2 cm
_HALF = np.array([180.0, 90.0])
_LAST = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class GeoExtent:
    """`bounds`: west, south, east, north in degrees; None where no row has a geometry.

    `kinds` are sorted; `count` is of geometries, `points` of positions; `size` is the median width or
    height of a geometry in degrees, whichever is larger, 0 for points. `hilbert` is each row's place
    along a Hilbert curve over the world; rows without geometry come last.
    `area` in square degrees and `length` in degrees are those of all areas, and of all lines, together.
    """

    bounds: Bounds | None
    kinds: tuple[str, ...]
    count: int
    points: int
    size: float
    hilbert: npt.NDArray[np.uint64]
    area: float = 0.0
    length: float = 0.0


def geo_extent(table: SafeTable) -> GeoExtent:
    """Reads the primary geometry column. Raises Quarantined for what is no WKB."""
    name = table.geometries[0]
    corners: list[Floats] = []
    sizes: list[npt.NDArray[np.float32]] = []
    codes: list[npt.NDArray[np.uint64]] = []
    kinds: set[str] = set()
    points = 0
    area = length = 0.0
    for batch in table.read(name):
        shapes = read_wkb(batch.column(name), name)
        boxes: Floats = shapely.bounds(shapes)
        found = boxes[~np.isnan(boxes[:, 0])]
        if len(found):
            corners.append(np.array([*found[:, :2].min(axis=0), *found[:, 2:].max(axis=0)]))
        sides = np.maximum(found[:, 2] - found[:, 0], found[:, 3] - found[:, 1])
        sizes.append(sides.astype(np.float32))
        codes.append(hilbert(boxes))
        kinds |= _kinds(shapes)
        points += int(shapely.get_num_coordinates(shapes).sum())
        area += float(shapely.area(shapes[~shapely.is_missing(shapes)]).sum())
        length += float(shapely.length(shapes[shapely.get_dimensions(shapes) == 1]).sum())
    every = np.concatenate([*sizes, np.empty(0, np.float32)])
    return GeoExtent(
        bounds=_around(corners),
        kinds=tuple(sorted(kinds)),
        count=len(every),
        points=points,
        size=float(np.median(every)) if len(every) else 0.0,
        hilbert=np.concatenate([*codes, np.empty(0, np.uint64)]),
        area=area,
        length=length,
    )


def _around(corners: list[Floats]) -> Bounds | None:
    if not corners:
        return None
    all_ = np.array(corners)
    west, south = all_[:, :2].min(axis=0).tolist()
    east, north = all_[:, 2:].max(axis=0).tolist()
    return west, south, east, north


def _kinds(shapes: Shapes) -> set[str]:
    ids, high = shapely.get_type_id(shapes), shapely.has_z(shapes)
    pairs = np.unique(np.column_stack([ids, high]), axis=0).tolist()
    return {KINDS[kind] + (" Z" if z else "") for kind, z in pairs if kind >= 0}


def hilbert(boxes: Floats) -> npt.NDArray[np.uint64]:
    """Places of the boxes' centres along a Hilbert curve over the world (Hilbert, 1891)."""
    there = ~np.isnan(boxes[:, 0])
    side = np.uint64(2**BITS - 1)
    centre = np.where(there[:, None], (boxes[:, :2] + boxes[:, 2:]) / 2, 0)
    share = np.clip((centre + _HALF) / (2 * _HALF), 0, 1)
    x, y = (share * float(side)).astype(np.uint64).T
    code = np.zeros(len(boxes), np.uint64)
    for bit in range(BITS - 1, -1, -1):
        step = np.uint64(1 << bit)
        right, up = (x & step) > 0, (y & step) > 0
        code += step * step * ((np.uint64(3) * right) ^ up).astype(np.uint64)
        turned = ~up & right
        x, y = np.where(turned, side - x, x), np.where(turned, side - y, y)
        x, y = np.where(up, x, y), np.where(up, y, x)
    code[~there] = _LAST
    return code

"""A simplified GeoJSON layer for the page's map, of at most half a megabyte."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import shapely

from services.convert.geo_extent import GeoExtent
from services.convert.geometry import Shapes
from services.convert.safe_table import Batch, SafeTable

MOST_BYTES = 500_000
MOST_FEATURES = 5000
# Of the whole extent: a page's map is about a thousand pixels wide.
DETAIL = 1000
FEW = 8  # positions that there is nothing to leave out of
WORTH = 0.8  # of the positions: where more are left, drawing coarser is of no use
WORLD = 360.0
_LABELS = ("nom", "name", "libelle", "title", "titre")


class MapLayer:
    """Takes every so-manieth geometry while the rows pass; drawn coarser until it is small enough."""

    def __init__(self, table: SafeTable, extent: GeoExtent) -> None:
        west, south, east, north = extent.bounds or (0, 0, 0, 0)
        self._pixel = max(east - west, north - south) / DETAIL
        self._step = max(1, -(-table.rows // MOST_FEATURES))
        names = [name for name, kind in table.types.items() if kind == "string"]
        self._label = next((name for name in names if name.lower() in _LABELS), None)
        self._row = 0
        self._shapes: list[Shapes] = []
        self._labels: list[str | None] = []

    def write(self, batch: Batch) -> None:
        """Takes the next rows."""
        first = -self._row % self._step
        places = np.arange(first, batch.arrow.num_rows, self._step)
        self._row += batch.arrow.num_rows
        # Coarse at once, so that what is held stays small.
        shapes = _coarser(batch.drawn[places], self._pixel / 2)
        labels = batch.frame[self._label][places].to_list() if self._label else [None] * len(places)
        there = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
        self._shapes.append(shapes[there])
        self._labels += [label for label, held in zip(labels, there, strict=True) if held]

    def content(self) -> bytes:
        """The layer: a feature collection; its features hold a label, if the table has one."""
        shapes = np.concatenate([*self._shapes, np.empty(0, object)])
        labels, pixel = self._labels, self._pixel
        while len(made := _collection(shapes, labels)) > MOST_BYTES:
            pixel *= 2
            lighter = _lighter(shapes, pixel)
            if lighter is not None:
                shapes = lighter
            elif len(shapes) > 1:
                shapes, labels = shapes[::2], labels[::2]
            else:
                shapes = _coarser(shapes, pixel) if pixel < WORLD else shapely.envelope(shapes)
        return made


def _lighter(shapes: Shapes, pixel: float) -> Shapes | None:
    """All of the shapes, drawn coarser or with fewer parts; None if neither is of use."""
    positions = shapely.get_num_coordinates(shapes)
    if (positions > FEW).mean() <= 0.2:
        return None
    coarser = _coarser(shapes, pixel)
    if shapely.get_num_coordinates(coarser).sum() < WORTH * positions.sum():
        return coarser
    fewer = fewer_parts(shapes)
    return fewer if shapely.get_num_coordinates(fewer).sum() < positions.sum() else None


def _coarser(shapes: Shapes, pixel: float) -> Shapes:
    """Drawn with what is smaller than a pixel left out. No area vanishes; lines need no such care,
    which takes long where they cross themselves."""
    found = shapes.copy()
    lines = shapely.get_dimensions(shapes) == 1
    for some, careful in ((lines, False), (~lines, True)):
        found[some] = shapely.simplify(shapes[some], pixel, preserve_topology=careful)
    return found


def fewer_parts(shapes: Shapes) -> Shapes:
    """About half the parts of what has several, the larger ones; of one area about half its holes."""
    return np.array([_halved(shape) for shape in shapes], object)


def _halved(shape: Any) -> Any:
    parts = shapely.get_parts(shape)
    if len(parts) > 1:
        return _GATHERED[int(shapely.get_type_id(shape))](_larger_half(parts))
    if shapely.get_type_id(shape) in (_POLYGON, _SEVERAL_POLYGONS):
        shell, *holes = shapely.get_rings(shape)
        if holes:
            kept = list(_larger_half(np.array(holes, object))) if len(holes) > 1 else None
            return shapely.polygons(shell, holes=kept)
    return shape


def _larger_half(parts: Shapes) -> Shapes:
    sizes = shapely.area(parts) + shapely.length(parts)
    largest = np.argsort(-sizes, kind="stable")[: -(-len(parts) // 2)]
    half: Shapes = parts[np.sort(largest)] if sizes.any() else parts[::2]
    return half


_POLYGON, _SEVERAL_POLYGONS = shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON
_GATHERED: dict[int, Callable[[Shapes], Any]] = {
    4: shapely.multipoints,
    5: shapely.multilinestrings,
    6: shapely.multipolygons,
    7: shapely.geometrycollections,
}


def _collection(shapes: Shapes, labels: list[str | None]) -> bytes:
    drawn = shapely.to_geojson(shapely.set_precision(shapes, 1e-5, mode="pointwise"))
    features = ",\n".join(
        f'{{"type":"Feature","properties":{_properties(label)},"geometry":{shape}}}'
        for shape, label in zip(drawn, labels, strict=True)
    )
    return f'{{"type":"FeatureCollection","features":[\n{features}\n]}}\n'.encode()


def _properties(label: str | None) -> str:
    return "{}" if label is None else json.dumps({"label": label[:100]}, ensure_ascii=False)

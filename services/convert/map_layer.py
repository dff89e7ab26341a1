"""A simplified GeoJSON layer for the page's map, of at most half a megabyte."""

from __future__ import annotations

import json

import numpy as np
import shapely

from services.convert.geo_extent import GeoExtent
from services.convert.geometry import Shapes
from services.convert.safe_table import Batch, SafeTable

MOST_BYTES = 500_000
MOST_FEATURES = 5000
# Of the whole extent: a page's map is about a thousand pixels wide.
DETAIL = 1000
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
        shapes = shapely.simplify(batch.drawn[places], self._pixel / 2)
        labels = batch.frame[self._label][places].to_list() if self._label else [None] * len(places)
        there = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
        self._shapes.append(shapes[there])
        self._labels += [label for label, held in zip(labels, there, strict=True) if held]

    def content(self) -> bytes:
        """The layer: a feature collection; its features hold a label, if the table has one."""
        shapes = np.concatenate([*self._shapes, np.empty(0, object)])
        labels, pixel = self._labels, self._pixel
        while True:
            made = _collection(shapes, labels)
            if len(made) <= MOST_BYTES:
                return made
            if (shapely.get_num_coordinates(shapes) > 8).mean() > 0.2:
                pixel *= 2
                shapes = shapely.simplify(shapes, pixel)
            else:
                shapes, labels = shapes[::2], labels[::2]


def _collection(shapes: Shapes, labels: list[str | None]) -> bytes:
    drawn = shapely.to_geojson(shapely.set_precision(shapes, 1e-5, mode="pointwise"))
    features = ",\n".join(
        f'{{"type":"Feature","properties":{_properties(label)},"geometry":{shape}}}'
        for shape, label in zip(drawn, labels, strict=True)
    )
    return f'{{"type":"FeatureCollection","features":[\n{features}\n]}}\n'.encode()


def _properties(label: str | None) -> str:
    return "{}" if label is None else json.dumps({"label": label[:100]}, ensure_ascii=False)

"""Geometries that cross the 180th meridian, cut there (RFC 7946, 3.1.9).

Two positions more than half the world apart are joined by the short way, across the meridian. Not so
where this would leave nothing of a line or an area, or would not close it: an area that reaches from
one edge of the map to the other, as the whole world or a polar cap does, is drawn as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

Floats = npt.NDArray[np.float64]
_POINT, _LINE, _POLYGON = 0, 1, 3  # type ids of shapely
_TURN = 360.0
_SEVERAL: dict[int, Callable[[Sequence[Any]], Any]] = {
    0: shapely.multipoints, 1: shapely.multilinestrings, 2: shapely.multipolygons
}  # fmt: skip


def crosses_antimeridian(shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Which ones cross it: they lie beyond 180°, or jump by more than half the world."""
    bounds = shapely.bounds(shapes)
    beyond = (bounds[:, 2] > 180) | (bounds[:, 0] < -180)
    for place in np.flatnonzero(bounds[:, 2] - bounds[:, 0] > 180):
        beyond[place] |= any(_jumps(line) for line in _lines(shapes[place]))
    return np.asarray(beyond, bool)


def cut(shape: Any) -> Any:
    """A geometry in parts that lie within the world; heights stay. A collection stays one."""
    if shapely.get_type_id(shape) == shapely.GeometryType.GEOMETRYCOLLECTION:
        return shapely.geometrycollections([cut(part) for part in shapely.get_parts(shape)])
    pieces = [piece for part in shapely.get_parts(shape) for piece in _pieces(part)]
    if len(pieces) == 1:
        return pieces[0]
    return _SEVERAL[int(shapely.get_dimensions(shape))](pieces)


def _pieces(part: Any) -> list[Any]:
    """A point, line or area without holes apart from its own, in pieces."""
    straight = _straight(part)
    if straight is None:
        return [part]
    if not shapely.is_valid(straight):
        straight = shapely.make_valid(straight)
    west, _, east, _ = shapely.bounds(straight)
    found = []
    for turn in range(math.floor((west + 180) / _TURN), math.ceil((east - 180) / _TURN) + 1):
        world = shapely.box(turn * _TURN - 180, -90, turn * _TURN + 180, 90)
        inside = _moved(shapely.intersection(straight, world), -turn * _TURN)
        # Of what only touches an edge nothing but the touch is left.
        found += [
            leaf
            for leaf in shapely.get_parts(inside)
            if shapely.get_dimensions(leaf) == shapely.get_dimensions(part) and not leaf.is_empty
        ]
    return found or [part]


def _straight(part: Any) -> Any | None:
    """The part with no jump in it, which may lie beyond the world's edge; None if it is to stay."""
    kind = shapely.get_type_id(part)
    if kind == _POINT:
        return part
    if kind == _LINE:
        line = shapely.linestrings(_unrolled(part))
        return line if line.length else None
    shell, *holes = (_unrolled(ring) for ring in shapely.get_rings(part))
    if any(_is_open(ring) for ring in (shell, *holes)):
        return None
    west, east = shell[:, 0].min(), shell[:, 0].max()
    if west == east:
        return None
    for hole in holes:
        middle = (hole[:, 0].min() + hole[:, 0].max()) / 2
        hole[:, 0] += _TURN * np.round(((west + east) / 2 - middle) / _TURN)
    rings = [shapely.linearrings(hole) for hole in holes]
    return shapely.polygons(shapely.linearrings(shell), holes=rings or None)


def _unrolled(line: Any) -> Floats:
    """The positions of a line or ring, each the short way from the one before."""
    xyz: Floats = shapely.get_coordinates(line, include_z=bool(shapely.has_z(line)))
    steps = np.diff(xyz[:, 0])
    xyz[1:, 0] -= _TURN * np.cumsum(np.round(steps / _TURN))
    return xyz


def _is_open(ring: Floats) -> bool:
    return bool(ring[0, 0] != ring[-1, 0])


def _moved(shape: Any, degrees: float) -> Any:
    return shapely.transform(
        shape,
        lambda xyz: xyz + np.eye(1, xyz.shape[1]) * degrees,
        include_z=bool(shapely.has_z(shape)),
    )


def _lines(shape: Any) -> list[Any]:
    """The lines and rings of a geometry, collections within it opened."""
    parts = shapely.get_parts(shape)
    kinds = shapely.get_type_id(parts)
    areas, lines = parts[kinds == _POLYGON], parts[kinds == _LINE]
    inner = [line for part in parts[kinds > _POLYGON] for line in _lines(part)]
    return [*shapely.get_rings(areas), *lines, *inner]


def _jumps(line: Any) -> bool:
    return bool((np.abs(np.diff(shapely.get_coordinates(line)[:, 0])) > 180).any())

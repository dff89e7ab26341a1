"""What crosses the 180th meridian is cut there; what merely reaches from edge to edge is not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from services.convert.antimeridian import crosses_antimeridian, cut
from services.convert.geometry import drawn


def shown(wkt: str) -> str:
    """A geometry as formats for the public draw it."""
    [found] = drawn(np.array([shapely.from_wkt(wkt)], object))
    return "" if found is None else str(shapely.to_wkt(shapely.normalize(found)))


def written(wkt: str) -> str:
    return str(shapely.to_wkt(shapely.normalize(shapely.from_wkt(wkt))))


@pytest.mark.parametrize(
    ("wkt", "expected"),
    [
        ("LINESTRING (179 10, -179 12)", "MULTILINESTRING ((179 10, 180 11), (-180 11, -179 12))"),
        ("LINESTRING Z (179 10 5, -179 12 7)",
         "MULTILINESTRING Z ((179 10 5, 180 11 6), (-180 11 6, -179 12 7))"),
        ("LINESTRING (179 0, 180 0, -180 0, -179 0)",
         "MULTILINESTRING ((179 0, 180 0), (-180 0, -179 0))"),
        ("POLYGON ((179 0, 180 0, -180 0, -179 0, -179 1, -180 1, 180 1, 179 1, 179 0))",
         "MULTIPOLYGON (((179 0, 180 0, 180 1, 179 1, 179 0)),"
         " ((-180 0, -179 0, -179 1, -180 1, -180 0)))"),
        ("POLYGON Z ((179 0 1, -179 0 1, -179 1 1, 179 1 1, 179 0 1))",
         "MULTIPOLYGON Z (((179 0 1, 180 0 1, 180 1 1, 179 1 1, 179 0 1)),"
         " ((-180 0 1, -179 0 1, -179 1 1, -180 1 1, -180 0 1)))"),
        ("MULTIPOLYGON (((179 0, -179 0, -179 1, 179 1, 179 0)), ((-1 45, 1 45, 1 46, -1 45)))",
         "MULTIPOLYGON (((179 0, 180 0, 180 1, 179 1, 179 0)),"
         " ((-180 0, -179 0, -179 1, -180 1, -180 0)), ((-1 45, 1 45, 1 46, -1 45)))"),
        ("GEOMETRYCOLLECTION (LINESTRING (179 10, -179 12), POINT (4 45))",
         "GEOMETRYCOLLECTION (MULTILINESTRING ((179 10, 180 11), (-180 11, -179 12)),"
         " POINT (4 45))"),
        ("MULTIPOINT (179 1, -179 1)", "MULTIPOINT (179 1, -179 1)"),
        ("POINT (181 45)", "POINT (-179 45)"),
    ],
)  # fmt: skip
def test_it_is_cut(wkt: str, expected: str) -> None:
    """Heights stay, so do the parts that do not cross, and what else a collection holds."""
    assert shown(wkt) == written(expected)


@pytest.mark.parametrize(
    "wkt",
    [
        "POLYGON ((-180 -90, 180 -90, 180 90, -180 90, -180 -90))",
        "POLYGON ((-180 -60, 0 -65, 180 -60, 180 -90, -180 -90, -180 -60))",
        "LINESTRING (-180 0, 180 0)",
        "LINESTRING (-170 0, 0 0, 170 0)",
        "POLYGON ((-179 0, 0 -10, 179 0, 0 10, -179 0))",
        "MULTIPOLYGON (((170 0, 171 0, 171 1, 170 0)), ((-171 0, -170 0, -170 1, -171 0)))",
    ],
)
def test_it_stays_whole(wkt: str) -> None:
    """The world, a polar cap, an equator, what only is wide, what lies on both sides."""
    assert shown(wkt) == written(wkt)


def test_a_hole_is_cut_with_its_area() -> None:
    """Written on either side of the meridian, it is where it was."""
    hole = "(-179.5 0.2, 179.5 0.2, 179.5 0.8, -179.5 0.2)"
    whole = f"POLYGON ((179 0, -179 0, -179 1, 179 1, 179 0), {hole})"
    found = cut(shapely.from_wkt(whole))
    assert found.is_valid
    assert found.area == pytest.approx(2 - 0.3)
    assert not found.contains(shapely.Point(179.9, 0.3))


def test_an_area_that_crosses_itself_is_cut_too() -> None:
    """A card may let such pass: it stops nothing."""
    found = cut(shapely.from_wkt("POLYGON ((179 0, -179 1, -179 0, 179 1, 179 0))"))
    west, _, east, _ = found.bounds
    assert (west, east) == (-180, 180)
    assert found.area == pytest.approx(1)


@pytest.mark.parametrize(
    "kind", ["POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "GEOMETRYCOLLECTION"]
)
def test_what_has_no_position_is_nothing(kind: str) -> None:
    """An empty geometry is drawn as none, of whatever kind."""
    assert shown(f"{kind} EMPTY") == ""


def test_no_collection_within_a_collection() -> None:
    """RFC 7946, 3.1.8: they are opened."""
    wkt = "GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (POINT (1 2), GEOMETRYCOLLECTION (POINT (3 4))))"
    assert shown(wkt) == written("GEOMETRYCOLLECTION (POINT (1 2), POINT (3 4))")


CORNERS = st.tuples(st.floats(-175, 175), st.floats(-80, 80), st.floats(1, 60), st.floats(1, 9))


@settings(max_examples=60, deadline=None)
@given(CORNERS, st.integers(-1, 1))
def test_nothing_is_lost_and_nothing_lies_beyond(
    corner: tuple[float, float, float, float], turn: int
) -> None:
    """A box anywhere, of any width, written with longitudes within the world: the same area."""
    x, y, width, height = corner
    around = shapely.box(x, y, x + width, y + height)
    folded = shapely.transform(around, lambda xy: np.column_stack([_fold(xy[:, 0]), xy[:, 1]]))
    beyond = shapely.transform(around, lambda xy: xy + np.array([360 * turn, 0]))
    for given_ in (folded, beyond):
        crosses = crosses_antimeridian(np.array([given_], object))[0]
        found = cut(given_) if crosses else given_
        west, _, east, _ = found.bounds
        assert (west >= -180 - 1e-9, east <= 180 + 1e-9) == (True, True)
        assert found.area == pytest.approx(width * height)


def _fold(degrees: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(degrees > 180, degrees - 360, degrees)

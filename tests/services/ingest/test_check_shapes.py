"""Shapefiles whose parts do not agree: GDAL drops records, or their geometry, without a word."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyogrio
import pytest
import shapely

from tests.services.ingest.reading import refusal, rows
from tests.services.ingest.test_formats import zipped

POINTS = [shapely.Point(4.8, 45.7 + at) for at in range(3)]
AREAS = [shapely.Polygon([(4, 45), (5, 45), (5, 46), (4, 45)])] * 2


def parts(shapes: list[shapely.Geometry], name: str = "v") -> dict[str, bytes]:
    """A shapefile's files; without one that says the encoding."""
    with TemporaryDirectory() as folder:
        pyogrio.raw.write(
            Path(folder) / "a.shp", np.array([s.wkb for s in shapes], dtype=object),
            [np.array(["x"] * len(shapes))], [name], geometry_type=shapes[0].geom_type,
            crs="EPSG:4326", driver="ESRI Shapefile", encoding="CP1252",
        )  # fmt: skip
        found = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
    del found["a.cpg"]
    return found


def changed(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


@pytest.mark.parametrize("part", ["a.dbf", "a.shx"])
def test_table_and_index_of_two_lengths(tmp_path: Path, part: str) -> None:
    """GDAL reads as many rows as the shorter has."""
    content = zipped(parts(POINTS) | {part: parts(POINTS[:2])[part]})
    assert refusal(content, tmp_path) == {"code": "geo_unreadable", "count": 1}


@pytest.mark.parametrize("offset", [64, 99_999, -9], ids=["twice", "beyond", "before"])
def test_an_index_that_leads_elsewhere(tmp_path: Path, offset: int) -> None:
    """To another record, or out of the file: a place would have another's position, or none."""
    made = parts(POINTS)
    made["a.shx"] = changed(made["a.shx"], 100, offset.to_bytes(4, "big", signed=True))
    assert refusal(zipped(made), tmp_path) == {"code": "geo_unreadable"}


@pytest.mark.parametrize(
    ("shapes", "at"), [(POINTS, 8), (AREAS, 8 + 36)], ids=["unknown kind", "too many parts"]
)
def test_a_shape_that_is_damaged(tmp_path: Path, shapes: list[shapely.Geometry], at: int) -> None:
    """Is not a row without geometry."""
    made = parts(shapes)
    # After the file's header, and the first record of a shape of that kind.
    second = 100 + len(made["a.shp"][100:]) // len(shapes)
    made["a.shp"] = changed(made["a.shp"], second + at, (99).to_bytes(4, "little"))
    told = refusal(zipped(made), tmp_path)
    assert told == {"code": "geometry_unreadable", "line": 2, "count": 1}


def test_shapes_that_are_none(tmp_path: Path) -> None:
    """The null shape, and an area without positions, are rows without geometry."""
    made = parts(POINTS)
    made["a.shp"] = changed(made["a.shp"], 108, bytes(4))
    assert [row["geometry"] is None for row in rows(zipped(made), tmp_path)] == [True, False, False]
    made = parts(AREAS)
    made["a.shp"] = changed(made["a.shp"], 108 + 36, bytes(8))
    assert [row["geometry"] is None for row in rows(zipped(made), tmp_path)] == [True, False]


def test_a_deleted_record_before_a_null_shape(tmp_path: Path) -> None:
    """Neither shifts what belongs together."""
    made = parts(POINTS)
    begin = int.from_bytes(made["a.dbf"][8:10], "little")
    made["a.dbf"] = changed(made["a.dbf"], begin, b"*")
    made["a.shp"] = changed(made["a.shp"], 108, (99).to_bytes(4, "little"))
    found = [shapely.from_wkb(row["geometry"]) for row in rows(zipped(made), tmp_path)]
    assert found == POINTS[1:]


def test_accents_in_the_names_of_columns_alone(tmp_path: Path) -> None:
    """Without a .cpg they are told as the texts are."""
    assert "Année" in rows(zipped(parts(POINTS, "Année")), tmp_path)[0]

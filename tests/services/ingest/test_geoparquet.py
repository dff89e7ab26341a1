"""What other programs write into Parquet: geometries of several systems or in other forms, UUIDs,
decimals. Each is read as it was meant, or refused; none becomes another value."""

from __future__ import annotations

import io
import json
import struct
import uuid
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from tests.services.ingest.reading import plain, read, refusal, rows

LYON = shapely.Point(4.8, 45.7).wkb
LAMBERT_93 = json.loads(pyproj.CRS("EPSG:2154").to_json())
CRS84 = json.loads(pyproj.CRS("OGC:CRS84").to_json())
ORIGIN = shapely.Point(700_000, 6_600_000).wkb


def parquet(**columns: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"id": ["B1"], **columns}), out)
    return out.getvalue()


def geoparquet(said: dict[str, dict[str, object]], **columns: object) -> bytes:
    """One row, and what the metadata say of its geometries: well-known binary unless told."""
    told = {name: {"encoding": "WKB", "geometry_types": []} | more for name, more in said.items()}
    geo = {"version": "1.1.0", "primary_column": next(iter(told)), "columns": told}
    made = pa.table({"id": ["B1"], **columns})
    out = io.BytesIO()
    pq.write_table(made.replace_schema_metadata({"geo": json.dumps(geo)}), out)
    return out.getvalue()


def test_two_geometries_of_two_systems(tmp_path: Path) -> None:
    """The second would be moved as if it were in the first one's."""
    content = geoparquet({"g": {"crs": LAMBERT_93}, "h": {}}, g=[ORIGIN], h=[LYON])
    assert refusal(content, tmp_path) == {"code": "crs_unknown", "count": 2}


def test_two_geometries_of_one_system(tmp_path: Path) -> None:
    """However it is said."""
    [row] = rows(geoparquet({"g": {"crs": CRS84}, "h": {}}, g=[LYON], h=[LYON]), tmp_path)
    assert row["g"] == row["h"] == LYON


def test_a_system_said_to_be_unknown(tmp_path: Path) -> None:
    """Is not WGS 84, which is what saying nothing means; the card may tell it."""
    content = geoparquet({"g": {"crs": None}}, g=[ORIGIN])
    assert refusal(content, tmp_path) == {"code": "crs_missing"}
    [row] = rows(content, tmp_path, plain(source={"crs": "EPSG:2154"}))
    assert shapely.from_wkb(row["g"]).x == pytest.approx(3.0)


def test_a_geometry_that_is_not_the_primary_one(tmp_path: Path) -> None:
    """Is in the system that it names itself."""
    geo = {
        "version": "1.1.0", "primary_column": "gone",
        "columns": {"g": {"encoding": "WKB", "geometry_types": [], "crs": LAMBERT_93}},
    }  # fmt: skip
    out = io.BytesIO()
    made = pa.table({"id": ["B1"], "g": [ORIGIN]})
    pq.write_table(made.replace_schema_metadata({"geo": json.dumps(geo)}), out)
    [row] = rows(out.getvalue(), tmp_path)
    assert shapely.from_wkb(row["g"]).x == pytest.approx(3.0)


def test_a_geometry_of_structures(tmp_path: Path) -> None:
    """GeoArrow's own form is no well-known binary; it does not become text in a grid."""
    points = pa.array([{"x": 700_000.0, "y": 6_600_000.0}])
    content = geoparquet({"g": {"encoding": "point", "crs": LAMBERT_93}}, g=points)
    assert refusal(content, tmp_path) == {"code": "column_unreadable", "position": 2}


def test_bytes_in_a_dictionary(tmp_path: Path) -> None:
    """Are bytes, not geometries."""
    content = parquet(v=pa.array([LYON]).dictionary_encode())
    assert refusal(content, tmp_path) == {"code": "column_unreadable", "position": 2}


def test_uuids_and_truths_of_a_byte(tmp_path: Path) -> None:
    """As DuckDB and others write them."""
    number = uuid.UUID("6e10cbd9-04ef-4743-8a88-154a5534fbbe")
    truth = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1], pa.int8()))
    content = parquet(u=pa.array([number.bytes], pa.uuid()), ok=truth)
    assert rows(content, tmp_path) == [{"id": "B1", "u": str(number), "ok": True}]


@pytest.mark.parametrize("text", ["19.99", "0.10", "1234567.89", "-81.20", "4503599627370.49"])
def test_decimals_are_what_they_say(tmp_path: Path, text: str) -> None:
    """The number nearest to the text; Arrow's own cast gives the one beside it."""
    content = parquet(v=pa.array([Decimal(text)], pa.decimal128(30, 2)))
    assert rows(content, tmp_path)[0]["v"] == float(text)


ARC = struct.pack("<BII6d", 1, 8, 3, 4, 45, 4.5, 45.5, 5, 45)
ENDLESS = struct.pack("<BIddd", 1, 1001, 4.8, 45.7, float("inf"))


@pytest.mark.parametrize("cell", [ARC, ENDLESS], ids=["arc", "endless height"])
def test_geometries_that_nobody_draws(tmp_path: Path, cell: bytes) -> None:
    """Arcs, and heights without end, are refused by rank, not a defect of ours."""
    told = refusal(geoparquet({"g": {}}, g=[cell]), tmp_path)
    assert told == {"code": "geometry_unreadable", "position": 2, "line": 1, "count": 1}


@pytest.mark.parametrize("text", ["CIRCULARSTRING (4 45, 4.5 45.5, 5 45)", ARC.hex()])
def test_arcs_in_texts(tmp_path: Path, text: str) -> None:
    """Nor in a column of texts that the schema says are geometries."""
    fields = [{"name": "id"}, {"name": "geom", "type": "geojson"}]
    chosen = plain("id", "geom", schema={"fields": fields})
    told = refusal(f'id;geom\nB1;"{text}"\n'.encode(), tmp_path, chosen)
    assert told["code"] == "geometry_unreadable"


def measured(measure: float) -> tuple[bytes, bytes]:
    """A point with a measure, and one with a height too."""
    flat, solid = (4.8, 45.7, measure), (4.8, 45.7, 172.0, measure)
    return struct.pack("<BI3d", 1, 2001, *flat), struct.pack("<BI4d", 1, 3001, *solid)


@pytest.mark.parametrize("measure", [9.0, float("nan")], ids=["said", "filling"])
def test_measures(tmp_path: Path, measure: float) -> None:
    """Are left out, heights are not; it is said where there were some."""
    for cell, kept in zip(
        measured(measure), ("POINT (4.8 45.7)", "POINT Z (4.8 45.7 172)"), strict=True
    ):
        content = geoparquet({"g": {}}, g=[cell])
        [row] = rows(content, tmp_path)
        assert shapely.from_wkb(row["g"]).wkt == kept
        told = {one["code"] for one in read(content, tmp_path).quality["warnings"]}
        assert ("measures_left_out" in told) == (measure == 9)


def test_a_measure_and_a_height_in_a_grid(tmp_path: Path) -> None:
    """The height stays where positions move too."""
    cell = struct.pack("<BI4d", 1, 3001, 700_000, 6_600_000, 172, 9)
    [row] = rows(geoparquet({"g": {"crs": LAMBERT_93}}, g=[cell]), tmp_path)
    found = shapely.from_wkb(row["g"])
    assert (found.x, found.y, found.z, found.has_m) == pytest.approx((3.0, 46.5, 172.0, False))

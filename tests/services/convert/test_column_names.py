"""A column is called in every format as the card calls it, or the release says what else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from services.convert.conversion_report import make_report
from services.convert.convert_table import ConvertedRelease
from tests.services.convert.tables import convert, file

PLACES = pa.array(shapely.to_wkb(shapely.points([[4.0, 45], [5, 45], [6, 45]])), pa.binary())


def placed(**columns: Any) -> pa.Table:
    """Three rows with these columns, and a place each."""
    return pa.table(columns | {"lieu": PLACES})


def by_gdal(path: Path) -> pa.Table:
    return pyogrio.read_arrow(path)[1]


def extra(made: ConvertedRelease, name: str) -> str:
    [found] = [one for one in made.extras if one.name == name]
    return found.path.read_text(encoding="utf-8")


# --- names that are patterns ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["*", "^n.*$", "^.*$"])
@pytest.mark.parametrize("cells", [["=1", None, "b"], [1, None, 3], [1.5, None, float("nan")]])
def test_a_name_that_is_a_pattern_is_one_name(tmp_path: Path, name: str, cells: list[Any]) -> None:
    """Every format holds the column, and it may be the key."""
    table = placed(n=["x", "=y", "z"], **{name: cells})
    fields = [{"name": "n", "type": "string"}, {"name": name}, {"name": "lieu", "type": "geojson"}]
    schema = {"fields": fields, "primaryKey": [name]}
    forms = ("txt", "ndjson", "xlsx", "ods", "geojson", "kml", "gpkg", "pmtiles", "osm")
    made = convert(table, tmp_path, *forms, schema=schema)
    assert made.refused == ()
    read = json.loads(file(tmp_path, "json").read_bytes())
    wanted = [None if one != one else one for one in cells]
    assert [(row["n"], row[name]) for row in read] == list(
        zip(["x", "=y", "z"], wanted, strict=True)
    )
    assert made.guarded == {"n": 1} | ({name: 1} if cells[0] == "=1" else {})


@pytest.mark.parametrize("name", ["*", "^n.*$"])
def test_and_may_be_the_only_one(tmp_path: Path, name: str) -> None:
    """Beside the place, or without one."""
    forms = ("txt", "ndjson", "xlsx", "ods", "geojson", "kml", "gpkg", "pmtiles", "osm")
    assert convert(placed(**{name: ["a", None, "c"]}), tmp_path, *forms).refused == ()
    [row, *_] = json.loads(file(tmp_path, "json").read_bytes())
    assert row == {name: "a", "lieu": {"type": "Point", "coordinates": [4.0, 45.0]}}
    [feature, *_] = json.loads(file(tmp_path, "geojson").read_bytes())["features"]
    assert feature["properties"] == {name: "a"}
    convert(pa.table({name: [1, None]}), tmp_path, "txt", "ndjson", "xlsx", "ods")
    assert json.loads(file(tmp_path, "json").read_bytes()) == [{name: 1}, {name: None}]


# --- GeoPackage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fid", "FID", "ogc_fid", "rowid", "geom", "geometry", 'a"b'])
@pytest.mark.parametrize("cells", [[7, None, 7], ["x", None, "x"], [0.5, None, 0.5]])
def test_gpkg_keeps_every_name_and_value(tmp_path: Path, name: str, cells: list[Any]) -> None:
    """Whatever SQLite or GDAL would call so themselves; values may repeat and be null, and the other
    formats' are not touched."""
    made = convert(placed(**{name: cells}), tmp_path, "gpkg")
    assert made.refused == ()
    found = by_gdal(file(tmp_path, "gpkg"))
    assert sorted(found.column_names) == sorted([name, "lieu"])
    assert found[name].to_pylist() == cells
    assert pq.read_table(file(tmp_path, "parquet"))[name].to_pylist() == cells
    assert [row[name] for row in json.loads(file(tmp_path, "json").read_bytes())] == cells


def test_gpkg_calls_the_geometry_as_the_table_does(tmp_path: Path) -> None:
    """And the rows' number as no column is."""
    convert(placed(fid=[1, 2, 3], FID_=["a", "b", "c"]), tmp_path, "gpkg")
    info = pyogrio.read_info(file(tmp_path, "gpkg"))
    assert (info["geometry_name"], info["fid_column"]) == ("lieu", "fid__")


def test_a_dataset_may_be_called_like_the_format(tmp_path: Path) -> None:
    """Tables that begin with `gpkg` are the format's own."""
    assert convert(placed(n=[1, 2, 3]), tmp_path, "gpkg", dataset="gpkg-essai").refused == ()
    made = tmp_path / "out" / "gpkg-essai.gpkg"
    assert pyogrio.list_layers(made).tolist() == [["data-gpkg-essai", "Point"]]


@pytest.mark.parametrize(("count", "codes"), [(1998, []), (1999, ["format_too_many_columns"])])
def test_gpkg_holds_so_many_columns(tmp_path: Path, count: int, codes: list[str]) -> None:
    """SQLite's 2,000, of which one is the geometry and one the rows' number."""
    made = convert(placed(**{f"c{n}": [n, None, n] for n in range(count)}), tmp_path, "gpkg")
    assert [one.code for one in made.refused] == codes
    if not codes:
        found = by_gdal(file(tmp_path, "gpkg"))
        assert found["c1997"].to_pylist() == [1997, None, 1997]


def test_names_that_differ_by_capitals_alone(tmp_path: Path) -> None:
    """SQLite takes none, and GDAL leaves one out of KML: both are refused; the others hold both."""
    made = convert(placed(nom=list("abc"), NOM=list("xyz")), tmp_path, "gpkg", "kml", "geojson")
    assert [(one.code, one.detail, one.column) for one in made.refused] == [
        ("format_names_alike", "GeoPackage", "NOM"),
        ("format_names_alike", "KML", "NOM"),
    ]
    assert "NOM" in str(made.refused[0].text("fr"))
    assert by_gdal(file(tmp_path, "geojson"))["NOM"].to_pylist() == list("xyz")


# --- KML -----------------------------------------------------------------------------------------

RESERVED = (
    "name", "Name", "description", "Description", "timestamp", "begin", "end", "altitudeMode",
    "tessellate", "extrude", "visibility", "drawOrder", "icon", "Id", "id",
)  # fmt: skip


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("cells", [["a", None, "c"], [1, None, 3], [1.5, None, 2.5]])
def test_kml_says_what_its_readers_call_a_column(
    tmp_path: Path, name: str, cells: list[Any]
) -> None:
    """GDAL finds the values under the name that the release foretells, or under their own."""
    made = convert(placed(**{name: cells}, autre=["x", "y", "z"]), tmp_path, "kml")
    told = made.renamed.get("kml", {})
    found = by_gdal(file(tmp_path, "kml"))
    read = found[told.get(name, name)].to_pylist()
    assert [one and str(one) for one in read] == [one and str(one) for one in cells]
    assert found["autre"].to_pylist() == ["x", "y", "z"]
    assert set(told) <= {name}


def test_numbers_behind_names_are_counted_as_gdal_does(tmp_path: Path) -> None:
    """Where the name with a 2 is there as well."""
    table = placed(description2=[1, 2, 3], description=[4, 5, 6], icon=[7, 8, 9], icon2=[0, 1, 2])
    made = convert(table, tmp_path, "kml", "kmz")
    names = {"description": "description3", "icon": "icon2", "icon2": "icon22"}
    assert made.renamed == {"kml": names, "kmz": names}
    found = by_gdal(file(tmp_path, "kml"))
    for name in ("description2", "description", "icon", "icon2"):
        assert found[names.get(name, name)].to_pylist() == table[name].to_pylist()


def test_another_name_is_said_wherever_people_look(tmp_path: Path) -> None:
    """Descriptor, README and the report for those who decide."""
    made = convert(placed(description=["a", "b", "c"]), tmp_path, "kml", "geojson")
    resources = json.loads(made.datapackage.path.read_bytes())["resources"]
    told = {one["format"]: one.get("renamedByGdal") for one in resources}
    assert told["kml"] == {"description": "description2"}
    assert [form for form, names in told.items() if names] == ["kml"]
    assert "KML" in extra(made, "README.md")
    assert "`description` s'y appelle `description2`" in extra(made, "README.md")
    report = json.loads(make_report(made, None))
    assert report["renamed"] == {"kml": {"description": "description2"}}


def test_nothing_is_said_where_names_stay(tmp_path: Path) -> None:
    """Neither in the README nor in the descriptor."""
    made = convert(placed(essence=["a", "b", "c"]), tmp_path, "kml")
    assert made.renamed == {}
    assert "GDAL" not in extra(made, "README.md")
    assert b"renamed" not in made.datapackage.path.read_bytes()


# --- GeoParquet ----------------------------------------------------------------------------------


def test_the_boxes_are_called_like_no_other_column(tmp_path: Path) -> None:
    """Nor as one to programs for which capitals do not count, as DuckDB."""
    convert(placed(BBOX=[1, 2, 3]), tmp_path, "geoparquet")
    assert pq.read_schema(file(tmp_path, "geo.parquet")).names == ["BBOX", "lieu", "bbox_"]

"""What goes with the files: README, schema, preview, profile, map layer, archive, descriptor."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from frictionless import Package, Schema

from services.convert import map_layer
from services.convert.convert_table import ConvertedRelease
from services.convert.suggest_chart import suggest_chart
from tests.services.convert.tables import convert

SAID = {
    "etat": {
        "title": {"fr": "État", "en": "State"},
        "description": "État | constaté",
        "unit": "note",
        "codes": {"1": "bon"},
    }
}


def extra(made: ConvertedRelease, name: str) -> bytes:
    """The content of a file beside the data."""
    [found] = [one for one in made.extras if one.name == name]
    content = found.path.read_bytes()
    assert (found.bytes, found.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    return content


def preview(made: ConvertedRelease) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(made.preview.path.read_bytes())
    return content


# --- README and schema -------------------------------------------------------------------------


def test_the_readme_tells_what_the_folder_holds(tmp_path: Path) -> None:
    """In French: title, licence, each file with its checksum, the dictionary, how to cite."""
    made = convert(pa.table({"etat": [1, 2]}), tmp_path, "xlsx", columns=SAID)
    text = extra(made, "README.md").decode()
    for file in made.files:
        assert f"| {file.name} |" in text
        assert file.sha256 in text
    assert text.startswith("# Bancs publics\n")
    assert "| etat | entier | État | État \\| constaté | note | 1 : bon |" in text
    assert "depuis le 2020-01-01" in text
    for private in ("responsable open data", "favourable", "2026-03-01", "espaces-verts@"):
        assert private not in text


def test_the_schema_is_a_table_schema(tmp_path: Path) -> None:
    """Names, types, titles, units, meanings of codes and the key, by another program's reading."""
    fields = [{"name": "etat", "type": "integer"}, {"name": "id", "type": "string"}]
    schema = {"fields": fields, "primaryKey": ["id"]}
    table = pa.table({"etat": [1], "id": ["a"]})
    made = convert(table, tmp_path, columns=SAID, schema=schema)
    content = json.loads(extra(made, "schema.json"))
    assert content["primaryKey"] == ["id"]
    assert content["fields"][0] == {
        "name": "etat",
        "type": "integer",
        "title": "État",
        "description": "État | constaté",
        "unit": "note",
        "categories": [{"value": "1", "label": "bon"}],
    }
    assert Schema.from_descriptor(content).field_names == ["etat", "id"]


# --- preview -----------------------------------------------------------------------------------


def test_the_preview_has_first_and_random_rows(tmp_path: Path) -> None:
    """A hundred first ones and fifty of the others, the same for the same release."""
    table = pa.table({"nb": list(range(1000))})
    one = preview(convert(table, tmp_path))
    again = preview(convert(table, tmp_path))
    assert [row[0] for row in one["rows"]] == list(range(100))
    drawn = [row[0] for row in one["random"]]
    assert len(set(drawn)) == 50
    assert min(drawn) >= 100
    assert drawn == sorted(drawn)
    assert one == again


def test_a_short_table_has_no_random_rows(tmp_path: Path) -> None:
    """They are all first ones."""
    told = preview(convert(pa.table({"nb": [1, 2]}), tmp_path))
    assert (told["rows"], told["random"], told["total"]) == ([[1], [2]], [], 2)


def profiles(table: pa.Table, folder: Path, **layout: Any) -> dict[str, Any]:
    told = preview(convert(table, folder, layout=layout or None))
    return {one["name"]: one["profile"] for one in told["columns"]}


def test_numbers_have_a_histogram(tmp_path: Path) -> None:
    """Least, greatest, mean, nulls, and how many values lie in each of twenty bins."""
    values = [*np.linspace(0, 100, 200).tolist(), None, math.nan, math.inf]
    found = profiles(pa.table({"x": values[:201], "n": [*range(200), None]}), tmp_path)
    assert (found["x"]["nulls"], found["x"]["min"], found["x"]["max"]) == (1, 0, 100)
    assert found["x"]["mean"] == pytest.approx(50)
    assert len(found["x"]["histogram"]["edges"]) == 21
    assert sum(found["x"]["histogram"]["counts"]) == 200
    assert sum(found["n"]["histogram"]["counts"]) == 200


def test_a_histogram_is_the_same_however_it_was_read(tmp_path: Path) -> None:
    """Row groups and batches leave no trace in the profile."""
    table = pa.table({"x": np.random.default_rng(1).normal(size=500), "t": ["a", "b"] * 250})
    assert profiles(table, tmp_path) == profiles(table, tmp_path, row_group_size=37)


def test_small_integers_have_a_bin_each(tmp_path: Path) -> None:
    """1 to 5 are five bars."""
    found = profiles(pa.table({"n": [1, 1, 2, 5, 5, 5]}), tmp_path)["n"]
    assert found["histogram"] == {
        "edges": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "counts": [2, 1, 0, 0, 3],
    }
    assert (found["distinct"], found["top"][0]) == (3, [5, 3])


def test_days_and_moments_have_a_histogram(tmp_path: Path) -> None:
    """Its edges are days and moments; those before 1970 too."""
    days = [dt.date(1850, 1, 1), dt.date(2026, 3, 1), None]
    moments = pa.array([dt.datetime(2026, 3, 1, 8), dt.datetime(2026, 3, 2), None])
    found = profiles(pa.table({"jour": days, "moment": moments}), tmp_path)
    assert (found["jour"]["min"], found["jour"]["max"]) == ("1850-01-01", "2026-03-01")
    assert found["jour"]["histogram"]["edges"][0] == "1850-01-01"
    assert found["moment"]["histogram"]["edges"][0] == "2026-03-01T08:00:00"
    assert sum(found["moment"]["histogram"]["counts"]) == 2


def test_texts_have_their_most_frequent_values(tmp_path: Path) -> None:
    """Ten of them, with counts; a column of many values says only that there are many."""
    table = pa.table(
        {
            "essence": ["platane"] * 3000 + ["érable"] * 2000 + [None],
            "id": [*(f"i{n}" for n in range(5000)), None],
            "vrai": [True, False] * 2500 + [None],
        }
    )
    found = profiles(table, tmp_path)
    assert found["essence"] == {
        "nulls": 1,
        "distinct": 2,
        "top": [["platane", 3000], ["érable", 2000]],
    }
    assert found["id"] == {"nulls": 1, "distinct_more_than": 1000}
    assert found["vrai"]["top"] == [[False, 2500], [True, 2500]]


@pytest.mark.parametrize(
    ("columns", "chart"),
    [
        ({"jour": "date", "nb": "integer"}, {"type": "line", "x": "jour", "y": "nb"}),
        ({"essence": "string", "nb": "integer"}, {"type": "bar", "x": "essence", "y": None}),
        ({"nb": "integer"}, {"type": "histogram", "x": "nb", "y": None}),
        ({"nb": "integer", "lieu": "geojson"}, {"type": "map", "x": "lieu", "y": None}),
        ({"id": "string"}, None),
        ({"numero": "integer", "nom": "string"}, None),
    ],
)
def test_the_chart_follows_the_columns(columns: dict[str, str], chart: dict[str, Any]) -> None:
    """Time series, bars, distribution, map; a running number is no measure."""
    told: dict[str, dict[str, Any]] = {
        "jour": {"nulls": 0, "min": "2026-01-01", "max": "2026-02-01"},
        "nb": {"nulls": 0, "min": 3, "max": 90, "mean": 8},
        "essence": {"nulls": 0, "distinct": 8},
        "lieu": {"nulls": 0},
        "id": {"nulls": 0, "distinct": 50},
        "nom": {"nulls": 0, "distinct": 50},
        "numero": {"nulls": 0, "distinct": 50, "min": 1, "max": 50, "mean": 25.5},
    }
    assert suggest_chart(columns, told, (), 50) == chart


def test_one_row_a_group_is_bars_of_the_measure(tmp_path: Path) -> None:
    """Each group's own value."""
    table = pa.table({"quartier": ["a", "b", "c"], "arbres": [120, 80, 40]})
    assert preview(convert(table, tmp_path))["chart"] == {
        "type": "bar",
        "x": "quartier",
        "y": "arbres",
    }


# --- map ---------------------------------------------------------------------------------------


def place(shapes: Any, **columns: list[Any]) -> pa.Table:
    return pa.table(columns | {"lieu": pa.array(shapely.to_wkb(np.asarray(shapes, object)))})


def test_the_map_layer_is_small(tmp_path: Path) -> None:
    """Half a megabyte at most, whatever the data's size, and still all over the extent."""
    spots = np.random.default_rng(3).uniform([4, 45], [5, 46], (3000, 2))
    circles = shapely.buffer(shapely.points(spots), 0.02, quad_segs=64)
    made = convert(place(circles, nom=[f"n{n}" for n in range(3000)]), tmp_path)
    content = extra(made, "map.geojson")
    assert len(content) <= map_layer.MOST_BYTES
    features = json.loads(content)["features"]
    assert len(features) > 500
    assert features[0]["properties"] == {"label": "n0"}
    west, south, east, north = shapely.total_bounds(shapely.from_geojson(content))
    told = preview(made)
    assert np.allclose([west, south, east, north], told["bbox"], atol=0.05)
    assert (told["map"], told["chart"]["type"]) == ("map.geojson", "map")


def test_points_are_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many points every so-manieth is drawn, across batches."""
    monkeypatch.setattr(map_layer, "MOST_FEATURES", 100)
    monkeypatch.setattr("services.convert.safe_table.BATCH", 333)
    spots = np.column_stack([np.linspace(4, 5, 1000), np.full(1000, 45.0)])
    made = convert(place(shapely.points(spots), id=list(range(1000))), tmp_path)
    features = json.loads(extra(made, "map.geojson"))["features"]
    expected = np.linspace(4, 5, 1000)[::10].round(5).tolist()
    assert [one["geometry"]["coordinates"][0] for one in features] == expected


SPOTS = np.random.default_rng(3).uniform([4, 45], [5, 46], (20_000, 1, 2))
ISLANDS = shapely.polygons(
    np.concatenate([SPOTS, SPOTS + np.array([1e-3, 0]), SPOTS + np.array([0, 1e-3]), SPOTS], axis=1)
)
HEAVY = {
    "points": [shapely.multipoints(np.concatenate([SPOTS[:, 0], SPOTS[:, 0] + 1]))],
    "islands": [shapely.multipolygons(ISLANDS)],
    "several archipelagos": [shapely.multipolygons(ISLANDS[start::3]) for start in range(3)],
    "lakes": [
        shapely.polygons(
            shapely.box(3, 44, 6, 47).exterior, list(map(shapely.get_exterior_ring, ISLANDS))
        )
    ],
    "all sorts": [shapely.geometrycollections([*ISLANDS[:9000], *shapely.points(SPOTS[:9000, 0])])],
    "scribble": [shapely.linestrings(SPOTS[:, 0])],
}


@pytest.mark.parametrize("kind", HEAVY)
def test_one_heavy_geometry_becomes_light(tmp_path: Path, kind: str) -> None:
    """Where drawing coarser is of no use, small parts are left out; each row is still there."""
    shapes = HEAVY[kind]
    content = extra(convert(place(shapes, id=list(range(len(shapes)))), tmp_path), "map.geojson")
    assert len(content) <= map_layer.MOST_BYTES
    features = json.loads(content)["features"]
    assert len(features) == len(shapes)
    assert {one["geometry"]["type"] for one in features} == {one.geom_type for one in shapes}
    assert len(content) > map_layer.MOST_BYTES / 5


def test_without_geometry_there_is_no_map(tmp_path: Path) -> None:
    """Nothing is said of one either."""
    made = convert(pa.table({"id": ["a"]}), tmp_path)
    assert [one.name for one in made.extras] == ["README.md", "schema.json"]
    assert (preview(made)["map"], preview(made)["bbox"]) == (None, None)


# --- archive and descriptor --------------------------------------------------------------------


def test_the_archive_holds_all(tmp_path: Path) -> None:
    """When the card asks: every file, README, schema and descriptor; the same bytes again."""
    table = place([shapely.Point(4, 45)], id=["a"])
    made = convert(table, tmp_path, "xlsx", "gpkg", archive=True)
    content = extra(made, "bancs.zip")
    with zipfile.ZipFile(tmp_path / "out" / "bancs.zip") as package:
        assert package.testzip() is None
        assert package.namelist() == [
            "README.md",
            "schema.json",
            "datapackage.json",
            *(f"bancs.{suffix}" for suffix in ("csv", "json", "parquet", "xlsx", "gpkg")),
        ]
        assert package.read("bancs.csv") == made.files[0].path.read_bytes()
    again = convert(table, tmp_path, "xlsx", "gpkg", archive=True)
    assert extra(again, "bancs.zip") == content


def test_the_descriptor_of_everything_is_valid(tmp_path: Path) -> None:
    """frictionless finds the files of a table with every type as they are described."""
    table = place(
        [shapely.Point(4.5, 45.5), None],
        texte=["é=;\n", "x"],
        nb=[2**62, None],
        x=[0.5, None],
        vrai=[True, None],
        jour=[dt.date(1850, 1, 1), None],
        moment=[dt.datetime(2026, 3, 1, 8, 30), None],
        heure=[dt.time(8, 30), None],
    )
    made = convert(table, tmp_path, "txt", "xlsx", csv_delimiter=";")
    descriptor = made.datapackage.path
    for name in ("bancs-csv", "bancs-txt"):
        report = Package(str(descriptor)).get_resource(name).validate()
        assert report.valid, report.flatten(["type", "message"])
    resources = {one["name"]: one for one in json.loads(descriptor.read_bytes())["resources"]}
    fields = {one["name"]: one for one in resources["bancs-csv"]["schema"]["fields"]}
    assert [fields[name]["type"] for name in ("lieu", "moment", "heure")] == [
        "geojson",
        "datetime",
        "time",
    ]
    assert fields["nb"]["profile"] == {"nulls": 1, "distinct": 1, "min": 2**62, "max": 2**62}

"""Formats with geometry, read back by GDAL, DuckDB, pyarrow and the formats' own validators."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import geoparquet_validator
import numpy as np
import osmium
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from pmtiles.reader import MmapSource, Reader

from services.convert import sort_table
from services.convert.geo_extent import GeoExtent, hilbert
from services.convert.table_to_pmtiles import zooms
from shared.failures import Quarantined
from tests.services.convert.tables import RELEASE, convert, file

SPATIAL = ("geojson", "kml", "kmz", "geoparquet", "gpkg", "pmtiles", "osm")
# Read back whole by GDAL; tiles are cut.
WHOLE = ("geojson", "kml", "kmz", "gpkg")

MIXED = shapely.from_wkt(
    [
        "POINT (4.8512345 45.75)",
        "LINESTRING (4.8 45.7, 4.9 45.8, 5 45.7)",
        "POLYGON ((4 45, 5 45, 5 46, 4 46, 4 45), (4.4 45.4, 4.4 45.6, 4.6 45.6, 4.6 45.4, 4.4 45.4))",
        "MULTIPOINT ((4 45), (5 46))",
        "MULTILINESTRING ((4 45, 5 46), (6 45, 7 46))",
        "MULTIPOLYGON (((4 45, 5 45, 5 46, 4 45)), ((6 45, 7 45, 7 46, 6 45)))",
        "GEOMETRYCOLLECTION (POINT (4 45), LINESTRING (4 45, 5 46))",
        None,
    ]
)


def located(shapes: Any, **columns: list[Any]) -> pa.Table:
    """A table with these geometries, as ingest makes them, beside other columns."""
    told = {"version": "1.1.0", "primary_column": "lieu", "columns": {"lieu": {"encoding": "WKB"}}}
    columns = columns or {"id": list(range(len(shapes)))}
    cells = pa.array(shapely.to_wkb(np.asarray(shapes, object), flavor="iso"), pa.binary())
    table = pa.table(columns | {"lieu": cells})
    return table.replace_schema_metadata({"geo": json.dumps(told)})


def read(folder: Path, suffix: str) -> tuple[Any, pa.Table]:
    """What GDAL reads: geometries and the other columns."""
    _, table = pyogrio.read_arrow(file(folder, suffix))
    name = next(n for n in table.column_names if n in ("lieu", "geom", "wkb_geometry"))
    cells = table[name].to_numpy()
    return shapely.from_wkb(cells), table.drop_columns([name])


def same(found: Any, given: Any, tolerance: float = 1e-7) -> bool:
    """Whether two geometries are the same, wherever their rings begin."""
    if given is None or found is None:
        return found is None and given is None
    return bool(shapely.equals_exact(shapely.normalize(found), shapely.normalize(given), tolerance))


@pytest.mark.parametrize("form", WHOLE)
def test_gdal_reads_every_kind_of_geometry(tmp_path: Path, form: str) -> None:
    """Points, lines, areas with holes, several, collections, none: all in one layer."""
    convert(located(MIXED, n=list(range(8)), nom=["é<&>", 'b"', *"cdefgh"]), tmp_path, form)
    shapes, others = read(tmp_path, form)
    assert [one for one in zip(shapes, MIXED, strict=True) if not same(*one)] == []
    assert others["nom"].to_pylist()[:2] == ["é<&>", 'b"']
    assert [int(one) for one in others["n"].to_pylist()] == list(range(8))


def test_geojson_is_as_the_standard_wants_it(tmp_path: Path) -> None:
    """RFC 7946: outer rings counter-clockwise, seven decimals, licence and release beside."""
    clockwise = shapely.from_wkt("POLYGON ((4 45, 4 46, 5 46, 5 45, 4 45))")
    point = shapely.Point(4.123456789012, 45.1)
    table = located([clockwise, point], n=[1.5, float("nan")], jour=[dt.date(1850, 1, 1), None])
    convert(table, tmp_path, "geojson")
    content = json.loads(file(tmp_path, "geojson").read_bytes())
    assert content["type"] == "FeatureCollection"
    assert (content["licence"], content["release"]) == ("Licence Ouverte 2.0", RELEASE)
    first, second = content["features"]
    assert shapely.LinearRing(first["geometry"]["coordinates"][0]).is_ccw
    assert second["geometry"]["coordinates"] == [4.1234568, 45.1]
    assert first["properties"] == {"n": 1.5, "jour": "1850-01-01"}
    assert second["properties"] == {"n": None, "jour": None}


@pytest.mark.parametrize(
    ("wkt", "parts"),
    [
        ("LINESTRING (179 10, -179 12)", 2),
        ("LINESTRING (179 10, 181 12)", 2),
        ("POLYGON ((179 0, -179 0, -179 1, 179 1, 179 0))", 2),
        ("LINESTRING (-170 0, 0 0, 170 0)", 1),
        ("POLYGON ((-179 0, 0 -10, 179 0, 0 10, -179 0))", 1),
    ],
)
def test_what_crosses_the_antimeridian_is_cut(tmp_path: Path, wkt: str, parts: int) -> None:
    """In two parts, each within the world (RFC 7946, 3.1.9); what only is wide stays whole."""
    given = shapely.from_wkt(wkt)
    convert(located([given]), tmp_path, "geojson", "kml")
    for form in ("geojson", "kml"):
        [shape] = read(tmp_path, form)[0]
        assert len(shapely.get_parts(shape)) == parts
        west, _, east, _ = shapely.bounds(shape)
        assert west >= -180
        assert east <= 180
        if parts == 2:
            assert shapely.length(shape) < 10


def test_text_formats_hold_geojson(tmp_path: Path) -> None:
    """CSV holds GeoJSON text, JSON and NDJSON objects; a row without geometry holds null."""
    convert(located(MIXED[[0, 7]], id=["a", "b"]), tmp_path, "ndjson", "xlsx")
    point = {"type": "Point", "coordinates": [4.8512345, 45.75]}
    expected = [{"id": "a", "lieu": point}, {"id": "b", "lieu": None}]
    assert json.loads(file(tmp_path, "json").read_bytes()) == expected
    lines = file(tmp_path, "ndjson").read_bytes().splitlines()
    assert [json.loads(one) for one in lines] == expected
    found = duckdb.sql(f"select lieu from read_csv('{file(tmp_path, 'csv')}')")
    assert found is not None
    assert [one and json.loads(one) for (one,) in found.fetchall()] == [point, None]


def test_a_table_of_nothing_but_places(tmp_path: Path) -> None:
    """Every format holds a table whose only column is the geometry."""
    table = located(MIXED[:2], id=[1, 2]).drop_columns(["id"])
    made = convert(table, tmp_path, "ndjson", "xlsx", "ods", *SPATIAL)
    assert made.refused == ()
    assert json.loads(file(tmp_path, "json").read_bytes())[0]["lieu"]["type"] == "Point"
    assert len(read(tmp_path, "geojson")[0]) == 2


@pytest.mark.parametrize("suffix", ["parquet", "geo.parquet"])
def test_geoparquet_is_valid(tmp_path: Path, suffix: str) -> None:
    """By the standard's own validator; kinds, extent and, in the file named so, the boxes."""
    convert(located(MIXED), tmp_path, "geoparquet")
    path = file(tmp_path, suffix)
    report = geoparquet_validator.check(str(path))
    assert geoparquet_validator.conformant(report), geoparquet_validator.failed(report)
    told = json.loads(pq.read_metadata(path).metadata[b"geo"])
    column = told["columns"]["lieu"]
    assert (told["version"], told["primary_column"]) == ("1.1.0", "lieu")
    assert column["bbox"] == [4.0, 45.0, 7.0, 46.0]
    assert "GeometryCollection" in column["geometry_types"]
    assert ("covering" in column) == (suffix == "geo.parquet")
    assert RELEASE in str(pq.read_metadata(path).metadata)


def test_geoparquet_has_boxes_and_order(tmp_path: Path) -> None:
    """Each row has its geometry's box; neighbours on the map are neighbours in the file."""
    spots = np.random.default_rng(3).uniform([4, 45], [5, 46], (2000, 2))
    convert(located(shapely.points(spots)), tmp_path, "geoparquet")
    table = pq.read_table(file(tmp_path, "geo.parquet"))
    shapes = shapely.from_wkb(table["lieu"].to_numpy())
    for shape, box in zip(shapes[:50], table["bbox"].to_pylist(), strict=False):
        assert (box["xmin"], box["ymin"]) == shape.bounds[:2]
    assert sorted(table["id"].to_pylist()) == list(range(2000))
    steps = shapely.distance(shapes[1:], shapes[:-1])
    before = np.linalg.norm(np.diff(spots, axis=0), axis=1)
    assert steps.mean() < before.mean() / 10


def test_a_column_called_like_the_boxes_stays(tmp_path: Path) -> None:
    """The boxes take another name."""
    convert(located(MIXED[:1], bbox=["x"]), tmp_path, "geoparquet")
    path = file(tmp_path, "geo.parquet")
    assert pq.read_schema(path).names == ["bbox", "lieu", "bbox_"]
    told = json.loads(pq.read_metadata(path).metadata[b"geo"])
    assert told["columns"]["lieu"]["covering"]["bbox"]["xmin"] == ["bbox_", "xmin"]


def test_the_curve_keeps_neighbours_together() -> None:
    """Along the places of a 4 × 4 grid every step is to a neighbour; none comes twice."""
    side = np.arange(4) * 90.0 - 135
    grid = np.array([(x, y / 2, x, y / 2) for x in side for y in side])
    order = np.argsort(hilbert(grid))
    steps = np.abs(np.diff(grid[order][:, :2] * [1, 2], axis=0)).sum(axis=1)
    assert set(steps.tolist()) == {90.0}
    empty = np.full((1, 4), np.nan)
    assert hilbert(empty)[0] > hilbert(grid).max()


def test_geopackage_has_types_and_facts(tmp_path: Path) -> None:
    """GDAL finds typed columns, one layer named for the dataset, and the licence in its metadata."""
    table = located(
        MIXED[:1],
        n=pa.array([2**60]),
        vrai=[True],
        jour=[dt.date(1850, 1, 1)],
        moment=pa.array([dt.datetime(2026, 3, 1, 8, 30)], pa.timestamp("us")),
    )
    convert(table, tmp_path, "gpkg")
    assert pyogrio.list_layers(file(tmp_path, "gpkg")).tolist() == [["bancs", "Point"]]
    _, others = read(tmp_path, "gpkg")
    row = others.to_pylist()[0]
    assert (row["n"], row["vrai"], row["jour"]) == (2**60, True, dt.date(1850, 1, 1))
    assert row["moment"].replace(tzinfo=None) == dt.datetime(2026, 3, 1, 8, 30)
    info = pyogrio.read_info(file(tmp_path, "gpkg"))
    assert info["layer_metadata"]["licence"] == "Licence Ouverte 2.0"
    assert info["crs"] == "EPSG:4326"


def test_kml_is_typed_and_fetches_nothing(tmp_path: Path) -> None:
    """Values are typed data under their names, the name is a label; no link, style or icon."""
    shapes = [MIXED[0], MIXED[0]]
    table = located(shapes, nom=["A & B", None], n=[2**60, 1], court=[7, None], x=[1.5, None])
    convert(table, tmp_path, "kml", "kmz")
    text = file(tmp_path, "kml").read_text(encoding="utf-8")
    assert "<name>A &amp; B</name>" in text
    assert '<SimpleField type="int" name="court"/>' in text
    for word in ("NetworkLink", "href", "Style", "CDATA"):
        assert word not in text
    _, others = read(tmp_path, "kml")
    first = others.to_pylist()[0]
    assert (int(first["n"]), first["court"], first["x"]) == (2**60, 7, 1.5)
    with zipfile.ZipFile(file(tmp_path, "kmz")) as package:
        assert package.namelist() == ["doc.kml"]
        assert package.read("doc.kml").decode() == text


@pytest.mark.parametrize("name", ["id", "ID"])
@pytest.mark.parametrize("cells", [["B 1", 'a"<&\n', None], [12, 3, None]])
def test_a_column_named_id_comes_back_from_kml(
    tmp_path: Path, name: str, cells: list[object]
) -> None:
    """GDAL reads it from the placemarks' identifiers."""
    convert(located([MIXED[0]] * 3, **{name: cells}), tmp_path, "kml")
    _, others = read(tmp_path, "kml")
    wanted = [None if one is None else str(one) for one in cells]
    assert [row["id"] for row in others.to_pylist()] == wanted


def test_pmtiles_holds_every_feature_at_its_last_zoom(tmp_path: Path) -> None:
    """A reader of the format finds tiles, levels, the layer's columns and the attribution."""
    spots = np.random.default_rng(3).uniform([4.8, 45.7], [4.9, 45.8], (300, 2))
    convert(located(shapely.points(spots)), tmp_path, "pmtiles")
    path = file(tmp_path, "pmtiles")
    with path.open("rb") as opened:
        reader = Reader(MmapSource(opened))
        header, told = reader.header(), reader.metadata()
    assert (header["version"], header["min_zoom"] < header["max_zoom"] <= 14) == (3, True)
    assert (told["name"], told["attribution"]) == ("Bancs publics", "Ville d'essai")
    assert told["vector_layers"][0]["fields"] == {"id": "Number"}
    assert str(tmp_path) not in json.dumps(told)
    _, table = pyogrio.read_arrow(path)
    assert set(table["id"].to_pylist()) == set(range(300))


@pytest.mark.parametrize(
    "wkt", ["POINT (4 45)", "POINT (180 85)", "LINESTRING (4 45, 4 46)", "LINESTRING (4 45, 5 45)"]
)
def test_bounds_of_tiles_have_an_area(tmp_path: Path, wkt: str) -> None:
    """Of a lone point, too: a map finds its place by them."""
    convert(located([shapely.from_wkt(wkt)]), tmp_path, "pmtiles")
    with file(tmp_path, "pmtiles").open("rb") as opened:
        told = Reader(MmapSource(opened)).header()
    west, south, east, north = (
        told[f"{one}_e7"] / 1e7 for one in ("min_lon", "min_lat", "max_lon", "max_lat")
    )
    assert (west < east, south < north) == (True, True)
    assert shapely.box(west, south, east, north).buffer(1e-3).contains(shapely.from_wkt(wkt))
    assert shapely.box(-180, -90, 180, 90).contains(shapely.box(west, south, east, north))


@pytest.mark.parametrize(
    ("bounds", "size", "count", "expected"),
    [
        ((4.7, 45.6, 5.0, 45.9), 0.0002, 1000, (10, 14)),
        ((4.7, 45.6, 5.0, 45.9), 0.05, 59, (10, 12)),
        ((-5.0, 42.0, 9.0, 51.0), 0.3, 35000, (4, 8)),
        ((-180.0, -90.0, 180.0, 90.0), 10.0, 177, (0, 8)),
        ((4.8, 45.7, 4.8, 45.7), 0.0, 1, (10, 14)),
    ],
)
def test_zooms_come_from_the_data(
    bounds: tuple[float, float, float, float], size: float, count: int, expected: tuple[int, int]
) -> None:
    """The whole in about one tile; a middling feature, or the gap between points, some pixels wide."""
    extent = GeoExtent(bounds, ("Point",), count, count, size, np.empty(0, np.uint64))
    assert zooms(extent) == expected


@pytest.mark.parametrize(
    ("area", "length", "last"), [(0, 0, 14), (1, 0, 14), (64_800, 0, 7), (0, 18_000, 8)]
)
def test_zooms_end_where_tiles_would_be_too_many(area: float, length: float, last: int) -> None:
    """Some large areas or long lines among many small things."""
    bounds = (-180.0, -90.0, 180.0, 90.0)
    none = np.empty(0, np.uint64)
    extent = GeoExtent(bounds, ("Point",), 10**6, 10**6, 1e-4, none, area, length)
    assert zooms(extent) == (0, last)


def test_a_large_area_among_points_ends(tmp_path: Path) -> None:
    """The points' level would have millions of tiles of it."""
    shapes = [shapely.box(-180, -80, 180, 80), *shapely.points([[4.0, 45], [4.00001, 45]])]
    assert convert(located(shapes), tmp_path, "pmtiles").refused == ()
    with file(tmp_path, "pmtiles").open("rb") as opened:
        header = Reader(MmapSource(opened)).header()
    assert header["max_zoom"] < 8
    assert header["addressed_tiles_count"] < 20_000


def test_tiles_too_full_are_no_reason_for_too_many(tmp_path: Path) -> None:
    """Where points crowd, further levels are drawn, but none that a large area fills."""
    crowd = np.random.default_rng(3).uniform([4, 45], [4.001, 45.001], (20_000, 2))
    shapes = [shapely.box(-180, -80, 180, 80), *shapely.points(crowd)]
    names = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(len(shapes))]
    assert convert(located(shapes, nom=names), tmp_path, "pmtiles").refused == ()
    with file(tmp_path, "pmtiles").open("rb") as opened:
        assert Reader(MmapSource(opened)).header()["max_zoom"] < 8


def test_osm_is_nodes_ways_and_relations(tmp_path: Path) -> None:
    """A line is a way, several are a relation, lines that meet share a node; GDAL reads it."""
    lines = shapely.from_wkt(
        [
            "LINESTRING (4 45, 4.1 45.1, 4.2 45)",
            "MULTILINESTRING ((4.2 45, 4.3 45), (5 46, 5.1 46))",
            "POINT (4.5 45.5)",
        ]
    )
    convert(located(lines, ref=["L1", 'L"2\n', None], name=["a", "b", "c"]), tmp_path, "osm")
    text = file(tmp_path, "osm").read_text(encoding="utf-8")
    assert (text.count("<node "), text.count("<way "), text.count("<relation ")) == (7, 3, 1)
    assert text.index("<way ") > text.rindex("<node ")
    for word in ("user=", "uid=", "changeset=", "timestamp="):
        assert word not in text
    _, ways = pyogrio.read_arrow(file(tmp_path, "osm"), layer="lines")
    assert "a" in ways["name"].to_pylist()
    _, points = pyogrio.read_arrow(file(tmp_path, "osm"), layer="points")
    assert points["name"].to_pylist() == ["c"]


def test_a_long_line_is_several_ways(tmp_path: Path) -> None:
    """No way has more than 2,000 nodes; each begins where the one before ends."""
    line = shapely.linestrings(np.column_stack([np.linspace(4, 5, 4500), np.full(4500, 45.0)]))
    convert(located([line]), tmp_path, "osm")
    text = file(tmp_path, "osm").read_text(encoding="utf-8")
    counts = [one.count("<nd ") for one in text.split("<way ")[1:]]
    assert counts == [2000, 2000, 502]
    assert text.count("<node ") == 4500


def test_osm_holds_no_longer_texts_than_openstreetmap(tmp_path: Path) -> None:
    """255 characters of a value, as its programs read them; one more, and it is refused by name."""
    (tmp_path / "a").mkdir()
    convert(located(MIXED[:1], t=["é" * 255]), tmp_path / "a", "osm")
    read_ = osmium.FileProcessor(str(file(tmp_path / "a", "osm")))
    assert [one.tags["t"] for one in read_] == ["é" * 255]
    [reason] = convert(located(MIXED[:1], t=["é" * 256]), tmp_path, "osm").refused
    assert (reason.code, reason.column, reason.limit) == ("format_cell_too_long", "t", 255)


def test_the_first_row_may_be_nowhere(tmp_path: Path) -> None:
    """Rows without a place come anywhere, first ones too."""
    made = convert(located([None, MIXED[0], None], id=[1, 2, 3]), tmp_path, *SPATIAL, "ndjson")
    assert made.refused == ()
    features = json.loads(file(tmp_path, "geojson").read_bytes())["features"]
    assert [one["geometry"] and one["geometry"]["type"] for one in features] == [
        None,
        "Point",
        None,
    ]
    assert [one is None for one in read(tmp_path, "gpkg")[0]] == [True, False, True]


@pytest.mark.parametrize(
    ("shapes", "forms"),
    [([None], SPATIAL), (MIXED[2:3], ("osm",))],
)
def test_what_a_format_cannot_draw_is_refused(
    tmp_path: Path, shapes: Any, forms: tuple[str, ...]
) -> None:
    """No geometry at all: no map; areas: no itinerary. The others go on."""
    made = convert(located(shapes), tmp_path, *SPATIAL)
    why = "format_no_geometry" if shapes == [None] else "format_geometry_kind"
    assert [one.code for one in made.refused] == [why] * len(forms)
    kept = {*SPATIAL, "csv", "json", "parquet"} - set(forms)
    assert {one.format for one in made.files} == kept


def test_a_table_without_geometry_has_no_map(tmp_path: Path) -> None:
    """Each spatial format is refused by name."""
    made = convert(pa.table({"id": [1]}), tmp_path, *SPATIAL)
    assert {one.code for one in made.refused} == {"format_no_geometry"}
    assert len(made.refused) == len(SPATIAL)


def test_geometry_without_its_metadata_is_known_by_its_type(tmp_path: Path) -> None:
    """The `geo` metadata may be lost on the way: WKB is all that is binary in a safe table."""
    table = located(MIXED[:2]).replace_schema_metadata(None)
    made = convert(table, tmp_path, "geojson")
    assert made.refused == ()
    assert len(read(tmp_path, "geojson")[0]) == 2


def test_the_metadata_name_the_primary_geometry(tmp_path: Path) -> None:
    """Of two geometry columns the map shows the primary one; the other is a value beside."""
    table = located(MIXED[:1]).add_column(0, "autre", pa.array(shapely.to_wkb(MIXED[1:2])))
    convert(table, tmp_path, "geojson", "geoparquet")
    [feature] = json.loads(file(tmp_path, "geojson").read_bytes())["features"]
    assert feature["geometry"]["type"] == "Point"
    assert json.loads(feature["properties"]["autre"])["type"] == "LineString"
    report = geoparquet_validator.check(str(file(tmp_path, "geo.parquet")))
    assert geoparquet_validator.conformant(report)


def test_a_damaged_geometry_stops_the_release(tmp_path: Path) -> None:
    """By name of the column, without its content."""
    table = located(MIXED[:1]).set_column(1, "lieu", pa.array([b"\x01secret"]))
    with pytest.raises(Quarantined) as stopped:
        convert(table, tmp_path, "geojson")
    [reason] = stopped.value.reasons
    assert (reason.code, reason.column) == ("geometry_damaged", "lieu")


def test_parquet_is_in_the_order_of_the_key(tmp_path: Path) -> None:
    """When the card names a key; CSV and JSON keep the source's order."""
    fields = [{"name": "id", "type": "string"}, {"name": "n", "type": "integer"}]
    table = pa.table({"id": ["b", "é", "a", "b"], "n": [2, 0, None, 1]})
    convert(table, tmp_path, schema={"fields": fields, "primaryKey": ["id", "n"]})
    rows = pq.read_table(file(tmp_path, "parquet")).to_pylist()
    assert [(row["id"], row["n"]) for row in rows] == [("a", None), ("b", 1), ("b", 2), ("é", 0)]
    assert [row["id"] for row in json.loads(file(tmp_path, "json").read_bytes())] == [
        "b",
        "é",
        "a",
        "b",
    ]


@pytest.mark.parametrize("form", ["geoparquet", "parquet"])
def test_sorting_out_of_core_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """A table of several batches, sorted by DuckDB, is the file that sorting in memory makes."""
    rng = np.random.default_rng(5)
    ids = rng.integers(0, 20, 500)
    spots = rng.uniform(4, 46, (20, 2))[ids]
    table = located(shapely.points(spots), id=ids.tolist(), row=list(range(500)))
    fields = [{"name": "id", "type": "integer"}, {"name": "row", "type": "integer"}]
    schema = {"fields": [*fields, {"name": "lieu", "type": "string"}], "primaryKey": ["id"]}
    (tmp_path / "a").mkdir()
    whole = convert(table, tmp_path / "a", form, schema=schema)
    spilled: list[int] = []
    really = sort_table._spilled

    def watched(reader: Any, order: list[str], rows: int, spool: Path) -> Any:
        spilled.append(rows)
        return really(reader, order, rows, spool)

    monkeypatch.setattr(sort_table, "_spilled", watched)
    monkeypatch.setattr("services.convert.safe_table.BATCH", 100)
    parts = convert(table, tmp_path, form, schema=schema)
    assert spilled
    ordered = [pq.read_table(one.path).to_pylist() for one in (whole.files[-1], parts.files[-1])]
    assert ordered[0] == ordered[1]
    for here, there in itertools.pairwise(ordered[0]):
        # Rows that the order does not tell apart stay as they were.
        assert here["id"] != there["id"] or here["row"] < there["row"]


def test_every_spatial_format_is_the_same_bytes_again(tmp_path: Path) -> None:
    """Twice, in two folders: no time, no path, no order of threads shows."""
    table = located(MIXED[[0, 1, 4] * 300], id=list(range(900)))
    (tmp_path / "a").mkdir()
    here = convert(table, tmp_path / "a", *SPATIAL, "xlsx", "ods")
    again = convert(table, tmp_path, *SPATIAL, "xlsx", "ods")
    assert {one.name: one.sha256 for one in here.files} == {
        one.name: one.sha256 for one in again.files
    }
    assert len(here.files) == 12

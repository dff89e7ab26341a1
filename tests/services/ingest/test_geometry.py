"""Geographic formats: geometries in WGS 84, what is not on the Earth, what is never followed."""

from __future__ import annotations

import io
import json
import math
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
import pytest
import shapely

from services.ingest.source_to_table import ReadLimits
from services.ingest.walk_xml import walk_xml
from shared.failures import Quarantined
from tests.services.ingest.reading import DATA, SECRET, plain, read, refusal, rows, table

# Place Bellecour, Lyon: longitude, latitude (EPSG:4326), and the same in the city's grids.
LYON = (4.8320, 45.7578)
GRIDS = {
    "EPSG:2154": (842_481.6, 6_519_083.0),  # Lambert-93
    "EPSG:3946": (1_842_345.2, 5_174_103.5),  # CC46
}


OSM_TYPES = ["LineString", "MultiPolygon", "Point"]
OSM_BOUNDS = [-0.2416, 51.76, -0.2163, 51.7742]
CROSSING = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}


def geo(folder: Path) -> dict[str, Any]:
    """The file's GeoParquet metadata."""
    said = pq.read_metadata(folder / "table.parquet").metadata[b"geo"]
    found: dict[str, Any] = json.loads(said)
    return found


def shape(cell: bytes) -> Any:
    return shapely.from_wkb(cell)


def features(*geometries: object, **members: object) -> bytes:
    body = [
        {"type": "Feature", "properties": {"id": at}, "geometry": geometry}
        for at, geometry in enumerate(geometries)
    ]
    return json.dumps({"type": "FeatureCollection", **members, "features": body}).encode()


def point(*position: float) -> dict[str, object]:
    return {"type": "Point", "coordinates": list(position)}


@pytest.mark.parametrize(
    ("name", "format_", "count", "types", "bounds"),
    [
        ("earthquakes.geojson", "geojson", 40, ["Point Z"], [-156.4712, 9.4429, 121.7366, 64.9794]),
        ("jezero.gpx", "gpx", 7, ["Point"], [14.2886, 45.7352, 14.3775, 45.7953]),
        ("pays.zip", "shapefile", 177, ["MultiPolygon", "Polygon"], [-180.0, -90.0, 180.0, 83.645]),
        ("nulls.gpkg", "geopackage", 4, ["Point"], [0.0, 0.0, 4.0, 4.0]),
        ("sample.osm", "osm", 54, OSM_TYPES, OSM_BOUNDS),
        ("sample.osm.pbf", "osm_pbf", 54, OSM_TYPES, OSM_BOUNDS),
        ("adresses.kml", "kml", 15, ["Point Z"], [0.0, 0.0, 7.7905, 48.6174]),
        ("adresses.kmz", "kml", 15, ["Point Z"], [0.0, 0.0, 7.7905, 48.6174]),
    ],
)  # fmt: skip
def test_real_files(
    tmp_path: Path, name: str, format_: str, count: int, types: list[str], bounds: list[float]
) -> None:
    """Each gives a column `geometry` and says in its metadata what that is (GeoParquet 1.1)."""
    made = read(DATA / name, tmp_path)
    assert (made.quality["source"]["format"], made.rows) == (format_, count)
    said = geo(tmp_path)
    assert (said["version"], said["primary_column"]) == ("1.1.0", "geometry")
    column = said["columns"]["geometry"]
    assert (column["encoding"], column["geometry_types"]) == ("WKB", types)
    assert "crs" not in column  # which means OGC:CRS84
    if name.startswith("adresses"):
        assert column["bbox"][2:] == pytest.approx(bounds[2:], abs=0.02)
    else:
        assert column["bbox"] == pytest.approx(bounds, abs=1e-3)
    cells = pq.read_table(tmp_path / "table.parquet")["geometry"].to_pylist()
    assert all(cell is None or shape(cell).is_valid for cell in cells)


def test_gdal_reads_what_we_wrote(tmp_path: Path) -> None:
    """The same countries, attribute by attribute and point by point, as GDAL reads the source."""
    found = table(DATA / "pays.zip", tmp_path)
    with zipfile.ZipFile(DATA / "pays.zip") as archive:
        archive.extractall(tmp_path)
    _, _, shapes, fields = pyogrio.raw.read(tmp_path / "ne" / "naturalearth_lowres.shp")
    assert shapely.equals(
        shapely.from_wkb(found["geometry"].to_pylist()), shapely.from_wkb(shapes)
    ).all()
    assert found["name"].to_pylist() == fields[2].tolist()


def test_kml(tmp_path: Path) -> None:
    """Folders, extended data, the text of a description; no icon, no style, no script, no link."""
    [first, *_] = found = rows(DATA / "adresses.kml", tmp_path)
    assert list(first) == ["folder", "id", "name", "description", "cle_interop", "numero",
                           "date_der_maj", "geometry"]  # fmt: skip
    assert {row["folder"] for row in found} == {"Nord", "Sud"}
    assert first["description"] == "Voie Rue du Verdon"
    assert shape(first["geometry"]).wkt.startswith("POINT Z (7.737072 48.55045")
    assert b"pin.png" not in (tmp_path / "table.parquet").read_bytes()


def test_one_layer_of_several(tmp_path: Path) -> None:
    """A GPX file's first layer with data, or the one that the card names; others are counted."""
    made = read(DATA / "jezero.gpx", tmp_path)
    assert {"code": "layers_unread", "count": 2} in made.quality["warnings"]
    chosen = plain(source={"sheet": "track_points"})
    assert {c.name for c in read(DATA / "jezero.gpx", tmp_path, chosen).columns} >= {"ele", "time"}
    (tmp_path / "table.parquet").unlink()
    missing = plain(source={"sheet": "none"})
    assert refusal(DATA / "jezero.gpx", tmp_path, missing)["code"] == "sheet_missing"


# --- OpenStreetMap -----------------------------------------------------------------------------------

OSM = """<osm version="0.6">
<node id="1" lat="45.7" lon="4.8" user="{who}" uid="3" changeset="9" timestamp="2020-01-01T00:00:00Z">
 <tag k="amenity" v="bench"/><tag k="seats" v="3"/></node>
<node id="2" lat="45.8" lon="4.8" user="{who}"/><node id="3" lat="45.8" lon="4.9"/>
<way id="5"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/><tag k="building" v="yes"/></way>
<way id="6"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/><tag k="highway" v="footway"/></way>
<way id="7"><nd ref="1"/><nd ref="99"/><tag k="highway" v="path"/></way></osm>"""


def test_osm(tmp_path: Path) -> None:
    """Tagged objects by kind, declared tags as columns; whoever edited is nowhere."""
    made = read(OSM.replace("{who}", SECRET).encode(), tmp_path, plain("amenity", "seats"))
    found = pq.read_table(tmp_path / "table.parquet").to_pylist()
    assert [(row["osm_type"], row["osm_id"], row["amenity"], row["seats"]) for row in found] == [
        ("node", 1, "bench", 3), ("way", 6, None, None), ("way", 7, None, None), ("way", 5, None, None),
    ]  # fmt: skip
    assert [row["tags"] for row in found][1:] == [
        '{"highway": "footway"}', '{"highway": "path"}', '{"building": "yes"}',
    ]  # fmt: skip
    kinds = [row["geometry"] and shape(row["geometry"]).geom_type for row in found]
    assert kinds == ["Point", "LineString", None, "MultiPolygon"]
    assert {"code": "objects_unplaced", "count": 1} in made.quality["warnings"]
    assert SECRET.encode() not in (tmp_path / "table.parquet").read_bytes()
    assert {c.name for c in made.columns}.isdisjoint({"user", "uid", "changeset", "timestamp"})


def test_osm_xml_and_pbf_are_the_same(tmp_path: Path) -> None:
    """The same extract, its objects out of order, in both forms."""
    assert rows(DATA / "sample.osm", tmp_path) == rows(DATA / "sample.osm.pbf", tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda b: (0x7FFFFFFF).to_bytes(4, "big") + b[4:],  # a header of 2 GB
        lambda b: b[:200] + bytes(50) + b[250:],
        lambda b: b[: len(b) // 2],
    ],
)
def test_a_pbf_that_is_a_trap(tmp_path: Path, change: Any) -> None:
    """Sizes that lie, damaged blocks, half a file (bad input S23)."""
    content = change((DATA / "sample.osm.pbf").read_bytes())
    assert refusal(content, tmp_path)["code"] == "geo_unreadable"


# --- reference systems -------------------------------------------------------------------------------


@pytest.mark.parametrize("crs", GRIDS)
def test_french_grids(tmp_path: Path, crs: str) -> None:
    """Coordinates of Lambert-93 and of a conic zone come out as longitude and latitude."""
    chosen = plain(source={"crs": crs})
    [row] = rows(features(point(*GRIDS[crs])), tmp_path, chosen)
    found = shape(row["geometry"])
    assert math.dist((found.x, found.y), LYON) < 0.02


def test_proj_is_asked_rightly(tmp_path: Path) -> None:
    """The meridian of Lambert-93's origin, and its false easting and northing (IGN)."""
    [row] = rows(features(point(700_000, 6_600_000)), tmp_path, plain(source={"crs": "EPSG:2154"}))
    found = shape(row["geometry"])
    assert (found.x, found.y) == pytest.approx((3.0, 46.5), abs=1e-9)


def test_the_old_crs_member(tmp_path: Path) -> None:
    """GeoJSON of before 2016 names its system; an unknown one is not guessed at."""

    def said(name: str) -> dict[str, Any]:
        return {"crs": {"type": "name", "properties": {"name": name}}}

    content = features(point(700_000, 6_600_000), **said("urn:ogc:def:crs:EPSG::2154"))
    assert shape(rows(content, tmp_path)[0]["geometry"]).x == pytest.approx(3.0)
    plain_degrees = features(point(*LYON), **said("urn:ogc:def:crs:OGC:1.3:CRS84"))
    assert shape(rows(plain_degrees, tmp_path)[0]["geometry"]).x == LYON[0]
    (tmp_path / "table.parquet").unlink()
    assert refusal(features(point(*LYON), **said("EPSG:999999")), tmp_path)["code"] == "crs_unknown"
    assert refusal(features(point(*LYON), **said("mine")), tmp_path)["code"] == "crs_unknown"


def test_a_stored_system(tmp_path: Path) -> None:
    """A GeoPackage in Lambert-93 says so itself; heights stay as they are."""
    pyogrio.raw.write(
        tmp_path / "x.gpkg", np.array([shapely.to_wkb(shapely.Point(700_000, 6_600_000, 172))]),
        [np.array(["B1"])], ["id"], geometry_type="Point Z", crs="EPSG:2154", driver="GPKG",
    )  # fmt: skip
    content = (tmp_path / "x.gpkg").read_bytes()
    (tmp_path / "x.gpkg").unlink()
    [row] = rows(content, tmp_path)
    found = shape(row["geometry"])
    assert (found.x, found.y, found.z) == pytest.approx((3.0, 46.5, 172.0))


def test_latitude_before_longitude(tmp_path: Path) -> None:
    """A town of France in the sea off Somalia is said to be swapped; one place elsewhere, and the
    town where it is, are not."""

    def codes(*positions: tuple[float, float]) -> set[str]:
        made = read(features(*(point(*position) for position in positions)), tmp_path)
        return {warning["code"] for warning in made.quality["warnings"]}

    there, brest = (LYON[1], LYON[0]), (48.39, -4.49)
    assert "axes_swapped" in codes(there, brest)
    assert "axes_swapped" not in codes(there, LYON)
    assert "axes_swapped" not in codes(LYON)


def test_an_old_grid_is_approximate(tmp_path: Path) -> None:
    """NTF's exact grid is not in PROJ's small data: the report says so."""
    made = read(features(point(600_000, 2_200_000)), tmp_path, plain(source={"crs": "EPSG:27572"}))
    assert {"code": "crs_approximate"} in made.quality["warnings"]
    [row] = pq.read_table(tmp_path / "table.parquet").to_pylist()
    assert shape(row["geometry"]).x == pytest.approx(2.337229, abs=1e-3)


def test_a_shapefile_without_its_system(tmp_path: Path) -> None:
    """It is not guessed; the card can tell it."""
    out = io.BytesIO()
    with zipfile.ZipFile(DATA / "pays.zip") as given, zipfile.ZipFile(out, "w") as archive:
        for name in given.namelist():
            if not name.endswith(".prj"):
                archive.writestr(name, given.read(name))
    assert refusal(out.getvalue(), tmp_path)["code"] == "crs_missing"
    assert read(out.getvalue(), tmp_path, plain(source={"crs": "EPSG:4326"})).rows == 177


@pytest.mark.parametrize("left_out", [".shx", ".dbf", ".shp"])
def test_half_a_shapefile(tmp_path: Path, left_out: str) -> None:
    """What it lacks is said; alone, its parts are no format."""
    out = io.BytesIO()
    with zipfile.ZipFile(DATA / "pays.zip") as given, zipfile.ZipFile(out, "w") as archive:
        for name in given.namelist():
            if not name.endswith(left_out):
                archive.writestr(name, given.read(name))
        alone = given.read("ne/naturalearth_lowres.shp")
    code = "archive_content" if left_out == ".shp" else "shapefile_incomplete"
    assert refusal(out.getvalue(), tmp_path)["code"] == code
    assert refusal(alone, tmp_path)["found"] == "shapefile_alone"


# --- geometries that are none ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("geometry", "code"),
    [
        (point(4, 999), "geometry_unreadable"),
        (point(181, 4), "geometry_unreadable"),
        (point(700_000, 6_600_000), "geometry_unreadable"),
        ({"type": "Point", "coordinates": [10**400, 4]}, "geometry_unreadable"),
        ({"type": "Point", "coordinates": ["4", "5"]}, "geometry_unreadable"),
        ({"type": "LineString", "coordinates": [[4, 5], [4, None]]}, "geometry_unreadable"),
        ({"type": "Blob", "coordinates": [4, 5]}, "geometry_unreadable"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0]]]}, "geometry_unreadable"),
        (CROSSING, "geometry_invalid"),
    ],
)  # fmt: skip
def test_geometries_that_are_not_right(tmp_path: Path, geometry: object, code: str) -> None:
    """Off the Earth, of no kind, not closed, crossing itself: reported by line (bad input S22)."""
    found = refusal(features(point(*LYON), geometry, point(*LYON)), tmp_path)
    assert (found["code"], found["line"], found["count"]) == (code, 2, 1)


def test_crossing_may_be_let_pass(tmp_path: Path) -> None:
    """By rule of the card a ring that crosses itself is a warning; one off the Earth never is."""
    warns = plain(quality={"errors": "warn"})
    made = read(features(CROSSING), tmp_path, warns)
    assert "geometry_invalid" in {w["code"] for w in made.quality["warnings"]}
    (tmp_path / "table.parquet").unlink()
    assert refusal(features(point(4, 999)), tmp_path, warns)["code"] == "geometry_unreadable"


def test_no_geometry_is_none(tmp_path: Path) -> None:
    """Null and empty are null, not an error."""
    found = rows(features(point(*LYON), None, {"type": "MultiPoint", "coordinates": []}), tmp_path)
    assert [row["geometry"] is None for row in found] == [False, True, True]


@pytest.mark.parametrize("more", [0, 1])
def test_positions_of_one_feature(tmp_path: Path, more: int) -> None:
    """At the limit it passes, one more does not, whatever the format."""
    limits = ReadLimits(positions=100)
    line = {"type": "LineString", "coordinates": [[n / 1000, 45] for n in range(100 + more)]}
    kml = (
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><LineString><coordinates>'
        + " ".join(f"{n / 1000},45" for n in range(100 + more))
        + "</coordinates></LineString></Placemark></kml>"
    )
    lone = json.dumps({"type": "Feature", "properties": {}, "geometry": line})
    for content in (features(line), kml.encode(), b'{"id": 1}\n' + lone.encode()):
        if more:
            found = refusal(content, tmp_path, limits=limits)
            assert (found["code"], found["limit"]) == ("geometry_too_large", 100)
        else:
            read(content, tmp_path, limits=limits)
            (tmp_path / "table.parquet").unlink()


# --- positions in columns ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id;lat;lon\nB1;45,7578;4,8320\n", {"x": "lon", "y": "lat"}),
        ("id;lat;lon\nB1;45.7578;4.8320\n", {"x": "Lon", "y": "lat"}),
        ('id;geo\nB1;"45.7578, 4.8320"\n', {"pair": "geo"}),
        ("id;geo\nB1;[4.8320,45.7578]\n", {"pair": "geo", "order": "xy"}),
        ("id|geo\nB1|45,7578 ; 4,8320\n", {"pair": "geo"}),
    ],
)
def test_columns_made_into_a_geometry(tmp_path: Path, text: str, told: dict[str, str]) -> None:
    """As the card says: two columns, or both in one."""
    [row] = rows(text.encode(), tmp_path, plain(source={"point": told}))
    found = shape(row["geometry"])
    assert (found.x, found.y) == LYON
    assert geo(tmp_path)["columns"]["geometry"]["geometry_types"] == ["Point"]


def test_positions_in_a_grid(tmp_path: Path) -> None:
    """Eastings and northings of real addresses fall where their longitudes and latitudes say."""
    chosen = plain(source={"point": {"x": "x", "y": "y"}, "crs": "EPSG:2154"})
    for row in rows(DATA / "adresses.csv", tmp_path, chosen):
        if row["geometry"] and row["long"]:
            found = shape(row["geometry"])
            assert (found.x, found.y) == pytest.approx((row["long"], row["lat"]), abs=1e-5)


def test_half_a_position(tmp_path: Path) -> None:
    """Both empty is none; one of them, or a word, is reported by line."""
    chosen = plain(source={"point": {"x": "lon", "y": "lat"}})
    text = b"id;lat;lon\nB1;45.7;4.8\nB2;;\nB3;45.7;\nB4;x;4.8\n"
    found = refusal(text, tmp_path, chosen)
    assert (found["code"], found["line"], found["count"]) == ("geometry_unreadable", 4, 2)
    missing = plain(source={"point": {"x": "east", "y": "lat"}})
    assert refusal(text, tmp_path, missing) == {"code": "column_missing", "column": "east"}


def test_latitude_and_longitude_are_recognised(tmp_path: Path) -> None:
    """Named so and within bounds, all of them: said in the metadata, no column added."""
    made = read(b"id;Latitude;Longitude\nB1;45.7;4.8\n", tmp_path)
    assert made.quality["points"] == {"latitude": 2, "longitude": 3}
    said = pq.read_metadata(tmp_path / "table.parquet").metadata[b"ecluse:points"]
    assert json.loads(said) == {"latitude": "Latitude", "longitude": "Longitude"}
    made = read(b"id;Latitude;Longitude\nB1;45.7;4.8\nB2;95;4.8\n", tmp_path)
    assert "points" not in made.quality


def test_a_declared_geometry_in_text(tmp_path: Path) -> None:
    """Well-known text, GeoJSON, or hexadecimal digits, where the schema says `geojson`."""
    fields = [{"name": "id"}, {"name": "geom", "type": "geojson"}]
    wkb = shapely.to_wkb(shapely.Point(LYON), hex=True)
    text = (
        "id;geom\nB1;POINT (4.8320 45.7578)\n"
        'B2;"{""type"":""Point"",""coordinates"":[4.8320,45.7578]}"\n'
        f'B3;{wkb}\nB4;"SRID=4326;POINT (4.8320 45.7578)"\nB5;\n'
    )
    found = rows(text.encode(), tmp_path, plain("id", "geom", schema={"fields": fields}))
    points = [row["geom"] and shape(row["geom"]).x for row in found]
    assert points == [4.832, 4.832, 4.832, 4.832, None]
    wrong = refusal(
        b"id;geom\nB1;POINT\n", tmp_path, plain("id", "geom", schema={"fields": fields})
    )
    assert wrong["code"] == "geometry_unreadable"


# --- traps -------------------------------------------------------------------------------------------

KML = '<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><name>{}</name></Placemark></kml>'
GPX = (
    '<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">'
    '<wpt lat="1" lon="1"><name>{}</name></wpt></gpx>'
)
INCLUDE = '<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="x"/>'
DTD = f'<!DOCTYPE x [<!ENTITY e "{SECRET}">]>'
EXTERNAL = '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'


@pytest.mark.parametrize("text", [KML, GPX, OSM])
@pytest.mark.parametrize("declared", [DTD, EXTERNAL])
def test_no_declarations(tmp_path: Path, text: str, declared: str) -> None:
    """A DTD is refused where it begins, whatever it declares (bad input S09, S10)."""
    assert refusal((declared + text.replace("{}", "&e;")).encode(), tmp_path)["code"] == "xml_dtd"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (KML.replace("{}", INCLUDE), "xml_entity"),
        (KML.replace("{}", "<!-- <OGRVRTDataSource> -->x"), "xml_entity"),
        (KML.replace("{}", "<a>" * 300), "xml_depth"),
        (KML.replace("{}", "<a " + " ".join(f'b{n}=""' for n in range(1001)) + "/>"), "xml_attributes"),
        (KML.replace("{}", "x" * (11 << 20)), "xml_token"),
        (KML.replace("{}", f'<a b="{"x" * (11 << 20)}"/>'), "xml_token"),
        (KML[:-3], "xml_damaged"),
        (KML.replace("{}", "&nothing;"), "xml_damaged"),
    ],
)  # fmt: skip
def test_xml_that_is_a_trap(tmp_path: Path, text: str, code: str) -> None:
    """Inclusions, markers of GDAL's own formats, depths and lengths (bad input S10, S11)."""
    assert refusal(text.encode(), tmp_path)["code"] == code


@pytest.mark.parametrize("deep", [256, 257])
def test_depth_at_the_limit(tmp_path: Path, deep: int) -> None:
    """256 levels pass, 257 do not."""
    (tmp_path / "x").write_bytes(b"<a>" * deep + b"</a>" * deep)
    if deep == 256:
        walk_xml(tmp_path / "x", ReadLimits())
    else:
        with pytest.raises(Quarantined, match="xml_depth"):
            walk_xml(tmp_path / "x", ReadLimits())


@pytest.mark.parametrize("many", [1000, 1001])
def test_attributes_at_the_limit(tmp_path: Path, many: int) -> None:
    """1,000 attributes pass, 1,001 do not."""
    text = "<a " + " ".join(f'b{n}=""' for n in range(many)) + "/>"
    (tmp_path / "x").write_bytes(text.encode())
    if many == 1000:
        walk_xml(tmp_path / "x", ReadLimits())
    else:
        with pytest.raises(Quarantined, match="xml_attributes"):
            walk_xml(tmp_path / "x", ReadLimits())


def test_a_geopackage_with_a_view(tmp_path: Path) -> None:
    """A layer that is a view may call functions, some of which ask the network: never opened."""
    source = tmp_path / "x.gpkg"
    source.write_bytes((DATA / "nulls.gpkg").read_bytes())
    with sqlite3.connect(source) as database:
        database.execute("alter table test_gpkg_nulls rename to hidden")
        database.execute("create view test_gpkg_nulls as select * from hidden")
    content = source.read_bytes()
    source.unlink()
    assert refusal(content, tmp_path)["code"] == "geo_unreadable"
    assert refusal((DATA / "nulls.gpkg").read_bytes()[:5000], tmp_path)["code"] == "geo_unreadable"


def test_geoparquet(tmp_path: Path) -> None:
    """A GeoParquet file's geometry is one, in the system that it names."""
    crs = json.loads(pyproj.CRS("EPSG:2154").to_json())
    column = {"encoding": "WKB", "geometry_types": ["Point"], "crs": crs}
    said = {"version": "1.1.0", "primary_column": "geom", "columns": {"geom": column}}
    made = pa.table({"id": ["B1"], "geom": [shapely.to_wkb(shapely.Point(700_000, 6_600_000))]})
    out = io.BytesIO()
    pq.write_table(made.replace_schema_metadata({"geo": json.dumps(said)}), out)
    [row] = rows(out.getvalue(), tmp_path)
    assert shape(row["geom"]).x == pytest.approx(3.0)

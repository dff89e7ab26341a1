"""What GDAL and osmium cut, turn over or leave out of places: read right, or refused by line."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyogrio
import pytest
import shapely

from tests.services.ingest.reading import SECRET, refusal, rows
from tests.services.ingest.test_careless_files import warned
from tests.services.ingest.test_limits import zipped

# --- KML -----------------------------------------------------------------------------------------------


def kml(*places: str, schema: str = "", prefix: str = "") -> bytes:
    """A document of one folder, a point in each place."""
    point = "<Point><coordinates>4.8,45.7</coordinates></Point>"
    made = "".join(f"<Placemark>{one}{point}</Placemark>" for one in places)
    text = f"<Document>{schema}<Folder><name>F</name>{made}</Folder></Document>"
    if prefix:
        text = text.replace("</", f"</{prefix}:").replace("<", f"<{prefix}:")
        text = text.replace(f"<{prefix}:/{prefix}:", f"</{prefix}:")
    name = f"{prefix}:kml" if prefix else "kml"
    space = f"xmlns:{prefix}" if prefix else "xmlns"
    return f'<{name} {space}="http://www.opengis.net/kml/2.2">{text}</{name}>'.encode()


def data(**fields: str) -> str:
    made = "".join(f'<Data name="{n}"><value>{text}</value></Data>' for n, text in fields.items())
    return f"<ExtendedData>{made}</ExtendedData>"


def places(content: bytes, folder: Path) -> list[dict[str, object]]:
    """The rows, without geometry and what they do not have."""
    return [
        {name: cell for name, cell in row.items() if cell is not None and name != "geometry"}
        for row in rows(content, folder)
    ]


@pytest.mark.parametrize("prefix", ["", "k"], ids=["plain", "prefixed"])
def test_what_a_place_says(tmp_path: Path, prefix: str) -> None:
    """Its address, telephone and times are columns, as they are written."""
    said = (
        "<name>A &amp; B</name><address>1 rue</address><phoneNumber>04 78</phoneNumber>"
        "<TimeSpan><begin>2020-03</begin><end>2021-05</end></TimeSpan>"
    )
    when = "<name>C</name><TimeStamp><when>2020-01-02</when></TimeStamp>"
    assert places(kml(said, when, prefix=prefix), tmp_path) == [
        {"name": "A & B", "address": "1 rue", "phoneNumber": "04 78", "begin": "2020-03",
         "end": "2021-05"},
        {"name": "C", "timestamp": dt.date(2020, 1, 2)},
    ]  # fmt: skip


def test_data_called_as_gdal_calls_its_own(tmp_path: Path) -> None:
    """Are neither dropped nor put in the place of an element."""
    names = ("icon", "begin", "end", "visibility", "snippet", "drawOrder", "description", "ecluse")
    said = {name: f"{name} x" for name in names}
    assert places(kml("<name>A</name>" + data(**said)), tmp_path) == [{"name": "A", **said}]


def test_an_element_and_a_datum_of_one_name(tmp_path: Path) -> None:
    """Are two columns, throughout the file."""
    content = kml("<name>A</name>" + data(name="x", nom="y"), data(name="z"), "<name>B</name>")
    assert places(content, tmp_path) == [
        {"name": "A", "ExtendedData.name": "x", "nom": "y"},
        {"ExtendedData.name": "z"},
        {"name": "B"},
    ]


def test_a_datum_twice(tmp_path: Path) -> None:
    """Two values of one name: neither is chosen."""
    twice = "<ExtendedData>" + "".join(
        f'<Data name="{SECRET}"><value>{value}</value></Data>' for value in "ab"
    )
    told = refusal(kml("<name>A</name>", twice + "</ExtendedData>"), tmp_path)
    assert told == {"code": "header_twice", "line": 2, "detail": "data"}


def test_data_with_a_schema(tmp_path: Path) -> None:
    """Numbers that go past 32 bits, truths, texts of another namespace's elements."""
    schema = (
        '<Schema id="s" name="s"><SimpleField name="nb" type="int"/>'
        '<SimpleField name="ok" type="bool"/><SimpleField name="mixed" type="double"/></Schema>'
    )
    said = (
        '<ExtendedData><SchemaData schemaUrl="#s"><SimpleData name="nb">99999999999</SimpleData>'
        '<SimpleData name="ok">{}</SimpleData><SimpleData name="mixed">{}</SimpleData></SchemaData>'
        '<c:thing xmlns:c="http://c.example"><c:inner>T</c:inner></c:thing></ExtendedData>'
    )
    content = kml(said.format(1, "n.c."), said.format("false", "1.50"), schema=schema)
    assert places(content, tmp_path) == [
        {"nb": 99999999999, "ok": True, "mixed": "n.c.", "thing": "T"},
        {"nb": 99999999999, "ok": False, "mixed": "1.50", "thing": "T"},
    ]


def test_a_datum_called_geometry(tmp_path: Path) -> None:
    """Is not put in the place of the place's own."""
    told = refusal(kml(data(geometry=SECRET)), tmp_path)
    assert told == {"code": "header_twice", "detail": "geometry"}


def drawn(*shapes: str) -> bytes:
    """A place that is right, and one with these shapes."""
    right = "<Placemark><Point><coordinates>4.8,45.7</coordinates></Point></Placemark>"
    space = 'xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"'
    made = "<Placemark><name>A</name>" + "".join(shapes) + "</Placemark>"
    return f"<kml {space}><Document>{right}{made}</Document></kml>".encode()


def along(text: str, kind: str = "LineString") -> str:
    return f"<{kind}><coordinates>{text}</coordinates></{kind}>"


@pytest.mark.parametrize(
    "shapes",
    [
        [along(f"4.8,45.7 {SECRET} 4.9,45.8")], [along("4.8,45.7 n,c 4.9,45.8")],
        [along("4.8;45.7", "Point")], [along("4.8", "Point")], [along("4,8 45,7", "Point")],
        [along("4.8,45.7,1,2 4.9,45.8,1,2")], [along("4.8,45.7, 4.9,45.8,")],
        [along("4.8,45.7 4.9,45.8", "Point")],
        [along("4,45", "Point"), along("5,45", "Point")],
        ["<Model><Location><longitude>4</longitude><latitude>45</latitude></Location></Model>"],
        ["<gx:Track><gx:coord>4.8 n.c.</gx:coord></gx:Track>"],
    ],
    ids=["words", "pair of words", "semicolon", "one number", "decimal comma", "four numbers",
         "comma at the end", "two positions", "two shapes", "model", "track"],
)  # fmt: skip
def test_positions_of_kml_that_are_none(tmp_path: Path, shapes: list[str]) -> None:
    """Are refused with the place's rank: GDAL makes 0 of them, no geometry, or takes the last."""
    told = refusal(drawn(*shapes), tmp_path)
    assert told == {"code": "geometry_unreadable", "line": 2, "count": 1}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("4.8,45.7 4.9,45.8", "LINESTRING (4.8 45.7, 4.9 45.8)"),
        (" 4.8, 45.7, 3\n\t4.9 ,45.8,4 ", "LINESTRING Z (4.8 45.7 3, 4.9 45.8 4)"),
        ("-4e0,+45.70 .5,4.", "LINESTRING (-4 45.7, 0.5 4)"),
    ],
)
def test_positions_of_kml_as_people_write_them(tmp_path: Path, text: str, read: str) -> None:
    """With spaces, signs and lines; and a shape without any is none."""
    [_, row] = rows(drawn(along(text)), tmp_path)
    assert shapely.from_wkb(row["geometry"]) == shapely.from_wkt(read)
    assert rows(drawn(along(" ")), tmp_path)[1]["geometry"] is None


def test_other_documents(tmp_path: Path) -> None:
    """Those that a KML refers to, and those beside it in a KMZ, are counted; none is read."""
    link = "<NetworkLink><Link><href>b.kml</href></Link></NetworkLink>"
    content = drawn().replace(b"</Document>", link.encode() + b"</Document>")
    assert warned(content, tmp_path)["links_unread"] == 1
    kmz = zipped({"doc.kml": content, "b.kml": drawn(), "files/c.kml": drawn()})
    assert warned(kmz, tmp_path)["links_unread"] == 2
    assert "links_unread" not in warned(zipped({"doc.kml": drawn()}), tmp_path)


# --- GPX -----------------------------------------------------------------------------------------------


def gpx(*points: str, at: str = 'lat="45.7" lon="4.8"') -> bytes:
    """Waypoints, the last of them there."""
    first = '<wpt lat="45" lon="4"><ele>1.5</ele><time>2020-01-02T03:04:05Z</time></wpt>'
    made = "".join(f"<wpt {at}>{one}</wpt>" for one in points)
    spaces = 'xmlns="http://www.topografix.com/GPX/1/1" xmlns:c="http://c.example"'
    return f'<gpx version="1.1" creator="x" {spaces}>{first}{made}</gpx>'.encode()


@pytest.mark.parametrize(
    ("point", "at", "expected"),
    [
        ("<ele>n.c.</ele>", 'lat="45.7" lon="4.8"', "number"),
        ("<sat>99999999999</sat>", 'lat="45.7" lon="4.8"', "integer"),
        ("<time>2020-13-02T03:04:05Z</time>", 'lat="45.7" lon="4.8"', "datetime"),
        ("<name>a</name>", 'lat="45,7" lon="4.8"', "number"),
        ("<name>a</name>", 'lat="45.7"', "number"),
    ],
    ids=["elevation", "satellites", "time", "comma", "no longitude"],
)
def test_values_of_gpx_that_are_none(tmp_path: Path, point: str, at: str, expected: str) -> None:
    """Are refused with the place's rank, not read as 0, as another number, as none."""
    told = refusal(gpx(point, at=at), tmp_path)
    assert told == {"code": "type_mismatch", "line": 2, "expected": expected, "found": "text"}


def test_extensions_of_gpx(tmp_path: Path) -> None:
    """Keep their zeros and digits, numbers are numbers, and what is nested is seen."""
    nested = "<c:ele>n.c.</c:ele><c:in><c:a>1</c:a></c:in>"
    said = f"<extensions><c:nb>{{}}</c:nb><c:code>{{}}</c:code>{nested}</extensions>"
    content = gpx(said.format(12, "007"), said.format(13, "99999999999"))
    [_, one, two] = rows(content, tmp_path)
    assert [one["c_nb"], one["c_code"], two["c_nb"], two["c_code"]] == [
        12,
        "007",
        13,
        "99999999999",
    ]
    assert one["c_ele"] == "n.c."
    assert "1" in one["c_in"]
    assert "\u2060" not in str(one)


def test_elements_of_gpx_twice(tmp_path: Path) -> None:
    """Two names of one point: GDAL takes the last; neither is chosen."""
    told = refusal(gpx(f"<name>a</name><name>{SECRET}</name>"), tmp_path)
    assert told == {"code": "header_twice", "line": 2, "detail": "elements"}
    track = (
        '<trkpt lat="45" lon="4"><ele>1</ele></trkpt><trkpt lat="46" lon="4"><ele>1</ele></trkpt>'
    )
    content = gpx().replace(b"</gpx>", f"<trk><trkseg>{track}</trkseg></trk></gpx>".encode())
    assert len(rows(content, tmp_path)) == 1


@pytest.mark.parametrize("many", [10, 11])
def test_links_of_gpx(tmp_path: Path, many: int) -> None:
    """GDAL reads two unless told: ten are read, more are refused."""
    links = "".join(f'<link href="http://a.example/{at}"/>' for at in range(many))
    if many == 10:
        assert rows(gpx(links), tmp_path)[1]["link10_href"] == "http://a.example/9"
    else:
        assert refusal(gpx(links), tmp_path)["code"] == "header_twice"


# --- GeoPackage ----------------------------------------------------------------------------------------


def geopackage(kind: str, *values: object) -> bytes:
    """A layer of points with a column `v`, which SQLite lets hold anything."""
    with TemporaryDirectory() as folder:
        made = Path(folder) / "a.gpkg"
        points = np.array([shapely.Point(4.8, 45.7).wkb] * len(values), dtype=object)
        pyogrio.raw.write(
            made, points, [], [], geometry_type="Point", crs="EPSG:4326", layer="a", driver="GPKG"
        )
        with closing(sqlite3.connect(made)) as database:
            for (name,) in database.execute("select name from sqlite_master where type='trigger'"):
                database.execute(f'drop trigger "{name}"')
            database.execute(f"alter table a add column v {kind}")
            for at, value in enumerate(values, 1):
                database.execute("update a set v = ? where fid = ?", (value, at))
            database.commit()
        return made.read_bytes()


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("SMALLINT", 70_000, {"code": "type_mismatch", "expected": "integer"}),
        ("MEDIUMINT", 1 << 40, {"code": "type_mismatch", "expected": "integer"}),
        ("BOOLEAN", 2, {"code": "type_mismatch", "expected": "boolean"}),
    ],
)
def test_numbers_that_a_column_does_not_hold(
    tmp_path: Path, kind: str, value: int, told: dict[str, object]
) -> None:
    """GDAL cuts off their upper bits."""
    expected = {"position": 1, "line": 2, "count": 1, "found": "number_too_large"} | told
    assert refusal(geopackage(kind, 1, value), tmp_path) == expected


@pytest.mark.parametrize("kind", ["VARCHAR(10)", "DECIMAL(10,2)", "BIGINT", "TIME"])
def test_columns_that_gdal_leaves_out(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of types that are none of the format's: it says so where nobody looks, and names them."""
    told = refusal(geopackage(kind, SECRET), tmp_path)
    assert told == {"code": "column_unreadable", "position": 3}
    assert "'v'" not in "".join(capfd.readouterr())


def test_texts_that_gdal_cuts(tmp_path: Path) -> None:
    """At a NUL; bytes are no text."""
    told = refusal(geopackage("TEXT(20)", "a", f"a\0{SECRET}"), tmp_path)
    assert told == {"code": "nul_character", "position": 1, "line": 2}
    (tmp_path / "source").unlink()
    told = refusal(geopackage("TEXT", "a", b"\xff"), tmp_path)
    assert (told["code"], told["line"]) == ("type_mismatch", 2)


def test_what_a_geopackage_may_hold(tmp_path: Path) -> None:
    """The ends of each type."""
    for kind, value in (("SMALLINT", -32_768), ("MEDIUMINT", (1 << 31) - 1), ("INTEGER", 1 << 60),
                        ("TEXT(2)", "abc"), ("BOOLEAN", 0), ("TEXT", None)):  # fmt: skip
        assert rows(geopackage(kind, value), tmp_path)[0]["v"] == value
        (tmp_path / "table.parquet").unlink()


def layer_of(*statements: str) -> bytes:
    """Two points called x and y, and what these statements make of them."""
    with TemporaryDirectory() as folder:
        made = Path(folder) / "a.gpkg"
        points = np.array([shapely.Point(4.8, 45.7).wkb] * 2, dtype=object)
        pyogrio.raw.write(
            made, points, [np.array(["x", "y"])], ["n"], geometry_type="Point", crs="EPSG:4326",
            layer="a", driver="GPKG",
        )  # fmt: skip
        with closing(sqlite3.connect(made)) as database:
            for (name,) in database.execute("select name from sqlite_master where type='trigger'"):
                database.execute(f'drop trigger "{name}"')
            for statement in statements:
                database.execute(statement)
            database.commit()
        return made.read_bytes()


@pytest.mark.parametrize("value", ["x'00'", f"'{SECRET}'", "substr(geom, 9)", "substr(geom, 1, 6)"])
def test_bytes_that_are_no_geometry(tmp_path: Path, value: str) -> None:
    """GDAL gives null for what has not the format's header."""
    content = layer_of(f"update a set geom = {value} where n = 'y'")
    told = refusal(content, tmp_path)
    assert told == {"code": "geometry_unreadable", "line": 2, "count": 1}


def test_no_geometry_of_a_geopackage(tmp_path: Path) -> None:
    """Null is none."""
    found = rows(layer_of("update a set geom = null where n = 'y'"), tmp_path)
    assert [row["geometry"] is None for row in found] == [False, True]


def test_a_key_with_a_name_of_its_own(tmp_path: Path) -> None:
    """Is a column: the producer's numbers; GDAL has them as its own and leaves them out."""
    content = layer_of(
        "create table b (id_arbre INTEGER PRIMARY KEY, geom POINT, n TEXT)",
        "insert into b select fid + 700, geom, n from a",
        "update gpkg_contents set table_name = 'b', identifier = 'b'",
        "update gpkg_geometry_columns set table_name = 'b'",
        "delete from gpkg_ogr_contents",
        "delete from gpkg_extensions",
        "drop table a",
    )
    found = rows(content, tmp_path)
    assert [(row["id_arbre"], row["n"]) for row in found] == [(701, "x"), (702, "y")]


# --- GeoJSON and OpenStreetMap -------------------------------------------------------------------------


def feature(**members: object) -> dict[str, object]:
    place = {"type": "Point", "coordinates": [4.8, 45.7]}
    return {"type": "Feature", "properties": {"id": 1}, "geometry": place} | members


def collection(*features: object) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def test_members_beside_the_properties(tmp_path: Path) -> None:
    """Another id than the property's, and what GeoJSON does not know, are counted."""
    same = [feature(id=1), feature(id="1"), feature(bbox=[4, 45, 5, 46]), feature(id=None)]
    assert "members_unread" not in warned(collection(*same), tmp_path)
    more = [feature(id=2), feature(titre=SECRET), feature(id="x", properties={"a": 1})]
    assert warned(collection(*same, *more), tmp_path)["members_unread"] == 2


@pytest.mark.parametrize("properties", [[1], "x", 5])
def test_properties_that_are_none(tmp_path: Path, properties: object) -> None:
    """A list or a text in their place is not left out."""
    told = refusal(collection(feature(), feature(properties=properties)), tmp_path)
    assert told == {"code": "json_invalid", "line": 2}


def test_lists_before_the_features(tmp_path: Path) -> None:
    """The features are the rows, whatever other list of objects stands before them."""
    content = json.dumps(
        {"links": [{"a": 1}, {"a": 2}], "type": "FeatureCollection", "features": [feature()]}
    )
    [row] = rows(content.encode(), tmp_path)
    assert (row["id"], shapely.from_wkb(row["geometry"])) == (1, shapely.Point(4.8, 45.7))


def test_features_that_lack_a_geometry(tmp_path: Path) -> None:
    """Are rows like the others, without one."""
    bare = {"type": "Feature", "properties": {"id": 2}}
    found = rows(collection(feature(), bare), tmp_path)
    assert [(row["id"], row["geometry"] is None) for row in found] == [(1, False), (2, True)]


@pytest.mark.parametrize("told", ["EPSG:2154", {"properties": {"name": "EPSG:2154"}}])
def test_a_system_however_it_is_named(tmp_path: Path, told: object) -> None:
    """As GeoJSON had it, or as a text alone."""
    place = {"type": "Point", "coordinates": [700_000, 6_600_000]}
    whole = json.loads(collection(feature(geometry=place))) | {"crs": told}
    [row] = rows(json.dumps(whole).encode(), tmp_path)
    assert shapely.from_wkb(row["geometry"]).x == pytest.approx(3.0)


@pytest.mark.parametrize("told", ["mine", 2154, {"type": "link", "properties": {"href": "x"}}, {}])
def test_a_system_that_is_not_understood(tmp_path: Path, told: object) -> None:
    """Is not taken for WGS 84."""
    whole = json.loads(collection(feature())) | {"crs": told}
    assert refusal(json.dumps(whole).encode(), tmp_path) == {"code": "crs_unknown"}


def test_topojson(tmp_path: Path) -> None:
    """Its shapes are arcs elsewhere in the file: no table, and not the GeoJSON that it resembles."""
    shapes = [{"type": "Polygon", "arcs": [[0]], "properties": {"id": 1}}]
    made = {
        "type": "Topology", "arcs": [[[0, 0], [1, 0], [0, 1]]],
        "objects": {"a": {"type": "GeometryCollection", "geometries": shapes}},
    }  # fmt: skip
    told = refusal(json.dumps(made).encode(), tmp_path)
    assert told == {"code": "format_unknown", "found": "topojson"}


NODES = (
    '<node id="1" lat="45.7" lon="4.8"><tag k="a" v="x"/></node><node id="2" lat="45.7" lon="4.9"/>'
    '<node id="3" lat="45.8" lon="4.9"/><node id="4" lat="45.7" lon="4.8" {}><tag k="a" v="z"/></node>'
)
WAY = '<way id="5"><nd ref="1"/><nd ref="2"/><nd ref="3"/>{}</way>'
MEMBER = '<relation id="{}"><member type="way" ref="5" role="outer"/>{}</relation>'


@pytest.mark.parametrize("last", ['<nd ref="1"/>', ""], ids=["ring", "open"])
def test_relations_that_make_no_area(tmp_path: Path, last: str) -> None:
    """Are counted, such as routes; an area that is not closed is a row without geometry."""
    tags = '<tag k="type" v="{}"/><tag k="name" v="N"/>'
    relations = "".join(
        MEMBER.format(at, tags.format(kind)) for at, kind in enumerate(("route", "multipolygon"))
    )
    text = f'<osm version="0.6">{NODES.format("")}{WAY.format(last)}{relations}</osm>'
    found = warned(text.encode(), tmp_path)
    assert found["relations_unread"] == 1
    assert found.get("objects_unplaced") == (None if last else 1)


def test_objects_that_are_deleted(tmp_path: Path) -> None:
    """As a history keeps them."""
    text = NODES.format('visible="false"')
    content = f'<osm version="0.6">{text}</osm>'.encode()
    assert [row["osm_id"] for row in rows(content, tmp_path)] == [1]


def test_a_tag_twice(tmp_path: Path) -> None:
    """Two values of one name: neither is chosen."""
    tags = f'<tag k="{SECRET}" v="1"/><tag k="{SECRET}" v="2"/>'
    content = f'<osm version="0.6"><node id="1" lat="45.7" lon="4.8">{tags}</node></osm>'
    assert refusal(content.encode(), tmp_path) == {"code": "header_twice", "detail": "tags"}


@pytest.mark.parametrize(
    "node",
    [f'id="2" lat="{SECRET}" lon="4"', 'id="2" lat="45,7" lon="4"', 'id="2" lat="999" lon="4"',
     'id="99999999999999999999" lat="45" lon="4"'],
    ids=["words", "comma", "off the Earth", "number"],
)  # fmt: skip
def test_nodes_that_are_nowhere(tmp_path: Path, node: str) -> None:
    """The library's message quotes what it could not read."""
    text = f'<osm version="0.6">{NODES.format("")}<node {node}><tag k="a" v="x"/></node></osm>'
    assert refusal(text.encode(), tmp_path) == {"code": "geo_unreadable", "detail": "value"}


# --- shapefiles ----------------------------------------------------------------------------------------


def shapefile(
    kind: str, decimals: int, *values: bytes, language: int = 0, cpg: bytes | None = None
) -> bytes:
    """Points with one column `v` of a dBASE kind, as wide as the widest of its values."""
    size = max(map(len, values))
    head = struct.pack("<B3BIHH16xBB2x", 3, 120, 1, 1, len(values), 65, 1 + size, 0, language)
    column = b"v".ljust(11, b"\0") + kind.encode() + bytes(4) + bytes([size, decimals]) + bytes(14)
    records = b"".join(b" " + value.ljust(size) for value in values)
    with TemporaryDirectory() as folder:
        points = np.array([shapely.Point(4.8, 45.7).wkb] * len(values), dtype=object)
        pyogrio.raw.write(
            Path(folder) / "a.shp", points, [], [], geometry_type="Point", crs="EPSG:4326",
            driver="ESRI Shapefile",
        )  # fmt: skip
        parts = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
    parts["a.dbf"] = head + column + b"\r" + records + b"\x1a"
    parts.pop("a.cpg", None)
    return zipped(parts if cpg is None else parts | {"a.cpg": cpg})


@pytest.mark.parametrize(
    ("kind", "decimals", "value", "expected"),
    [
        ("N", 0, b"1.5", "integer"),
        ("N", 0, b"1e3", "integer"),
        ("N", 2, b"1,5", "number"),
        ("D", 0, b"2020-1-2", "date"),
        ("D", 0, b"20201302", "date"),
        ("L", 0, b"1", "boolean"),
    ],
)
def test_values_of_dbase_that_are_none(
    tmp_path: Path, kind: str, decimals: int, value: bytes, expected: str
) -> None:
    """GDAL cuts them, or makes them false, 0, or 1 January 1970."""
    told = refusal(shapefile(kind, decimals, b"", value), tmp_path)
    assert told == {
        "code": "type_mismatch", "position": 1, "line": 2, "count": 1, "expected": expected,
        "found": "text",
    }  # fmt: skip


def test_truths_not_said(tmp_path: Path) -> None:
    """Blank or asked, they are neither."""
    found = rows(shapefile("L", 0, b"T", b" ", b"?", b"n"), tmp_path)
    assert [row["v"] for row in found] == [True, None, None, False]


def test_whole_numbers_of_dbase(tmp_path: Path) -> None:
    """With a point and zeros, or asterisks for none."""
    found = rows(shapefile("N", 0, b"12.00", b"*****", b"-7"), tmp_path)
    assert [row["v"] for row in found] == [12, None, -7]


@pytest.mark.parametrize("kind", ["I", "B", "Y", "T", "M", "@"])
def test_kinds_that_gdal_does_not_know(tmp_path: Path, kind: str) -> None:
    """It gives their bytes as texts."""
    told = refusal(shapefile(kind, 0, b"\x05\0\0\0\0\0\0\0"), tmp_path)
    assert told == {"code": "column_unreadable", "position": 1}


def test_texts_of_dbase_with_a_nul(tmp_path: Path) -> None:
    """GDAL ends there; at the end it is a filling."""
    assert rows(shapefile("C", 0, b"a\0\0\0"), tmp_path)[0]["v"] == "a"
    (tmp_path / "table.parquet").unlink()
    told = refusal(shapefile("C", 0, b"a\0\0\0", f"a\0{SECRET}".encode()), tmp_path)
    assert told == {"code": "nul_character", "position": 1, "line": 2}


@pytest.mark.parametrize(
    ("encoding", "language", "cpg"),
    [("cp1252", 0x57, None), ("cp1252", 3, None), ("utf-8", 3, None), ("utf-8", 0x57, None),
     ("cp850", 2, None), ("utf-8", 0, None), ("utf-8", 0x57, b"UTF-8"), ("cp1252", 0, b"1252")],
)  # fmt: skip
def test_accents_by_what_is_said(
    tmp_path: Path, encoding: str, language: int, cpg: bytes | None
) -> None:
    """By the .cpg, by the table's number of a language, by the bytes where those say UTF-8."""
    text = "été" if encoding == "cp850" else "été €"
    content = shapefile("C", 0, text.encode(encoding), language=language, cpg=cpg)
    assert rows(content, tmp_path)[0]["v"] == text

"""What a reading library cuts, turns over or leaves out: read right, or refused by line."""

from __future__ import annotations

import datetime as dt
import io
import json
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from services.ingest.text_encoding import CHUNK
from tests.services.ingest.reading import DATA, SECRET, plain, read, refusal, rows
from tests.services.ingest.test_careless_files import parquet, warned
from tests.services.ingest.test_limits import CELL, ROW, cells, ods, zipped

# --- Parquet -----------------------------------------------------------------------------------------

MOMENT = 1_700_000_000_123_456


@pytest.mark.parametrize(
    "column",
    [
        pa.array([MOMENT * 1000, MOMENT * 1000 + 1], pa.timestamp("ns")),
        pa.array([None, MOMENT * 1000 + 1], pa.timestamp("ns", "Europe/Paris")),
        pa.array([1_000_000, 1], pa.time64("ns")),
        pa.array([1000, 1], pa.time64("us")),
        pa.array([1000, 1], pa.duration("ns")),
    ],
    ids=["ns", "ns zoned", "time ns", "time us", "duration ns"],
)
def test_moments_finer_than_ours(tmp_path: Path, column: pa.Array) -> None:
    """Are refused by line: what is cut off is gone."""
    told = refusal(parquet(id=pa.array([1, 2]), places=column), tmp_path)
    assert told == {"code": "moment_too_fine", "position": 2, "line": 2}


def test_which_line_of_many_is_too_fine(tmp_path: Path) -> None:
    """Counted over the batches that are read."""
    fine = pa.array([*[0] * 45_000, 1], pa.timestamp("ns"))
    told = refusal(parquet(id=fine, places=fine), tmp_path)
    assert told == {"code": "moment_too_fine", "position": 1, "line": 45_001}


def test_nanoseconds_that_say_no_more(tmp_path: Path) -> None:
    """As pandas writes every moment."""
    column = pa.array([MOMENT * 1000], pa.timestamp("ns"))
    [row] = rows(parquet(id=column, places=pa.array([5_000_000], pa.time64("ns"))), tmp_path)
    assert row == {
        "id": dt.datetime(2023, 11, 14, 22, 13, 20, 123456),
        "places": dt.time(0, 0, 0, 5000),
    }


def test_durations(tmp_path: Path) -> None:
    """With their fractions and their sign."""
    column = pa.array([1, 1500, -90_000, 108_900_000], pa.duration("ms"))
    found = rows(parquet(id=column, places=pa.array([1, 2, 3, 4])), tmp_path)
    assert [row["id"] for row in found] == ["00:00:00.001", "00:00:01.5", "-00:01:30", "30:15:00"]


def test_moments_of_twelve_bytes(tmp_path: Path) -> None:
    """As Spark writes them: the last day of all, which is how many say « no end », stays there."""
    out = io.BytesIO()
    days = [dt.datetime(9999, 12, 31), dt.datetime(1600, 1, 1)]
    made = pa.table({"id": pa.array(days, pa.timestamp("us")), "places": [1, 2]})
    pq.write_table(made, out, use_deprecated_int96_timestamps=True)
    assert [row["id"] for row in rows(out.getvalue(), tmp_path)] == days


# --- NUL ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([{"id": "a", "places": "b"}, {"id": "a", "places": f"\0{SECRET}"}]).encode(),
        b'{"id": "a", "places": "b"}\n\n{"id": "a", "places": "\\u0000"}\n',
        parquet(id=pa.array(["a", "a"]), places=pa.array(["b", f"{SECRET}\0"])),
        json.dumps([{"id": "a", "places": ["b"]}, {"id": "a", "places": "x\0"}]).encode(),
    ],
    ids=["json", "ndjson", "parquet", "json of lists"],
)
def test_nul(tmp_path: Path, content: bytes) -> None:
    """Is refused in every format, as it is in CSV."""
    line = 3 if content.startswith(b"{") else 2
    assert refusal(content, tmp_path) == {"code": "nul_character", "position": 2, "line": line}


# --- spreadsheets ------------------------------------------------------------------------------------

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/{}/2006/relationships"
OFFICE = RELATIONS.format("officeDocument")
# Styles of cells by their place: none, day, moment, time, duration.
STYLES = (
    f'<styleSheet {MAIN}><numFmts count="1"><numFmt numFmtId="170" formatCode="[h]:mm:ss"/>'
    '</numFmts><cellXfs count="5"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/>'
    '<xf numFmtId="20"/><xf numFmtId="170"/></cellXfs></styleSheet>'
)
DAY, MOMENT_STYLE, TIME, DURATION = 1, 2, 3, 4


def workbook(
    *cells: str, mac: bool = False, sheet: str | None = None, names: str = "id places"
) -> bytes:
    """A workbook whose second column holds these, under a header on the second row; the first
    column has numbers."""
    rows = "".join(
        f'<row r="{at}"><c r="B{at}"><v>{at}</v></c>{cell.format(at)}</row>'
        for at, cell in enumerate(cells, 3)
    )
    text = '<c r="{0}2" t="inlineStr"><is><t>{1}</t></is></c>'
    heads = "".join(text.format(*one) for one in zip("BCD", names.split(), strict=False))
    header = f'<row r="2">{heads}</row>'
    one = f"<worksheet {MAIN}><sheetData>{header}{rows}</sheetData></worksheet>"
    related = "".join(
        f'<Relationship Id="r{at}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for at, (kind, target) in enumerate(
            [("styles", "styles.xml"), ("worksheet", "worksheets/one.xml")]
        )
    )
    package = RELATIONS.format("package")
    return zipped(
        {
            "[Content_Types].xml": b"<Types/>",
            "_rels/.rels": (
                f'<Relationships xmlns="{package}"><Relationship Id="r" Type="{OFFICE}/'
                'officeDocument" Target="xl/workbook.xml"/></Relationships>'
            ).encode(),
            "xl/_rels/workbook.xml.rels": (
                f'<Relationships xmlns="{package}">{related}</Relationships>'
            ).encode(),
            "xl/workbook.xml": (
                f'<workbook {MAIN} xmlns:r="{OFFICE}"><workbookPr date1904="{int(mac)}"/><sheets>'
                '<sheet name="a" sheetId="7" r:id="r1"/></sheets></workbook>'
            ).encode(),
            "xl/styles.xml": STYLES.encode(),
            "xl/worksheets/one.xml": (sheet or one).encode(),
        }
    )


def numbered(style: int, *values: str) -> list[str]:
    return [f'<c r="C{{0}}" s="{style}"><v>{value}</v></c>' for value in values]


@pytest.mark.parametrize("mac", [False, True], ids=["1900", "1904"])
@pytest.mark.parametrize("style", [DAY, MOMENT_STYLE, TIME])
def test_days_before_the_first(tmp_path: Path, style: int, mac: bool) -> None:
    """A negative count of days is no date: the number is seen, not a time of what is left of it."""
    content = workbook(*numbered(style, "-1", "-0.5", "-400.25", "45000"), mac=mac)
    last = "2027-03-16" if mac else "2023-03-15"
    assert [row["places"] for row in rows(content, tmp_path)] == ["-1", "-0.5", "-400.25", last]


def test_negative_numbers_are_what_they_were(tmp_path: Path) -> None:
    """Beside times, and in a column of their own."""
    cells = numbered(0, "-1", "2.5")
    both = [f'{cell}<c r="D{{0}}" s="3"><v>0.5</v></c>' for cell in cells]
    found = rows(workbook(*both, names="id places d"), tmp_path, plain("id", "places", "d"))
    assert [row["places"] for row in found] == [-1, 2.5]


def test_the_day_that_never_was(tmp_path: Path) -> None:
    """29 February 1900, which every program since has kept, is the number 60."""
    content = workbook(*numbered(DAY, "59", "60", "60.5", "61"))
    found = [row["places"] for row in rows(content, tmp_path)]
    assert found == ["1900-02-28", "60", "60.5", "1900-03-01"]
    other = workbook(*numbered(DAY, "59", "60", "61"), mac=True)
    assert rows(other, tmp_path)[1]["places"] == dt.date(1904, 3, 1)


def test_a_declared_date_that_is_none(tmp_path: Path) -> None:
    """Is reported by line."""
    schema = {"fields": [{"name": "id", "type": "integer"}, {"name": "places", "type": "date"}]}
    told = refusal(workbook(*numbered(DAY, "45000", "-1", "60")), tmp_path, plain(schema=schema))
    assert (told["code"], told["line"], told["count"]) == ("type_mismatch", 4, 2)


def test_places_that_are_not_written(tmp_path: Path) -> None:
    """A sheet may leave out where its rows and cells are, and have a prefix."""
    cells = "".join(
        f'<x:row><x:c><x:v>{at}</x:v></x:c><x:c s="1"><x:v>{value}</x:v></x:c></x:row>'
        for at, value in enumerate(["45000", "-3"])
    )
    text = '<x:c t="inlineStr"><x:is><x:t>{}</x:t></x:is></x:c>'
    header = f"<x:row>{text.format('id')}{text.format('places')}</x:row>"
    sheet = (
        f"<x:worksheet {MAIN.replace('xmlns', 'xmlns:x')}><x:sheetData>{header}{cells}"
        "</x:sheetData></x:worksheet>"
    )
    found = rows(workbook(sheet=sheet), tmp_path)
    assert [row["places"] for row in found] == ["2023-03-15", "-3"]


@pytest.mark.parametrize("mac", [False, True], ids=["1900", "1904"])
def test_durations_of_a_sheet(tmp_path: Path, mac: bool) -> None:
    """Beyond a day, below zero, and to the millisecond."""
    content = workbook(*numbered(DURATION, "1.2604166667", "-0.0625", "0.0000057870"), mac=mac)
    found = [row["places"] for row in rows(content, tmp_path)]
    assert found == ["30:15:00", "-01:30:00", "00:00:00.5"]


def test_a_duration_past_all(tmp_path: Path) -> None:
    """Python has none of a thousand million days."""
    told = refusal(workbook(*numbered(DURATION, "1e9")), tmp_path)
    assert told["code"] == "value_out_of_range"


def test_times_finer_than_ours(tmp_path: Path) -> None:
    """Stay the text that they are."""
    content = workbook('<c r="C{0}" s="3" t="d"><v>10:00:00.123456</v></c>')
    assert rows(content, tmp_path)[0]["places"] == "10:00:00.123456"


def test_a_name_in_a_zip_that_is_no_text(tmp_path: Path) -> None:
    """Damage within the name of an entry is damage like another."""
    content = (DATA / "booleans.ods").read_bytes()
    told = refusal(content[:30] + b"\x80" + content[31:], tmp_path, plain("a"))
    assert told["code"] == "archive_damaged"


SPANNED = (
    '<table:table-cell office:value-type="string" table:number-columns-spanned="{}"'
    ' table:number-rows-spanned="{}"><text:p>{}</text:p></table:table-cell>'
)
COVERED = "<table:covered-table-cell/>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<text:p>a<text:tab/>b</text:p>", "a\tb"),
        ("<text:p>a<text:line-break/>b</text:p>", "a\nb"),
        ('<text:p>a<text:s text:c="3"/>b<text:tab/>c</text:p>', "a   b\tc"),
        ('<text:p>a<text:s text:c="3"/>b</text:p>', "a   b"),
        ("<text:p>a</text:p><text:p/><text:p>b</text:p>", "a\n\nb"),
        ("<text:p>a</text:p><text:p/><text:p>b<text:tab/></text:p>", "a\n\nb\t"),
        ("<text:p>a<text:span>b<text:tab/></text:span>c &amp; d</text:p>", "ab\tc & d"),
        ("<text:p><![CDATA[a<b]]></text:p>", "a<b"),
        (
            f"<office:annotation><text:p>{SECRET}<text:tab/></text:p></office:annotation>"
            "<text:p>a<text:tab/>b</text:p>",
            "a\tb",
        ),
    ],
)
@pytest.mark.parametrize("before", [0, 9_000], ids=["at once", "later"])
def test_texts_of_an_opendocument_sheet(
    tmp_path: Path, text: str, expected: str, before: int
) -> None:
    """Tabs, line breaks, spaces and paragraphs are as they are written; comments stay out."""
    cell = f'<table:table-cell office:value-type="string">{text}</table:table-cell>'
    other = "</table:table><table:table table:name='B'>" + cells("a<text:tab/>b")
    above = (cells(str(at * at), str(at)) for at in range(before))
    last = ROW.format("", CELL.format("c") + cell)
    content = ods(ROW.format("", ""), cells("id", "places"), *above, last, other)
    assert rows(content, tmp_path)[-1] == {"id": "c", "places": expected}


def test_texts_in_repeated_cells(tmp_path: Path) -> None:
    """Each has its own, and what a cell says as its value is that."""
    cell = CELL.format("a<text:tab/>b").replace("><text:p>", " {}><text:p>")
    content = ods(
        cells("id", "places"),
        ROW.format(
            ' table:number-rows-repeated="2"', cell.format('table:number-columns-repeated="2"')
        ),
        ROW.format("", cell.format('office:string-value="v"') + CELL.format("w")),
    )
    both = {"id": "a\tb", "places": "a\tb"}
    assert rows(content, tmp_path) == [both, both, {"id": "v", "places": "w"}]


def test_merged_cells_of_an_opendocument_sheet(tmp_path: Path) -> None:
    """Are counted among the data, and not in another sheet."""
    content = ods(
        cells("id", "places"),
        ROW.format("", SPANNED.format(1, 2, "a") + CELL.format("1")),
        ROW.format("", COVERED + CELL.format("2")),
        ROW.format("", SPANNED.format(2, 1, "b") + COVERED),
        ROW.format("", SPANNED.format(1, 1, "c") + CELL.format("3")),
        "</table:table><table:table table:name='B'>",
        ROW.format("", SPANNED.format(2, 1, "b") + COVERED),
    )
    assert warned(content, tmp_path)["cells_merged"] == 2


@pytest.mark.parametrize("left", ["", "<table:table-cell/>"], ids=["at the edge", "apart"])
def test_a_merged_header_of_an_opendocument_sheet(tmp_path: Path, left: str) -> None:
    """Is read downwards, as one of Office Open XML."""
    content = ods(
        ROW.format(
            "", left + SPANNED.format(1, 2, "id") + SPANNED.format(2, 1, "Places") + COVERED
        ),
        ROW.format("", left + COVERED + CELL.format("Hommes") + CELL.format("Femmes")),
        ROW.format("", left + "".join(CELL.format(one) for one in ("a", "1", "2"))),
    )
    chosen = plain("id", "Places Hommes", "Places Femmes")
    [row] = rows(content, tmp_path, chosen)
    assert row == {"id": "a", "Places Hommes": 1, "Places Femmes": 2}
    assert "cells_merged" not in {
        one["code"] for one in read(content, tmp_path, chosen).quality["warnings"]
    }


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


# --- lines of delimited text ---------------------------------------------------------------------------

INTEGERS = {"fields": [{"name": "id", "type": "string"}, {"name": "places", "type": "integer"}]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(
    ("last", "code"),
    [("x;y", "type_mismatch"), ("x;1;2", "row_width"), ('"x"y";1', "quote_misplaced")],
)
def test_a_return_alone_ends_a_line(tmp_path: Path, end: str, last: str, code: str) -> None:
    """Within a quoted cell too, whatever ends the others: each reason counts the same lines."""
    text = end.join(["id;places", '"a\rb";1', last, ""])
    told = refusal(text.encode(), tmp_path, plain(schema=INTEGERS))
    assert (told["code"], told["line"]) == (code, 4)


def test_a_return_alone_ends_a_row(tmp_path: Path) -> None:
    """Where it is not quoted."""
    told = refusal(b"id;places\r\na;1\rb;2\nc;x\n", tmp_path, plain(schema=INTEGERS))
    assert (told["code"], told["line"]) == ("type_mismatch", 4)


@pytest.mark.parametrize("before", range(3))
def test_lines_before_a_nul_or_a_broken_character(tmp_path: Path, before: int) -> None:
    """Are counted alike, wherever a block ends between a return and its line feed."""
    fill = "x" * (CHUNK - len("id;places\n") - len(";1\r\n") * 3 + 3 - before)
    text = f'id;places\n{fill};1\r\na;1\r\n"b\rc";1\r\n'.encode()
    for bad, code in ((b"a\0;1\n", "nul_character"), (b"\xff\xfe\xe9;1\n\xc3\xa9;2\n", "encoding")):
        told = refusal(text + bad, tmp_path)
        assert (told["code"], told["line"]) == (code, 6)
        (tmp_path / "source").unlink()


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
    expected = {"position": 1, "line": 2, "count": 1, "found": "long_integer"} | told
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

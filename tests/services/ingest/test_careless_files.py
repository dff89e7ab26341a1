"""What careless programs write: nothing of it is changed, lost or emptied without a word."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import random
import sqlite3
import zipfile
import zlib
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.quoted_cells import QuoteWatch, misquoted
from shared.messages import Reason
from tests.services.ingest.reading import SECRET, plain, read, refusal, rows
from tests.services.ingest.test_limits import CELL, ROW, cells, ods, zipped

PLACE = {"type": "Point", "coordinates": [4.8, 45.7]}


def warned(content: bytes, folder: Path) -> dict[str, int | None]:
    """Of each warning its count."""
    found = read(content, folder).quality["warnings"]
    return {one["code"]: one.get("count") for one in found}


def sheet(*lines: list[Any], merged: str | None = None) -> bytes:
    """A workbook of one sheet."""
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    if merged:
        book.active.merge_cells(merged)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def parquet(**columns: pa.Array) -> bytes:
    """A file with these columns."""
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def features(*properties: dict[str, Any]) -> bytes:
    """A collection of places."""
    made = [{"type": "Feature", "properties": one, "geometry": PLACE} for one in properties]
    return json.dumps({"type": "FeatureCollection", "features": made}).encode()


# --- delimited text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "position"),
    [
        (f'id;places\n"Le "Petit" {SECRET}";1\nz;3\n', 2, 1),
        ('id;places\na;1\nb;"x"y\n', 3, 2),
        ('id;places\n"a\\"b";1\nc;2\n', 2, 1),
        ('id;places\n"a\nb ""c""\nd";1\n"x\ny"z;2\n', 5, 1),
        ('id;places\n"a "b;c" d";1\n', 2, 1),
        ('id;places\r\na;"1"x', 2, 2),
    ],
)
def test_quotes_inside_quotes(tmp_path: Path, text: str, line: int, position: int) -> None:
    """Each reader loses another part of such a cell: it is named by its line and column."""
    told = refusal(text.encode(), tmp_path)
    assert told == {"code": "quote_misplaced", "line": line, "position": position}


def test_quotes_that_harm_nothing(tmp_path: Path) -> None:
    """Inches, quotes written twice, blanks after a quoted cell."""
    text = 'id;places\n5" x;1\n"a ""b""" ;2\n6";3\n"a\n""b";4\n'
    found = rows(text.encode(), tmp_path)
    assert [row["id"] for row in found] == ['5" x', 'a "b" ', '6"', 'a\n"b']


@settings(max_examples=500, deadline=None)
@given(st.text('";\nab', max_size=30), st.integers(1, 7))
def test_the_watch_misses_no_quote(text: str, size: int) -> None:
    """However the file is cut into blocks, what the walk would find is never passed over."""
    watch = QuoteWatch(";")
    block = (text + "\nend\n").encode()
    for at in range(0, len(block), size):
        watch.feed(block[at : at + size])
    lines = io.StringIO(text + "\nend\n", newline="")
    assert watch.odd or misquoted(lines, ";") is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.text('";\nab ', max_size=6), min_size=2, max_size=3), max_size=4))
def test_what_is_quoted_rightly_is_not_walked_through(table: list[list[str]]) -> None:
    """Every cell in quotes, as RFC 4180 has it."""
    written = ["".join(f'"{c.replace(chr(34), chr(34) * 2)}";' for c in row) for row in table]
    watch = QuoteWatch(";")
    watch.feed(("\n".join(written) + "\n").encode())
    assert not watch.odd


def test_delimiters_alone_are_no_row(tmp_path: Path) -> None:
    """However many of them an export puts at its end."""
    assert len(rows(b'id;places\na;1\n;;\n"";"";""\nb;2\n', tmp_path)) == 2


def test_files_put_end_to_end(tmp_path: Path) -> None:
    """Each began with a byte order mark and its header."""
    one = "\ufeffid;places\n1;{}\n"
    assert rows((one.format(3) + one.format(4)).encode(), tmp_path) == [
        {"id": 1, "places": 3},
        {"id": 1, "places": 4},
    ]


@pytest.mark.parametrize("stray", [b"\x81", b"\x8d", b"\x90"])
def test_a_byte_that_windows_does_not_have(tmp_path: Path, stray: bytes) -> None:
    """It makes no other encoding of a whole file: the line is named."""
    text = "id;places\n" + "été à l’école;1\n" * 20
    told = refusal(text.encode("cp1252") + b"x" + stray + b"y;3\n", tmp_path)
    assert told == {"code": "encoding", "line": 22, "count": 1, "expected": "cp1252"}


@pytest.mark.parametrize(
    ("kind", "value", "found", "said"),
    [
        (
            "date",
            "31/02/2025",
            "no_such_date",
            "n'est pas une date, mais une date qui n'existe pas",
        ),
        ("date", "12/31/2025", "no_such_date", "(jour, mois, année)"),
        ("time", "25:00", "no_such_time", "n'est pas une heure, mais une heure qui n'existe pas"),
        ("datetime", "31/02/2025 10:00", "no_such_date", "n'est pas une date avec heure"),
        ("integer", "1,5", "number", "n'est pas un nombre entier, mais un nombre décimal"),
        ("number", "1.234,50", "text", "n'est pas un nombre décimal, mais un texte"),
        ("boolean", "peut-être", "text", "n'est pas un oui ou un non"),
    ],
)
def test_what_a_value_is_taken_for(
    tmp_path: Path, kind: str, value: str, found: str, said: str
) -> None:
    """In words that a person knows, and never one that says it is what it should be."""
    chosen = plain("id", "v", schema={"fields": [{"name": "id"}, {"name": "v", "type": kind}]})
    told = refusal(f"id;v\nB1;{value}\n".encode(), tmp_path, chosen)
    assert (told["code"], told["line"], told["found"]) == ("type_mismatch", 2, found)
    assert said in Reason.model_validate(told).text("fr").what


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_an_export_that_has_become_utf_8(tmp_path: Path, mark: str) -> None:
    """Under a card that still declares what it was: accents are not published as two characters."""
    chosen = plain(source={"encoding": "windows-1252"})
    told = refusal(f"{mark}id;places\n{SECRET} été;1\n".encode(), tmp_path, chosen)
    assert told == {"code": "encoding_is_utf8", "expected": "cp1252"}
    assert len(rows(b"id;places\nete;1\n", tmp_path, chosen)) == 1
    (tmp_path / "table.parquet").unlink()
    assert rows("id;places\nété;1\n".encode("cp1252"), tmp_path, chosen)[0]["id"] == "été"


def test_a_delimiter_that_is_none(tmp_path: Path) -> None:
    """Of several bytes: the card is named, not a defect of ours."""
    chosen = plain(source={"delimiter": "§"})
    assert refusal("id§places\na§1\n".encode(), tmp_path, chosen)["code"] == "delimiter_unusable"


# --- JSON ------------------------------------------------------------------------------------------


def test_a_property_named_coordinates(tmp_path: Path) -> None:
    """Is like any other: only a geometry's are numbers."""
    [found] = rows(features({"coordinates": ["x", {"a": 1}], "o": {"coordinates": "y"}}), tmp_path)
    assert (found["coordinates"], found["o.coordinates"]) == ('["x",{"a":1}]', "y")


def test_numbers_in_lists_keep_their_digits(tmp_path: Path) -> None:
    """A list is text: there is no float in between."""
    text = "[0.1234567890123456789,1E+400,12345678901234567890,true,null]"
    assert rows(f'[{{"id":{text}}}]'.encode(), tmp_path) == [{"id": text}]


def test_an_empty_text_is_no_value(tmp_path: Path) -> None:
    """As in a cell of a sheet or of a text."""
    chosen = plain("id", schema={"fields": [{"name": "id", "constraints": {"required": True}}]})
    assert refusal(b'[{"id":"a"},{"id":""}]', tmp_path, chosen)["code"] == "value_missing"


def test_a_long_first_line(tmp_path: Path) -> None:
    """Longer than what a format is known by: still an object a line."""
    line = {"type": "LineString", "coordinates": [[4 + at / 1e5, 45] for at in range(9000)]}
    made = [{"type": "Feature", "properties": {"id": 1}, "geometry": g} for g in (line, PLACE)]
    assert len(rows("\n".join(map(json.dumps, made)).encode(), tmp_path)) == 2


def test_one_row_of_ndjson(tmp_path: Path) -> None:
    """Nothing but the card says that one object is a row."""
    assert refusal(b'{"id":1}\n', tmp_path)["code"] == "rows_missing"
    assert rows(b'{"id":1}\n', tmp_path, plain("id", source={"format": "ndjson"})) == [{"id": 1}]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_json_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    """Is not taken for a text of one line."""
    told = refusal('[{"id":"é"}]'.encode(encoding), tmp_path)
    assert (told["code"], told["expected"]) == ("encoding", "utf-8")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[{"a": 1},\n{"a": 2},\n{"a": }]', "json_invalid"),
        ('{"x": {}, "rows": [{"a": 1}, {"a": 2}, {"a": 3, "a": 4}]}', "json_key"),
        ('[{"a": 1}, {"a": 2}, {"a.b": 1, "a": {"b": 2}}]', "json_key"),
        ('[{"a": 1}, {"a": 2}, {"a": ' + "1" * 500 + "}]", "json_number"),
        ('[{"a": 1}, {"a": 2}, 3]', "rows_missing"),
    ],
)
def test_which_row_of_a_list_is_wrong(tmp_path: Path, text: str, code: str) -> None:
    """A list has no lines worth naming: its rows are counted."""
    told = refusal(text.encode(), tmp_path)
    assert (told["code"], told["line"]) == (code, 3)


def test_another_list_of_objects(tmp_path: Path) -> None:
    """Is not read, which is said, unless the card says which one is meant."""
    text = (
        b'{"errors": [{"a": 1}], "n": [1], "none": [], "rows": [{"id": 1}, {"id": 2}], "x": [{}]}'
    )
    assert warned(text, tmp_path)["lists_unread"] == 2
    told = plain("id", source={"rows": "rows"})
    assert read(text, tmp_path, told).quality["warnings"] == []
    assert rows(text, tmp_path, told) == [{"id": 1}, {"id": 2}]


# --- sheets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (sheet(["id", "places"], ["a", "=1+1"], ["b", 3]), "formulas_uncomputed"),
        (sheet(["id", "places"], ["a", 1], [None, 2], merged="A2:A3"), "cells_merged"),
        (
            ods(
                cells("id", "places"),
                ROW.format("", CELL.format("a") + '<table:table-cell table:formula="of:=1+1"/>'),
            ),
            "formulas_uncomputed",
        ),
        (
            ods(
                cells("id", "places"),
                ROW.format(
                    "",
                    CELL.format("a")
                    + '<table:table-cell table:formula="of:=1/0" office:value-type="string"'
                    ' office:string-value="" calcext:value-type="error"><text:p>#DIV/0!</text:p>'
                    "</table:table-cell>",
                ),
            ),
            "cell_errors",
        ),
    ],
    ids=["xlsx formula", "merged", "ods formula", "ods error"],
)
def test_cells_that_come_empty(tmp_path: Path, content: bytes, code: str) -> None:
    """And are not: formulas nobody has calculated, errors, all but the first of merged cells."""
    assert warned(content, tmp_path)[code] == 1


def test_formulas_over_many_blocks(tmp_path: Path) -> None:
    """None is passed over where the file is cut."""
    content = sheet(["id", "places"], *([f"r{at}", f"=A{at}+{at}"] for at in range(9000)))
    assert warned(content, tmp_path)["formulas_uncomputed"] == 9000


def test_a_merged_header_is_no_merged_cell(tmp_path: Path) -> None:
    """Titles and headers are written so."""
    content = sheet(["Places", None], ["id", "places"], ["a", 1], merged="A1:B1")
    assert "cells_merged" not in warned(content, tmp_path)


def test_codes_that_lost_their_zero(tmp_path: Path) -> None:
    """01000 is 1000 in many a sheet; 97411, 69003 and a population have lost nothing."""
    content = sheet(
        ["Code postal", "population", "cp"],
        [1000, 1000, "01000"],
        [69003, 2000, "1"],
        [7100, 1, ""],
    )
    found = [w for w in read(content, tmp_path).quality["warnings"] if w["code"] == "codes_short"]
    assert [(one["position"], one["count"]) for one in found] == [(1, 2)]


def test_digits_that_a_sheet_does_not_keep(tmp_path: Path) -> None:
    """Of an identifier of 17 digits the last ones; of a measure nothing."""
    content = sheet(["a", "b"], [12345678901234567, 1.5e16], [2, 0.5])
    found = [w for w in read(content, tmp_path).quality["warnings"] if w["code"] == "digits_unsure"]
    assert [one["position"] for one in found] == [1]


def test_numbers_without_end(tmp_path: Path) -> None:
    """Infinity is no number that can be published: it is seen as the text that it is."""
    cell = '<table:table-cell office:value-type="float" office:value="{}"/>'
    lines = [ROW.format("", CELL.format("a") + cell.format(value)) for value in ("1e400", "2")]
    found = rows(ods(cells("id", "places"), *lines), tmp_path)
    assert [row["places"] for row in found] == ["inf", "2"]


# --- Parquet ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        pa.array([10**13], pa.timestamp("s")),
        pa.array([10**16], pa.timestamp("ms")),
        pa.array([253402300800000], pa.timestamp("ms")),
        pa.array([-(10**8)], pa.date32()),
        pa.array([float("inf")]),
        pa.array([[float("inf")]]),
        pa.array([[10**13]], pa.list_(pa.timestamp("s"))),
    ],
    ids=["seconds", "milliseconds", "year 10000", "before year 1", "infinity", "list", "moments"],
)
def test_values_that_no_format_has(tmp_path: Path, column: pa.Array) -> None:
    """Moments that would be others in microseconds, years that nobody reads, infinity."""
    told = refusal(parquet(a=pa.array([1]), b=column), tmp_path)
    assert told == {"code": "value_out_of_range", "position": 2}


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.bool_(), pa.date32(), pa.string()])
def test_a_column_without_a_value(tmp_path: Path, kind: pa.DataType) -> None:
    """Beside one that has some, of whatever type."""
    content = parquet(a=pa.array(["x"]), b=pa.nulls(1, kind))
    assert rows(content, tmp_path) == [{"a": "x", "b": None}]


def test_structures_are_json(tmp_path: Path) -> None:
    """Of lists with dates, decimals, no value; a duration is hours, minutes, seconds."""
    content = parquet(
        a=pa.array([[float("nan"), 1.5]]),
        b=pa.array([[dt.datetime(2025, 12, 31, 8, tzinfo=dt.UTC)]]),
        c=pa.array([[Decimal("1.10")]]),
        d=pa.array([dt.timedelta(hours=30)]),
    )
    [found] = rows(content, tmp_path)
    assert found == {
        "a": "[null,1.5]",
        "b": '["2025-12-31T08:00:00+00:00"]',
        "c": "[1.10]",
        "d": "30:00:00",
    }


def test_bytes_in_structures(tmp_path: Path) -> None:
    """Have no text."""
    told = refusal(parquet(a=pa.array([[SECRET.encode()]])), tmp_path)
    assert told == {"code": "column_unreadable", "position": 1}


@pytest.mark.parametrize(
    "content",
    [
        b'[{"a": null}, {"a": null}]',
        parquet(a=pa.nulls(3, pa.string())),
        sheet(["id", "places"], [None, " "], ["", None]),
    ],
    ids=["JSON", "Parquet", "sheet"],
)
def test_rows_of_nothing(tmp_path: Path, content: bytes) -> None:
    """A table of empty rows has none."""
    assert refusal(content, tmp_path)["code"] == "no_rows"


def test_empty_rows_at_the_end(tmp_path: Path) -> None:
    """More than are looked at at once, behind as many as are written at once."""
    filled = pa.array(["a"] * 140_000 + [None] * 40_000)
    assert read(parquet(a=filled), tmp_path).rows == 140_000


# --- KML ---


def test_a_folder_of_its_own(tmp_path: Path) -> None:
    """A placemark's own `folder` is not put in the place of the folder it lies in, nor the reverse."""
    place = (
        "<Folder><name>{}</name><Placemark><name>a</name><ExtendedData><Data name='folder'>"
        f"<value>{SECRET}</value></Data></ExtendedData><Point><coordinates>4.8,45.7</coordinates>"
        "</Point></Placemark></Folder>"
    )
    text = place.format("A") + place.format("B")
    kml = f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{text}</Document></kml>'
    told = refusal(kml.encode(), tmp_path)
    assert told == {"code": "header_twice", "detail": "folder"}


# --- shapefiles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["UTF-8", "CP1252", "CP850", "ISO-8859-15"])
@pytest.mark.parametrize("said", [True, False])
def test_accents_of_a_shapefile(tmp_path: Path, encoding: str, said: bool) -> None:
    """Whether a .cpg says what they are written in or nothing does, as in most of those of old."""
    made = tmp_path / "made"
    made.mkdir()
    names = np.array(["Été à Plœuc" if encoding != "CP850" else "Été à Lyon", "forêt"], object)
    shapes = shapely.to_wkb(np.array([shapely.Point(842_000, 6_520_000)] * 2, object))
    pyogrio.raw.write(
        made / "a.shp", shapes, [names], ["nom"], driver="ESRI Shapefile", geometry_type="Point",
        crs="EPSG:2154", encoding=encoding,
    )  # fmt: skip
    left = [file for file in sorted(made.iterdir()) if said or file.suffix != ".cpg"]
    found = rows(zipped({file.name: file.read_bytes() for file in left}), tmp_path)
    assert [row["nom"] for row in found] == names.tolist()


def shapefile(**changed: tuple[bytes, bytes]) -> bytes:
    """Two records with a date and a number; in the part of that ending one text put for another, or
    cut off where it begins when nothing is put."""
    with TemporaryDirectory() as folder:
        pyogrio.raw.write(
            Path(folder) / "a.shp", shapely.to_wkb(np.array([shapely.Point(842_000, 6_520_000)] * 2)),
            [np.array(["2020-01-02", "NaT"], "datetime64[D]"), np.array([1.5, np.nan])], ["d", "f"],
            driver="ESRI Shapefile", geometry_type="Point", crs="EPSG:2154",
        )  # fmt: skip
        parts = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
    for ending, (old, new) in changed.items():
        whole = parts[f"a.{ending}"]
        at = whole.rfind(old)
        parts[f"a.{ending}"] = whole[:at] + new + whole[at + len(old) :] if new else whole[:at]
    return zipped(parts)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (shapefile(dbf=(b"20200102", b"20200231")), {"position": 1, "line": 1, "expected": "date"}),
        (shapefile(dbf=(b"1.5", b"abc")), {"position": 2, "line": 1, "expected": "number"}),
    ],
    ids=["date", "number"],
)
def test_what_gdal_reads_as_another_value(
    tmp_path: Path, content: bytes, told: dict[str, Any]
) -> None:
    """No such date would be 1 January 1970, a word among numbers 0."""
    expected = {"code": "type_mismatch", "count": 1, "found": "text"} | told
    assert refusal(content, tmp_path) == expected


@pytest.mark.parametrize("part", ["dbf", "shp", "shx"])
def test_a_shapefile_that_ends_early(tmp_path: Path, part: str) -> None:
    """Its last rows would be null, or not there."""
    with zipfile.ZipFile(io.BytesIO(shapefile())) as archive:
        last = archive.read(f"a.{part}")[-9:]
    assert refusal(shapefile(**{part: (last, b"")}), tmp_path)["code"] == "geo_unreadable"


def test_a_shapefiles_nulls_and_deleted_records(tmp_path: Path) -> None:
    """Asterisks and NaN are no number; what was deleted is not there, and is no damage."""
    assert [row["f"] for row in rows(shapefile(), tmp_path)] == [1.5, None]
    gone = shapefile(dbf=(b"\x20202001", b"\x2a202001"))
    assert [row["d"] for row in rows(gone, tmp_path)] == [None]


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("n", SECRET, {"position": 1, "expected": "integer"}),
        ("n", 1.5, {"position": 1, "expected": "integer"}),
        ("f", SECRET, {"position": 2, "expected": "number"}),
        ("d", "2025-02-31", {"position": 3, "expected": "date"}),
        ("d", SECRET, {"position": 3, "expected": "date"}),
        ("t", "2025-02-31T10:00:00Z", {"position": 4, "expected": "datetime"}),
        ("t", "2025-02-28T10:00:00.000Z", None),
        ("d", None, None),
        ("f", 3, None),
    ],
)
def test_any_value_in_any_column(
    tmp_path: Path, column: str, value: object, told: dict[str, Any] | None
) -> None:
    """SQLite keeps it, and GDAL makes 0 or nothing of it: it is named by its place."""
    made = tmp_path / "made"
    made.mkdir()
    pyogrio.raw.write(
        made / "a.gpkg", shapely.to_wkb(np.array([shapely.Point(4, 45)] * 2)),
        [np.array([1, 2]), np.array([1.5, 2]), np.array(["2025-01-01"] * 2, "datetime64[D]"),
         np.array(["2025-01-01T10:00:00.000"] * 2, "datetime64[ms]")],
        ["n", "f", "d", "t"], driver="GPKG", geometry_type="Point", crs="EPSG:4326", layer='a "b"',
    )  # fmt: skip
    with closing(sqlite3.connect(made / "a.gpkg")) as database:
        triggers = database.execute("select name from sqlite_master where type = 'trigger'")
        for [name] in triggers.fetchall():
            quoted = name.replace('"', '""')
            database.execute(f'drop trigger "{quoted}"')
        database.execute(f'update "a ""b""" set {column} = ? where fid = 2', (value,))
        database.commit()
    content = (made / "a.gpkg").read_bytes()
    (made / "a.gpkg").unlink()
    made.rmdir()
    if told is None:
        assert len(rows(content, tmp_path)) == 2
        return
    expected = {"code": "type_mismatch", "line": 2, "count": 1, "found": "text"} | told
    assert refusal(content, tmp_path) == expected


# --- archives --------------------------------------------------------------------------------------

CSV = b"id;places\n" + b"".join(b"r%d;%d\n" % (at, at) for at in range(1000))


def test_another_value_in_a_zip(tmp_path: Path) -> None:
    """The checksum says that it is not what was packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.csv", CSV)
    content = out.getvalue().replace(b"r5;5\n", b"r5;9\n")
    assert refusal(content, tmp_path)["code"] == "archive_damaged"


def test_an_entry_that_ends_early(tmp_path: Path) -> None:
    """At the end of a row, so that the rows before would make a table."""
    packer = zlib.compressobj(wbits=-15)
    short = packer.compress(CSV) + packer.flush(zlib.Z_SYNC_FLUSH)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.csv", short)
    content = bytearray(out.getvalue())
    for mark, method, checksum in ((b"PK\x03\x04", 8, 14), (b"PK\x01\x02", 10, 16)):
        at = content.find(mark)
        content[at + method : at + method + 2] = (8).to_bytes(2, "little")
        content[at + checksum : at + checksum + 4] = zlib.crc32(CSV).to_bytes(4, "little")
    assert refusal(bytes(content), tmp_path)["code"] == "archive_damaged"


@pytest.mark.parametrize("run", [0, 1, 258, 259, 4000])
def test_nothing_is_left_in_the_inflater(tmp_path: Path, run: int) -> None:
    """What a few last bits stand for, beyond a block's end, is a part of the table as well."""
    noise = random.Random(run).randbytes(100_000).hex().encode()
    filling = b"id;places\n" + b"".join(
        noise[at : at + 30] + b";1\n" for at in range(0, 200_000, 30)
    )
    tail = b"z" * ((-len(filling) - 3) % 65_536 + run) + b";2\n"
    [*_, last] = rows(zipped({"a.csv": filling + tail}), tmp_path)
    assert last == {"id": tail[:-3].decode(), "places": 2}


def test_garbage_after_gzip(tmp_path: Path) -> None:
    """Zeros are padding; anything else may be the half of a file."""
    packed = gzip.compress(CSV)
    assert len(rows(packed + bytes(600), tmp_path)) == 1000
    (tmp_path / "table.parquet").unlink()
    assert refusal(packed + SECRET.encode(), tmp_path)["code"] == "archive_damaged"


def test_what_a_mac_puts_into_a_zip(tmp_path: Path) -> None:
    """Folders, and files that no one sees, beside the one that is meant."""
    entries = {"d/": b"", "d/e/a.csv": CSV, "__MACOSX/d/._a.csv": b"x", "d/.DS_Store": b"x"}
    assert len(rows(zipped(entries), tmp_path)) == 1000

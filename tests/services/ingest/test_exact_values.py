"""What a reading library cuts, turns over or leaves out: read right, or refused by line."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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


@pytest.mark.parametrize("row", [0, 25_000])
def test_nanoseconds_of_twelve_bytes(tmp_path: Path, row: int) -> None:
    """Are refused by line like the others; a day past what nanoseconds count is no such case."""
    moments = [None, MOMENT * 1000, -1_000, *[0] * 30_000]
    far = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
    for at, last in ((row, 1), (None, 0)):
        kept = [n + last if i == at and n is not None else n for i, n in enumerate(moments, -1)]
        fine = pa.array(kept, pa.timestamp("ns"))
        out = io.BytesIO()
        pq.write_table(
            pa.table({"id": pa.array([far] * len(kept), pa.timestamp("us")), "places": fine}),
            out,
            use_deprecated_int96_timestamps=True,
            row_group_size=7_000,
        )
        if last:
            told = refusal(out.getvalue(), tmp_path)
            assert told == {"code": "moment_too_fine", "position": 2, "line": row + 2}
    found = rows(out.getvalue(), tmp_path)
    assert found[1] == {"id": far, "places": dt.datetime(2023, 11, 14, 22, 13, 20, 123456)}


@pytest.mark.parametrize("kind", [pa.float32(), pa.float16()])
def test_numbers_of_half_the_precision(tmp_path: Path, kind: pa.DataType) -> None:
    """Are the decimals that they were written for; nothing is added by widening them."""
    numbers = pa.array([0.1, 48.75, -2.3, None, float("nan")], pa.float32()).cast(kind, safe=False)
    found = rows(parquet(id=numbers, places=pa.array([1, 2, 3, 4, 5])), tmp_path)
    assert [row["id"] for row in found] == [0.1, 48.75, -2.3, None, None]


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

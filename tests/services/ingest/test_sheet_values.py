"""Cells of workbooks that a reading library gives as nothing, or as something else."""

from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path

import pytest

from services.ingest.day_formats import shows_day
from tests.services.ingest.reading import DATA, SECRET, plain, read, refusal, rows
from tests.services.ingest.test_careless_files import warned
from tests.services.ingest.test_exact_values import (
    DAY,
    MOMENT_STYLE,
    TIME,
    numbered,
    workbook,
)
from tests.services.ingest.test_limits import CELL, ROW, cells, ods, zipped

# --- OpenDocument ------------------------------------------------------------------------------------

TYPED = "<table:table-cell {}><text:p>{}</text:p></table:table-cell>"
UNTYPED = TYPED.replace(" {}", "")


def untyped(*values: str) -> str:
    """A row as programs write it that know of texts alone."""
    return ROW.format("", "".join(UNTYPED.format(value) for value in values))


@pytest.mark.parametrize("before", [0, 9_000], ids=["at once", "later"])
def test_texts_without_a_type(tmp_path: Path, before: int) -> None:
    """Are the texts that they are, as in a delimited file."""
    above = [untyped("b", str(at)) for at in range(before)]
    found = rows(ods(untyped("id", "places"), *above, untyped("a", "12")), tmp_path)
    assert len(found) == before + 1
    assert found[-1] == {"id": "a", "places": 12}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([untyped("", "id", "places"), ROW.format("", "<table:table-cell/>" + CELL.format("a") * 2)],
         {"id": "a", "places": "a"}),
        ([cells("id"), ROW.format("", CELL.format("a") + UNTYPED.format("b"))], None),
        ([cells("id", "places"), cells("b", "c"), untyped("a", "a")], {"id": "a", "places": "a"}),
        ([ROW.format("", UNTYPED.format("id") + CELL.format("places")),
          ROW.format("", "<table:table-cell/>" + CELL.format("a"))], {"id": None, "places": "a"}),
    ],
    ids=["above", "right", "below", "left"],
)  # fmt: skip
def test_texts_beyond_those_that_have_one(
    tmp_path: Path, lines: list[str], expected: dict[str, str] | None
) -> None:
    """Belong to the table, wherever the reader thinks that it ends."""
    if expected is None:
        assert refusal(ods(*lines), tmp_path)["code"] == "header_empty"
        return
    assert rows(ods(*lines), tmp_path)[-1] == expected


def test_the_first_sheet_that_holds_something(tmp_path: Path) -> None:
    """May hold nothing but texts without a type; an empty one is passed over."""
    other = "</table:table><table:table table:name='{}'>"
    first = [untyped("id", "places"), untyped("a", "b")]
    second = [other.format("B"), cells("x"), cells(SECRET)]
    content = ods(*first, *second)
    assert rows(content, tmp_path) == [{"id": "a", "places": "b"}]
    content = ods(untyped(""), *second, other.format("C"), *first)
    assert rows(content, tmp_path, plain("x")) == [{"x": SECRET}]
    assert refusal(ods(ROW.format("", "")), tmp_path)["code"] == "no_rows"


@pytest.mark.parametrize("kind", ["float", "date", "percentage", "currency"])
def test_a_type_without_a_value(tmp_path: Path, kind: str) -> None:
    """What is shown is all that there is."""
    cell = TYPED.format(f'office:value-type="{kind}"', "12,5")
    lines = [cells("id", "places"), ROW.format("", CELL.format("a") + cell)]
    assert rows(ods(*lines), tmp_path) == [{"id": "a", "places": 12.5}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("PT30H15M00.00000288S", "30:15:00"),
        ("-PT01H30M00S", "-01:30:00"),
        ("PT9600H00M00S", "9600:00:00"),
        ("P1DT1H", "25:00:00"),
        ("P1Y", "P1Y"),
        ("PT23H59M59S", dt.time(23, 59, 59)),
    ],
)
def test_durations_of_an_opendocument_sheet(
    tmp_path: Path, value: str, expected: dt.time | str
) -> None:
    """Of more than a day, and below zero, as those of other workbooks."""
    cell = TYPED.format(f'office:value-type="time" office:time-value="{value}"', "x")
    lines = [cells("id", "places"), ROW.format("", CELL.format("a") + cell)]
    assert rows(ods(*lines), tmp_path) == [{"id": "a", "places": expected}]


def test_truths_written_otherwise(tmp_path: Path) -> None:
    """By programs that write what their language says, or a digit."""
    truth = '<table:table-cell office:value-type="boolean" office:boolean-value="{}"/>'
    said = ("true", "True", "1", "FALSE", "False", "0")
    lines = [ROW.format("", CELL.format("a") + truth.format(one)) for one in said]
    found = rows(ods(cells("id", "places"), *lines), tmp_path)
    assert [row["places"] for row in found] == [True, True, True, False, False, False]


def test_texts_of_drawings(tmp_path: Path) -> None:
    """Are none of the cell that they are anchored to."""
    shape = f"<draw:frame><draw:text-box><text:p>{SECRET}</text:p></draw:text-box></draw:frame>"
    said = f'<table:table-cell office:value-type="string">{shape}<text:p>b</text:p>'
    empty = f"<table:table-cell>{shape}"
    lines = [
        ROW.format("", CELL.format("a") + cell + "</table:table-cell>") for cell in (said, empty)
    ]
    head = cells("id", "places")
    assert rows(ods(head, *lines), tmp_path) == [
        {"id": "a", "places": "b"}, {"id": "a", "places": None},
    ]  # fmt: skip


@pytest.mark.parametrize("shown", ["#DIV/0!", "#N/D", "#VALEUR\u202f!", "Err:502"])
def test_errors_that_say_a_value(tmp_path: Path, shown: str) -> None:
    """As older programs write them: what they say is no value, and they are counted."""
    error = TYPED.format(
        'table:formula="of:=1/0" office:value-type="float" office:value="0"', shown
    )
    number = TYPED.format('office:value-type="float" office:value="3"', "3")
    lines = [ROW.format("", CELL.format("a") + cell) for cell in (error, number)]
    content = ods(cells("id", "places"), *lines)
    assert [row["places"] for row in rows(content, tmp_path)] == [None, 3]
    assert warned(content, tmp_path)["cell_errors"] == 1


# --- Office Open XML ---------------------------------------------------------------------------------


@pytest.mark.parametrize("style", [DAY, MOMENT_STYLE])
def test_zero_is_no_date(tmp_path: Path, style: int) -> None:
    """« 00/01/1900 », or a time that shows a day: the number is seen, and told by line."""
    content = workbook(*numbered(style, "45000", "0", "0.5", "-1", "1e-3"))
    found = [row["places"] for row in rows(content, tmp_path)]
    assert found == ["2023-03-15", "0", "0.5", "-1", "0.001"]
    [told] = [w for w in read(content, tmp_path).quality["warnings"] if w["code"] == "dates_none"]
    assert told == {"code": "dates_none", "position": 2, "line": 4, "count": 4}


def test_midnight_is_a_time(tmp_path: Path) -> None:
    """Where the cell's format shows no day."""
    content = workbook(*numbered(TIME, "0", "0.5"))
    assert [row["places"] for row in rows(content, tmp_path)] == [dt.time(0), dt.time(12)]
    assert "dates_none" not in warned(content, tmp_path)


@pytest.mark.parametrize(
    ("code", "day"),
    [
        ("dd/mm/yyyy", True), ("[$-40C]d mmmm yyyy;@", True), ("mmm\\-yy", True), ("YYYY", True),
        ("h:mm", False), ("[h]:mm:ss", False), ('hh"h"mm" du jour"', False), ("mm:ss.0", False),
        ("h\\d", False), ("[Red]0.00;dd", False),
    ],
)  # fmt: skip
def test_formats_that_show_a_day(code: str, day: bool) -> None:
    assert shows_day(170, {170: code}) is day


def test_formats_without_a_code() -> None:
    assert [at for at in range(50) if shows_day(at, {})] == [*range(14, 18), 22, *range(27, 32), 36]
    assert not shows_day(14, {14: "h:mm"})


# --- legacy workbooks --------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0, -1, -400])
def test_a_legacy_date_that_is_none(tmp_path: Path, days: int) -> None:
    """Comes as a time, of which its number cannot be told: refused by line."""
    content = (DATA / "dates.xls").read_bytes()
    was, none = (struct.pack("<l", number << 2 | 2) for number in (40076, days))
    assert content.count(was) == 1
    told = refusal(content.replace(was, none), tmp_path, plain("Int", "Float", "Date"))
    assert told == {"code": "dates_unsure", "position": 3, "line": 3, "count": 1}


# --- what passes for a workbook ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (
            b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook xmlns='
            b'"urn:schemas-microsoft-com:office:spreadsheet"><Worksheet><Table/></Worksheet></Workbook>',
            "excel_2003_xml",
        ),
        (
            b'<?xml version="1.0"?><office:document xmlns:office="urn:oasis:names:tc:opendocument:'
            b'xmlns:office:1.0"><office:body/></office:document>',
            "flat_opendocument",
        ),
        (b"<table><tr><td>id</td></tr></table>", "html"),
        (b"MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n\r\n<html></html>", "mhtml"),
        (b'ID;PWXL;N;E\r\nC;Y1;X1;K"id"\r\nE\r\n', "sylk"),
        (zipped({"Index/Document.iwa": b"x", "Metadata/Properties.plist": b"y"}), "apple_iwork"),
    ],
    ids=["excel 2003", "flat", "html", "mhtml", "sylk", "numbers"],
)
def test_what_is_no_workbook(tmp_path: Path, content: bytes, found: str) -> None:
    """Is named for what it is, and never taken for text."""
    assert refusal(content, tmp_path) == {"code": "format_unknown", "found": found}


def test_a_text_that_begins_like_sylk(tmp_path: Path) -> None:
    assert rows(b"ID;PLACES\na;1\n", tmp_path) == [{"id": "a", "places": 1}]

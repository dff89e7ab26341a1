"""XLSX and ODS: typed cells, harmless texts, the dictionary beside; read back by other programs."""

from __future__ import annotations

import datetime as dt
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from services.convert import sheets
from services.convert.safe_table import SafeTable
from tests.services.convert.tables import RELEASE, convert, file, letting_out

SHEETS = ("xlsx", "ods")


def cells(folder: Path, suffix: str, sheet: str = "Données") -> list[list[Any]]:
    """What calamine reads of a sheet."""
    book = CalamineWorkbook.from_path(str(file(folder, suffix)))
    return book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)


EVERY_TYPE = pa.table(
    {
        "texte": ['é, ; "q" <b>&amp;', "a\nb", "  deux  espaces ", None],
        "code": ["01001", "2A004", "-5", "00"],
        "entier": pa.array([1, -(10**14), None, 0], pa.int64()),
        "nombre": [0.1, -1.5e300, None, 2.0],
        "vrai": [True, False, None, True],
        "jour": pa.array([dt.date(2026, 3, 1), dt.date(1900, 3, 1), None, dt.date(9999, 12, 31)]),
        "moment": pa.array(
            [dt.datetime(2026, 3, 1, 8, 30, 5), dt.datetime(1999, 12, 31, 23, 59, 59), None, None],
            pa.timestamp("us"),
        ),
        "heure": pa.array([dt.time(8, 30), dt.time(23, 59, 59), None, dt.time(0)], pa.time64("us")),
    }
)


@pytest.mark.parametrize("form", SHEETS)
def test_cells_have_their_types(tmp_path: Path, form: str) -> None:
    """Texts are texts, codes keep their zeros, numbers, booleans and days are such."""
    convert(EVERY_TYPE, tmp_path, form)
    header, *rows = cells(tmp_path, form)
    assert header == EVERY_TYPE.column_names
    for name, place in zip(EVERY_TYPE.column_names, range(8), strict=True):
        for given_, found in zip(EVERY_TYPE[name].to_pylist(), rows, strict=True):
            if isinstance(given_, dt.time):
                # A time of day is a share of a day to one reader, a time or a length to another.
                assert (
                    _seconds(found[place])
                    == given_.hour * 3600 + given_.minute * 60 + given_.second
                )
            else:
                assert found[place] == ("" if given_ is None else given_), name


def _seconds(value: Any) -> int:
    if isinstance(value, dt.time):
        return value.hour * 3600 + value.minute * 60 + value.second
    return round(value.total_seconds() if isinstance(value, dt.timedelta) else value * 86400)


def test_openpyxl_agrees(tmp_path: Path) -> None:
    """The workbook by another reader: types, frozen header, two sheets, no formula."""
    convert(EVERY_TYPE, tmp_path, "xlsx")
    book = openpyxl.load_workbook(file(tmp_path, "xlsx"))
    assert book.sheetnames == ["Données", "Dictionnaire"]
    assert [sheet.freeze_panes for sheet in book] == ["A2", "A2"]
    sheet = book["Données"]
    first = [cell.value for cell in sheet[2]]
    assert first[:5] == ['é, ; "q" <b>&amp;', "01001", 1, 0.1, True]
    assert first[5:] == [dt.datetime(2026, 3, 1), dt.datetime(2026, 3, 1, 8, 30, 5), dt.time(8, 30)]
    assert not [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]


@pytest.mark.parametrize("form", SHEETS)
def test_pandas_agrees(tmp_path: Path, form: str) -> None:
    """pandas reads the columns with their types."""
    convert(EVERY_TYPE, tmp_path, form)
    frame = pd.read_excel(file(tmp_path, form), engine="calamine", dtype={"code": str})
    assert list(frame["code"]) == ["01001", "2A004", "-5", "00"]
    assert frame["nombre"].iloc[0] == 0.1
    assert frame["jour"].iloc[0] == pd.Timestamp(2026, 3, 1)


@pytest.mark.parametrize("form", SHEETS)
@pytest.mark.parametrize("cell", ["=1+1", "+33 6", "-cmd|calc", "@SUM(A1)", "\t=1", "＝1+1"])
def test_no_text_is_a_formula(tmp_path: Path, form: str, cell: str) -> None:
    """What a spreadsheet would run is a text cell with the same letters, and is told of."""
    made = convert(pa.table({"id": [cell, "x"], "=n": [1, 2]}), tmp_path, form)
    found = cells(tmp_path, form)
    # calamine leaves out what OpenDocument has for a tab.
    assert (found[0][1], found[1][0]) == ("=n", cell.lstrip("\t") if form == "ods" else cell)
    told = json.loads(made.datapackage.path.read_bytes())["resources"][-1]
    assert told["formulaGuard"] == {"cellType": "string", "cells": {"id": 1}}
    with zipfile.ZipFile(file(tmp_path, form)) as package:
        parts = b"".join(package.read(name) for name in package.namelist())
    assert b"<f>" not in parts
    assert b"table:formula" not in parts


def test_a_text_that_would_run_stays_text_when_edited(tmp_path: Path) -> None:
    """Its cell has the quality that an apostrophe gives it in Excel; other texts have not."""
    convert(pa.table({"id": ["=1", "x"]}), tmp_path, "xlsx")
    sheet = openpyxl.load_workbook(file(tmp_path, "xlsx"))["Données"]
    assert [sheet[place].quotePrefix for place in ("A2", "A3")] == [True, False]


@pytest.mark.parametrize("form", SHEETS)
def test_what_numbers_cannot_hold_is_whole(tmp_path: Path, form: str) -> None:
    """Long integers are texts; NaN and ∞ are empty."""
    table = pa.table(
        {"nb": [2**63 - 1, 10**15, -(10**15) + 1, 7], "x": [math.nan, math.inf, -math.inf, 1.5]}
    )
    convert(table, tmp_path, form)
    found = cells(tmp_path, form)[1:]
    assert [row[0] for row in found] == [
        "9223372036854775807",
        "1000000000000000",
        -(10**15) + 1,
        7,
    ]
    assert [row[1] for row in found] == ["", "", "", 1.5]


def test_days_before_excel_are_texts(tmp_path: Path) -> None:
    """Excel counts a 29 February 1900 that never was: what lies before March is ISO text."""
    days = [dt.date(1789, 7, 14), dt.date(1900, 2, 28), dt.date(1900, 3, 1)]
    moments = pa.array([dt.datetime(1850, 1, 1, 12), None, dt.datetime(2000, 1, 1)])
    convert(pa.table({"jour": days, "moment": moments}), tmp_path, "xlsx", "ods")
    found = cells(tmp_path, "xlsx")[1:]
    assert [row[0] for row in found] == ["1789-07-14", "1900-02-28", dt.date(1900, 3, 1)]
    assert [row[1] for row in found] == ["1850-01-01T12:00:00", "", dt.date(2000, 1, 1)]
    assert cells(tmp_path, "ods")[1][0] == dt.date(1789, 7, 14)


def test_moments_in_utc_say_so(tmp_path: Path) -> None:
    """The cell is the moment in UTC and shows a Z."""
    moment = pa.array([dt.datetime(2026, 7, 1, 8, 30, tzinfo=dt.UTC)], pa.timestamp("us", "UTC"))
    convert(pa.table({"moment": moment}), tmp_path, "xlsx")
    cell = openpyxl.load_workbook(file(tmp_path, "xlsx"))["Données"]["A2"]
    assert cell.value == dt.datetime(2026, 7, 1, 8, 30)
    assert '"Z"' in cell.number_format


TEXT = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("_x0041 \t\n\r<&'"), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | TEXT, min_size=1, max_size=5))
def test_xlsx_holds_any_text(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]
) -> None:
    """Control characters, marks that look like escapes, spaces at the ends: all come back."""
    folder = tmp_path_factory.mktemp("x")
    table = pa.table({"id": pa.array(texts, pa.string()), "n": list(range(len(texts)))})
    assert not convert(table, folder, "xlsx").refused
    sheet = openpyxl.load_workbook(file(folder, "xlsx"))["Données"]
    found = [sheet.cell(row, 1).value for row in range(2, len(texts) + 2)]
    unescape = openpyxl.utils.escape.unescape
    assert [unescape(one) if one else None for one in found] == [one or None for one in texts]


PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | PRINTABLE, min_size=1, max_size=5))
def test_ods_holds_any_printable_text(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]
) -> None:
    """Spaces in a row and at the ends come back, letters of every script as well."""
    folder = tmp_path_factory.mktemp("o")
    table = pa.table({"id": pa.array(texts, pa.string()), "n": list(range(len(texts)))})
    assert not convert(table, folder, "ods").refused
    assert [row[0] for row in cells(folder, "ods")[1:]] == [one or "" for one in texts]


@pytest.mark.parametrize("form", SHEETS)
def test_the_dictionary_is_the_second_sheet(tmp_path: Path, form: str) -> None:
    """Titles, descriptions, units and the meaning of codes, in French."""
    said = {
        "etat": {
            "title": {"fr": "État", "en": "State"},
            "description": "État constaté",
            "unit": "note",
            "codes": {"1": "bon", "2": {"fr": "moyen", "en": "fair"}},
        }
    }
    convert(pa.table({"id": ["a"], "etat": [1]}), tmp_path, form, columns=said)
    assert cells(tmp_path, form, "Dictionnaire") == [
        ["Colonne", "Type", "Titre", "Description", "Unité", "Valeurs"],
        ["id", "texte", "", "", "", ""],
        ["etat", "entier", "État", "État constaté", "note", "1 : bon ; 2 : moyen"],
    ]


@pytest.mark.parametrize(("form", "part"), [("xlsx", "docProps/custom.xml"), ("ods", "meta.xml")])
def test_licence_and_source_travel_inside(tmp_path: Path, form: str, part: str) -> None:
    """Licence, attribution, source and release are properties of the workbook."""
    origin = {"title": "Base <Adresse>", "licence": "lov2"}
    convert(pa.table({"id": ["a"]}), tmp_path, form, derived_from=[origin])
    with zipfile.ZipFile(file(tmp_path, form)) as package:
        told = package.read(part).decode()
    for text in ("Licence Ouverte 2.0", "Ville d'essai", "Base &lt;Adresse&gt;", RELEASE):
        assert text in told


def test_the_workbook_says_nothing_of_its_making(tmp_path: Path) -> None:
    """No date but the format's first, no person, no program."""
    convert(pa.table({"id": ["a"]}), tmp_path, "xlsx", "ods")
    for form in SHEETS:
        with zipfile.ZipFile(file(tmp_path, form)) as package:
            assert {one.date_time for one in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            assert package.testzip() is None
    book = openpyxl.load_workbook(file(tmp_path, "xlsx"))
    assert book.properties.lastModifiedBy is None
    assert book.properties.title == "Bancs publics"


def test_long_sheets_are_told_by_what_the_table_holds(tmp_path: Path) -> None:
    """A member of a ZIP file says before it is written whether it may pass 2 GiB: few long texts can."""
    texts = pa.table({"t": [f"{n:05}" * 1000 for n in range(50)], "n": list(range(50))})
    pq.write_table(texts, tmp_path / "t.parquet")
    table = SafeTable(tmp_path / "t.parquet", letting_out("t", "n"))
    convert(texts, tmp_path, *SHEETS)
    for form, part in (("xlsx", "xl/worksheets/sheet1.xml"), ("ods", "content.xml")):
        with zipfile.ZipFile(file(tmp_path, form)) as package:
            assert package.getinfo(part).file_size < table.as_xml(60)


@pytest.mark.parametrize(
    ("form", "part"),
    [("xlsx", "xl/worksheets/sheet1.xml"), ("ods", "content.xml"), ("kmz", "doc.kml")],
)
def test_a_short_member_is_of_the_oldest_kind(tmp_path: Path, form: str, part: str) -> None:
    """Small programs read no others (ZIP 4.5 and its large members)."""
    place = pa.array(shapely.to_wkb([shapely.Point(4, 45)]), pa.binary())
    convert(pa.table({"id": ["a"], "lieu": place}), tmp_path, form)
    with zipfile.ZipFile(file(tmp_path, form)) as package:
        assert package.getinfo(part).extract_version == 20


def test_an_ods_file_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    """The member `mimetype` is first and uncompressed (OpenDocument 1.3, part 2, 3.3)."""
    convert(pa.table({"id": ["a"]}), tmp_path, "ods")
    start = file(tmp_path, "ods").read_bytes()[30:100]
    assert start.startswith(b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet")


def test_the_header_of_an_ods_file_stays_in_view(tmp_path: Path) -> None:
    """Both sheets are split under their first row."""
    convert(pa.table({"id": ["a"]}), tmp_path, "ods")
    with zipfile.ZipFile(file(tmp_path, "ods")) as package:
        told = package.read("settings.xml").decode()
    assert told.count('config:name="VerticalSplitPosition" config:type="int">1<') == 2


@pytest.mark.parametrize("form", SHEETS)
def test_a_sheet_without_rows_and_a_wide_one(tmp_path: Path, form: str) -> None:
    """A header alone; 4,096 columns."""
    convert(pa.table({"id": pa.array([], pa.string())}), tmp_path, form)
    assert cells(tmp_path, form) == [["id"]]
    wide = {f"c{n}": pa.array([n, None]) for n in range(4096)}
    convert(pa.table(wide), tmp_path, form)
    found = cells(tmp_path, form)
    assert (len(found[0]), found[1][4095]) == (4096, 4095)


def test_a_sheet_holds_so_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit, header included, it is written; one row more, it is refused by name and count."""
    monkeypatch.setattr(sheets, "MOST_ROWS", 11)
    (tmp_path / "a").mkdir()
    assert not convert(pa.table({"n": list(range(10))}), tmp_path / "a", *SHEETS).refused
    made = convert(pa.table({"n": list(range(11))}), tmp_path, *SHEETS)
    assert [(one.code, one.detail, one.count, one.limit) for one in made.refused] == [
        ("format_too_many_rows", "XLSX", 11, 10),
        ("format_too_many_rows", "ODS", 11, 10),
    ]
    assert [one.format for one in made.files] == ["csv", "json", "parquet"]
    assert not file(tmp_path, "xlsx").exists()


@pytest.mark.parametrize("form", SHEETS)
@pytest.mark.parametrize(("rows", "batch"), [(10, 7), (11, 7), (33, 7), (35, 25), (20, 10)])
def test_a_long_table_is_several_sheets_if_the_card_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, rows: int, batch: int
) -> None:
    """Each with the header, every row once and in order, the dictionary last, the same bytes again,
    however the table is read."""
    monkeypatch.setattr(sheets, "MOST_ROWS", 11)
    table = pa.table({"n": list(range(rows)), "t": [f"=é{number}" for number in range(rows)]})
    layout = {"row_group_size": batch}
    made = convert(table, tmp_path, form, sheets="split", layout=layout)
    assert not made.refused
    book = CalamineWorkbook.from_path(str(file(tmp_path, form)))
    count = -(-rows // 10)
    names = ["Données"] if count == 1 else [f"Données {number + 1}" for number in range(count)]
    assert book.sheet_names == [*names, "Dictionnaire"]
    found = []
    for name in names:
        header, *cells = book.get_sheet_by_name(name).to_python()
        assert header == ["n", "t"]
        assert 1 <= len(cells) <= 10
        found += cells
    assert found == [[number, f"=é{number}"] for number in range(rows)]
    (tmp_path / "b").mkdir()
    again = convert(table, tmp_path / "b", form, sheets="split")
    assert [one.sha256 for one in again.files] == [one.sha256 for one in made.files]


def test_no_workbook_of_too_many_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond twenty it is refused even so."""
    monkeypatch.setattr(sheets, "MOST_ROWS", 11)
    table = pa.table({"n": list(range(201))})
    [reason] = convert(table, tmp_path, "xlsx", sheets="split").refused
    assert (reason.code, reason.count, reason.limit) == ("format_too_many_rows", 201, 200)


def test_a_cell_holds_so_many_characters(tmp_path: Path) -> None:
    """32,767 UTF-16 units fit into a cell of Excel, one more does not."""
    (tmp_path / "a").mkdir()
    fits = pa.table({"id": ["🌳" * 16_383 + "x", "é" * 32_767]})
    assert not convert(fits, tmp_path / "a", "xlsx").refused
    [reason] = convert(pa.table({"id": ["🌳" * 16_384]}), tmp_path, "xlsx").refused
    assert (reason.code, reason.column, reason.limit) == ("format_cell_too_long", "id", 32_767)

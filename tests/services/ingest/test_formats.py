"""Every format that a city has: real files in, typed tables out."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import zipfile
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from shared.failures import Quarantined
from tests.services.ingest.reading import DATA, SECRET, plain, read, refusal, rows, table

AIN = {
    "code": "01", "region": "84", "chefLieu": "01053", "nom": "Ain", "typeLiaison": 5, "zone": "metro",
}  # fmt: skip
VERDON = {
    "cle_interop": "A7482_6956_11",
    "voie_nom": "Rue du Verdon",
    "numero": 11,
    "date_der_maj": dt.date(2013, 1, 26),
    "long": 7.737072,
    "lat": 48.55045,
}


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "format_", "count", "first"),
    [
        ("departements.json", "json", 109, AIN),
        ("departements.ndjson", "ndjson", 109, AIN),
        ("departements.zip", "json", 109, AIN),
        ("adresses.xls", "xls", 15, VERDON),
        ("adresses-1904.xls", "xls", 15, VERDON),
        (
            "laureats.ods",
            "ods",
            3,
            {
                "Année": 2012,
                "Edition": "DC1",
                "Date de la cérémonie": dt.date(2012, 5, 29),
                "Projet": "Citizens Up",
                "Résultat": "Lauréat",
            },
        ),
        ("booleans.ods", "ods", 2, {"id": 1, "boolean": True}),
        ("two-sheets.ods", "ods", 2, {"id": 1, "name": "english"}),
        ("sheets.xlsx", "xlsx", 1, {"id": 1, "name": "london"}),
        ("file.xlsx", "xlsx", 6, {"NOM": "B00", "LABEL": "FNB-FRAIS D'ASSIETTE,DEGREV,NON VALEURS"}),
        (
            "file.csv.gz",
            "csv",
            6,
            {"code_departement": "01", "code_region": "01", "partly_empty": 10},
        ),
        (
            "hotels.csv",
            "csv",
            638,
            {
                "Classement": "3 stars",
                "Quartier": "All",
                "Date": dt.date(2013, 1, 1),
                "Année": 2013,
                "Occupancy rate": 0.611553068,
                "Average Price": 81.20416129,
                "RevPAR": 49.66065393,
                "Source": "Mkg",
            },
        ),
        (
            "file.parquet",
            "parquet",
            1000,
            {
                "inseecommune": "73327",
                "nomcommune": "VIONS",
                "nomreseau": "VIONS",
                "debutalim": dt.date(2010, 9, 7),
                "annee": 2022,
                "lat": 52.93824762767676,
                "categories": "[0,1,2,3]",
                "score": 175.313,
                "is_true": True,
                "timestamp": dt.datetime(1963, 12, 31, 13, 26, 8),
            },
        ),
    ],
)  # fmt: skip
def test_real_files(
    tmp_path: Path, name: str, format_: str, count: int, first: dict[str, Any]
) -> None:
    """Each is known by its content alone, and gives these values of these types."""
    made = read(DATA / name, tmp_path)
    found = pq.read_table(tmp_path / "table.parquet").to_pylist()
    assert made.quality["source"]["format"] == format_
    assert (made.rows, len(found)) == (count, count)
    assert found[0] == first
    assert {path.name for path in tmp_path.iterdir()} == {"source", "table.parquet"}


def test_a_spreadsheet_with_the_wrong_ending(tmp_path: Path) -> None:
    """An ODS that was sent as `.xls`: postal codes as they are written, dates as dates."""
    made = rows(DATA / "fondations.ods", tmp_path)
    assert [row["CP"] for row in made] == ["75005", "75017", "75003", "71300", "75014"]
    assert made[0]["DATE DE RECONNAISSANCE D'UTILITE PUBLIQUE"] == dt.date(1906, 5, 16)


def test_latin_9_and_windows_are_told_from_utf_8(tmp_path: Path) -> None:
    """The same addresses in two encodings are the same table."""
    assert rows(DATA / "adresses-ansi.csv", tmp_path) == rows(DATA / "adresses.csv", tmp_path)


def test_a_card_may_choose_the_sheet(tmp_path: Path) -> None:
    """By name, of an ODS as of an XLSX; one that is hidden is never read."""
    chosen = plain(source={"sheet": "Tabelle2"})
    assert rows(DATA / "two-sheets.ods", tmp_path, chosen) != rows(
        DATA / "two-sheets.ods", tmp_path
    )
    (tmp_path / "table.parquet").unlink()
    hidden = plain(source={"sheet": "cachée"})
    assert refusal(DATA / "adresses.xls", tmp_path, hidden)["code"] == "sheet_hidden"


def test_hidden_sheets_leave_no_trace(tmp_path: Path) -> None:
    """A hidden sheet's content is in no table and no report; that there was one is said."""
    made = read(DATA / "adresses.xls", tmp_path)
    assert SECRET.encode() in (DATA / "adresses.xls").read_bytes()
    assert SECRET.encode() not in (tmp_path / "table.parquet").read_bytes()
    assert {"code": "sheets_hidden", "count": 1} in made.quality["warnings"]


def test_comments_properties_and_hidden_columns(tmp_path: Path) -> None:
    """What a workbook says beside its cells goes nowhere."""
    book = openpyxl.Workbook()
    book.properties.creator = book.properties.title = SECRET
    book.active.append(["id", "places"])
    book.active.append(["B1", 3])
    book.active["A2"].comment = openpyxl.comments.Comment(SECRET, SECRET)
    book.defined_names["agent"] = openpyxl.workbook.defined_name.DefinedName(
        "agent", attr_text=f'"{SECRET}"'
    )
    out = io.BytesIO()
    book.save(out)
    made = read(out.getvalue(), tmp_path)
    assert SECRET.encode() not in (tmp_path / "table.parquet").read_bytes()
    assert SECRET not in json.dumps(made.quality)


@pytest.mark.parametrize("mac", [False, True])
def test_both_epochs(tmp_path: Path, mac: bool) -> None:
    """Excel's days count from 1900 or from 1904; the date that was meant comes out."""
    book = openpyxl.Workbook()
    if mac:
        book.epoch = CALENDAR_MAC_1904
    book.active.append(["id", "jour"])
    book.active.append(["B1", dt.date(2025, 12, 31)])
    out = io.BytesIO()
    book.save(out)
    assert rows(out.getvalue(), tmp_path)[0]["jour"] == dt.date(2025, 12, 31)


# --- wrapping --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [b"id\tplaces\nB1\t3\n", b"id;places\nB1;3\n", b"id|places\nB1|3\n"]
)
@pytest.mark.parametrize("wrap", ["plain", "gzip", "gzip twice", "zip"])
def test_wrapped_texts(tmp_path: Path, text: bytes, wrap: str) -> None:
    """Plain, gzip (also two put end to end), or in a zip among what systems leave there."""
    content = {
        "plain": text,
        "gzip": gzip.compress(text),
        "gzip twice": gzip.compress(text[:5]) + gzip.compress(text[5:]),
        "zip": zipped({"export/bancs.csv": text, "__MACOSX/._bancs.csv": b"\x00\x05"}),
    }[wrap]
    assert rows(content, tmp_path) == [{"id": "B1", "places": 3}]


def test_midnight_among_moments(tmp_path: Path) -> None:
    """A workbook's midnight is read as a day: in a column of moments it is one of them."""
    book = openpyxl.Workbook()
    moments = [dt.datetime(2025, 12, 31, 10, 30), dt.datetime(2026, 1, 1), None]
    for row in (["id", "vu"], *([f"B{at}", moment] for at, moment in enumerate(moments))):
        book.active.append(row)
    book.save(tmp_path / "book.xlsx")
    made = rows(tmp_path / "book.xlsx", tmp_path, plain("id", "vu"))
    assert [row["vu"] for row in made] == moments


def test_a_workbook_in_a_zip(tmp_path: Path) -> None:
    """A workbook is an archive to itself, not an archive in one."""
    content = zipped({"sheets.xlsx": (DATA / "sheets.xlsx").read_bytes()})
    assert rows(content, tmp_path) == [{"id": 1, "name": "london"}]


@pytest.mark.parametrize(
    ("content", "code", "count"),
    [
        (zipped({"a.csv": b"id\n1\n", "b.csv": b"id\n1\n"}), "archive_content", 2),
        (zipped({"__MACOSX/a.csv": b"x"}), "archive_content", 0),
        (zipped({"a.zip": zipped({"a.csv": b"id\n1\n"})}), "archive_depth", None),
        (gzip.compress(zipped({"a.csv": b"id\n1\n"})), "archive_depth", None),
        (zipped({"a.gz": gzip.compress(b"id;n\n1;2\n")}), "archive_depth", None),
        (gzip.compress(b"id;places\nB1;3\n")[:-9], "archive_damaged", None),
        (gzip.compress(b"id;places\nB1;3\n") + b"rest", "archive_damaged", None),
        (b"\x1f\x8b\x08\x00" + bytes(40), "archive_damaged", None),
    ],
    # gzip writes the time: as names the bytes would be others in each process.
    ids=[
        "two tables", "no table", "zip in zip", "zip in gzip", "gzip in zip", "cut off", "more behind",
        "no gzip",
    ],
)  # fmt: skip
def test_wrapping_that_is_refused(
    tmp_path: Path, content: bytes, code: str, count: int | None
) -> None:
    """Nothing to choose, or more than one thing; an archive within an archive; half a file."""
    found = refusal(content, tmp_path)
    assert (found["code"], found.get("count")) == (code, count)


# --- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "kept"),
    [
        ("Total;7", 2), ("TOTAL GÉNÉRAL :;7", 2), (";Total;7", None), ("Totaux;7", 2),
        ("Total;", 3), ("Totalement;7", 3),
    ],
)  # fmt: skip
def test_the_line_of_totals(tmp_path: Path, last: str, kept: int | None) -> None:
    """It is left out, and said to be; a lone word or another one is data."""
    if kept is None:
        text, kept = f"x;id;places\n1;B1;3\n2;B2;4\n{last}\n", 2
    else:
        text = f"id;places\nB1;3\nB2;4\n{last}\n"
    made = read(text.encode(), tmp_path)
    assert made.rows == kept
    told = {w["code"]: w.get("count") for w in made.quality["warnings"]}
    assert told.get("totals_left_out") == (1 if kept == 2 else None)
    assert made.columns[-1].type == "integer"


def test_totals_that_are_data(tmp_path: Path) -> None:
    """A table whose rows are totals keeps them all."""
    text = b"sexe;places\nHommes;3\nTotal;7\nFemmes;4\nTotal;7\n"
    assert read(text, tmp_path).rows == 4


def test_a_total_under_numbers_only(tmp_path: Path) -> None:
    """The word stands in a column of numbers, which stays one."""
    made = read(b"annee;places\n2024;3\n2025;4\nTotal;7\n", tmp_path)
    assert (made.rows, [c.type for c in made.columns]) == (2, ["integer", "integer"])


def test_totals_under_a_sheet(tmp_path: Path) -> None:
    """In a workbook too, its merged header above."""
    book = openpyxl.Workbook()
    for row in (["Population", None, None], ["Hommes", "Femmes", "code"], [1, 2, "01"], [3, 4, "02"],
                ["Total", 6, "x"]):  # fmt: skip
        book.active.append(row)
    book.active.merge_cells("A1:B1")
    out = io.BytesIO()
    book.save(out)
    assert rows(out.getvalue(), tmp_path) == [
        {"Population Hommes": 1, "Population Femmes": 2, "code": "01"},
        {"Population Hommes": 3, "Population Femmes": 4, "code": "02"},
    ]


# --- JSON ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[{"id": "B1", "places": 3}]', None),
        ('{"id": "B1", "places": 3}\n{"id": "B2", "places": 4}', None),
        ('{"count": 1, "links": ["a"], "results": [{"id": "B1", "places": 3}]}', None),
        ('{"result": {"records": [{"id": "B1", "places": 3}]}, "x": [{"y": 1}]}', None),
        ('{"x": [{"y": 1}], "result": {"records": [{"id": "B1", "places": 3}]}}', "result.records"),
        ('\ufeff[{"id": "B1", "places": 3}]', None),
    ],
)
def test_where_the_rows_are(tmp_path: Path, text: str, path: str | None) -> None:
    """In the list that the text is, in the first list of objects, or where the card says."""
    chosen = plain(source={"rows": path}) if path else None
    assert rows(text.encode(), tmp_path, chosen)[0] == {"id": "B1", "places": 3}


def test_nested_json(tmp_path: Path) -> None:
    """Objects become columns, lists JSON text; a row may lack what another has."""
    text = (
        '[{"id": 1, "lieu": {"rue": "Foch", "pos": {"x": 1.5}}, "tags": ["a", 2]},'
        ' {"id": 2, "lieu": null, "neuf": true}]'
    )
    assert rows(text.encode(), tmp_path) == [
        {"id": 1, "lieu.rue": "Foch", "lieu.pos.x": 1.5, "tags": '["a",2]', "neuf": None},
        {"id": 2, "lieu.rue": None, "lieu.pos.x": None, "tags": None, "neuf": True},
    ]


def test_json_has_types_of_its_own(tmp_path: Path) -> None:
    """A text of digits stays text, a text that is a date becomes one, a long number keeps its digits."""
    text = (
        '[{"a": "12", "b": "2025-12-31", "c": 12345678901234567890, "d": 1, "e": 1},'
        ' {"a": "13", "b": "2025-01-01", "c": 1, "d": 2.5, "e": "x"}]'
    )
    made = table(text.encode(), tmp_path)
    assert [str(field.type) for field in made.schema] == [
        "string", "date32[day]", "string", "double", "string",
    ]  # fmt: skip
    assert made["c"].to_pylist() == ["12345678901234567890", "1"]
    assert made["d"].to_pylist() == [1.0, 2.5]


def test_types_over_many_chunks(tmp_path: Path) -> None:
    """A column that is whole for many rows and then is not is of one type throughout."""
    text = "[" + ",".join(f'{{"n": {n}}}' for n in range(25_000)) + ',{"n": 0.5}]'
    made = table(text.encode(), tmp_path)
    assert str(made.schema.field("n").type) == "double"
    assert made["n"].to_pylist()[24_999:] == [24_999.0, 0.5]


def test_lines_of_ndjson(tmp_path: Path) -> None:
    """A wrong value is found by its line, blank ones counted."""
    text = b'{"id": "B1", "places": 3}\n\n{"id": "B2", "places": "trois"}\n'
    chosen = plain(schema={"fields": [{"name": "id"}, {"name": "places", "type": "integer"}]})
    found = refusal(text, tmp_path, chosen)
    assert (found["code"], found["column"], found["line"]) == ("type_mismatch", "places", 3)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[{"a": 1}', "json_invalid"), ('[{"a": 1},]', "json_invalid"), ('[{"a": 01}]', "json_invalid"),
        ('[{"a": 1}] x', "json_invalid"), ('[{"a": "\\ud800"}]', "json_invalid"),
        ('[{"a": "x\\udc00"}]', "json_invalid"), ('[{"a": NaN}]', "json_invalid"),
        ('[{"a": 1, "a": 2}]', "json_key"), ('[{"a": {"b": 1, "b": 2}}]', "json_key"),
        ('[{"a.b": 1, "a": {"b": 2}}]', "json_key"), ('{"a": {"b": 1}}', "rows_missing"),
        ('[["a"], ["b"]]', "rows_missing"), ('{"a": 1}\n{"a": NaN}', "json_number"),
        ('{"a": 1}\n{"a": 1, "a": 2}', "json_key"), ('{"a": 1}\n{"a": ', "json_invalid"),
        ('{"a": 1}\n[1]', "rows_missing"), ('{"a": 1}\n{"a": "\\ud800"}', "json_invalid"),
        ('{"a": []}', "rows_missing"), ('[{}]', "no_rows"),
    ],
)  # fmt: skip
def test_json_that_is_refused(tmp_path: Path, text: str, code: str) -> None:
    """Where readers would differ, or make something up, it stops, and quotes nothing."""
    text = text.replace('"a"', f'"{SECRET}"') if code != "json_key" else text
    assert refusal(text.encode(), tmp_path)["code"] == code


def test_a_pair_of_halves_is_one_character(tmp_path: Path) -> None:
    """Written in two escapes, even where the parser's blocks meet."""
    for pad in range(65_500, 65_560):
        text = '[{"a": "' + "x" * pad + '\\ud83c\\udf33\\\\ud800"}]'
        assert rows(text.encode(), tmp_path)[0]["a"].endswith("x🌳\\ud800")


# --- Parquet ---------------------------------------------------------------------------------------


def written(columns: dict[str, pa.Array], **metadata: str) -> bytes:
    out = io.BytesIO()
    made = pa.table(columns)
    pq.write_table(made.replace_schema_metadata(metadata), out)
    return out.getvalue()


def test_parquets_types(tmp_path: Path) -> None:
    """Each of its many types goes on as one of ours."""
    content = written(
        {
            "i": pa.array([1, None], pa.int8()),
            "d": pa.array([Decimal("1.5"), None], pa.decimal128(10, 2)),
            "f": pa.array([1.5, float("nan")], pa.float32()),
            "t": pa.array([1000, 2000], pa.timestamp("ns", "Europe/Paris")),
            "s": pa.array(["a", "b"]).dictionary_encode(),
            "l": pa.array([{"a": [1]}, None]),
            "z": pa.array([1000, 2000], pa.time64("us")),
        }
    )
    made = table(content, tmp_path)
    assert {field.name: str(field.type) for field in made.schema} == {
        "i": "int64", "d": "double", "f": "double", "t": "timestamp[us, tz=UTC]", "s": "string",
        "l": "string", "z": "time32[ms]",
    }  # fmt: skip
    assert made["f"].to_pylist() == [1.5, None]
    assert made["l"].to_pylist() == ['{"a":[1]}', None]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (written({"a": pa.array([b"x"])}), "column_unreadable"),
        (written({"a": pa.array([2**63], pa.uint64())}), "number_too_long"),
        (written({"a": pa.array([10**17], pa.decimal128(20, 0))}), "number_too_long"),
        (written({"a": pa.array([1])}, geo="{"), "file_damaged"),
        (written({"a": pa.array([], pa.int64())}), "no_rows"),
        (written({"a": pa.array([1])})[:-20], "file_damaged"),
        (b"PAR1" + bytes(100) + b"PAR1", "file_damaged"),
        (written({"a": pa.array(["x" * (1 << 20) + "y"])}), "cell_too_large"),
    ],
)
def test_parquet_that_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    """What cannot be kept exactly, checked, or read."""
    assert refusal(content, tmp_path)["code"] == code


@pytest.mark.parametrize(
    "content",
    [b"\x80\x04\x95" + bytes(20), b"ARROW1\x00\x00" + bytes(20), b"\x89HDF\r\n\x1a\n" + bytes(20),
     b"FEA1" + bytes(20), b"SQLite format 3\x00" + bytes(100)],
)  # fmt: skip
def test_formats_that_are_never_opened(tmp_path: Path, content: bytes) -> None:
    """Pickle, Arrow, HDF, feather, a database (bad input S25)."""
    assert refusal(content, tmp_path)["code"] == "format_unknown"


def test_a_card_that_declares_another_format(tmp_path: Path) -> None:
    """The card is believed about what is expected, the content about what is there."""
    declared = plain(source={"format": "ods"})
    found = refusal(DATA / "departements.json", tmp_path, declared)
    assert found == {"code": "format_mismatch", "expected": "ods", "found": "json"}


DAMAGED = ("adresses.xls", "booleans.ods", "departements.json", "departements.zip", "file.parquet",
           "earthquakes.geojson", "jezero.gpx", "adresses.kml", "nulls.gpkg",
           "sample.osm.pbf")  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(DAMAGED), st.data())
def test_damage_never_breaks_it(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    """Whatever bytes of a real file are changed or missing: a table, or Quarantined."""
    content = bytearray((DATA / name).read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.sampled_from([len(content), len(content) - 1, len(content) // 2]))
    with suppress(Quarantined):
        read(bytes(content[:end]), tmp_path_factory.mktemp("damaged"))

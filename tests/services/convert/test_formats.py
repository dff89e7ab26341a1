"""Which formats a release comes in, what happens to one that cannot hold it, and the text formats."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from pathlib import Path
from typing import get_args

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from frictionless import Package

from services.convert import sheets
from services.convert.conversion_report import make_report
from services.convert.refusal import Why
from shared.card import Card
from shared.failures import Quarantined
from shared.formats import FORMATS, Format
from shared.messages import catalogue
from shared.strategy import Strategy
from tests.cards import card
from tests.services.convert.tables import convert, file

TABLE = pa.table({"id": ["é;,\t|", 'a"b\nc', "", None], "nb": pa.array([1, None, -3, 4])})


def test_every_format_has_its_facts() -> None:
    """Suffix and media type; no two formats have the same file name."""
    assert set(FORMATS) == set(get_args(Format))
    assert len({one.suffix for one in FORMATS.values()}) == len(FORMATS)


def test_xlsx_comes_by_default() -> None:
    """A card that names no format has the strategy's, and XLSX where the data fit; one that does
    has those."""
    body = card().body()
    silent = {name: value for name, value in body.items() if name != "formats"}
    found = Card.model_validate(silent).resolve(Strategy())
    assert (found.formats, found.optional_formats) == (("csv", "json", "parquet"), ("xlsx",))
    assert found.resolve(Strategy()) == found
    named = Card.model_validate(body).resolve(Strategy())
    assert (named.formats, named.optional_formats) == (("csv", "json", "parquet"), None)


def test_a_required_format_that_cannot_hold_it_stops_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named in `formats`, it must be; the reason says which and why, in both languages."""
    monkeypatch.setattr(sheets, "MOST_ROWS", 2)
    with pytest.raises(Quarantined) as stopped:
        convert(TABLE, tmp_path, formats=["csv", "json", "parquet", "xlsx"])
    [reason] = stopped.value.reasons
    assert reason.code == "format_too_many_rows"
    assert "XLSX" in str(reason.text("fr"))
    assert "XLSX" in str(reason.text("en"))


def test_every_refusal_has_its_text() -> None:
    """Each code that a format can be refused with is in the catalogue."""
    for why in get_args(Why):
        assert f"format_{why}" in catalogue()


def test_control_characters_are_refused_where_xml_forbids_them(tmp_path: Path) -> None:
    """ODS cannot hold them; the other formats go on."""
    made = convert(pa.table({"id": ["a\x01b"]}), tmp_path, "ods", "xlsx", "txt")
    assert [(one.code, one.column) for one in made.refused] == [("format_control_characters", "id")]
    assert {one.format for one in made.files} == {"csv", "json", "parquet", "xlsx", "txt"}


def test_the_report_names_what_is_refused_and_why(tmp_path: Path) -> None:
    """Format and reason, beside the files that were made; what was guarded too."""
    table = pa.table({"id": ["a\x01b", "=1"]})
    told = json.loads(make_report(convert(table, tmp_path, "ods", "gpkg"), None))
    assert [(one["detail"], one["code"]) for one in told["refused"]] == [
        ("ODS", "format_control_characters"),
        ("GeoPackage", "format_no_geometry"),
    ]
    made = [one["name"] for one in told["files"]]
    assert made[:3] == ["bancs.csv", "bancs.json", "bancs.parquet"]
    assert told["guarded"] == {"id": 1}
    assert "a\\u0001b" not in json.dumps(told)


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_the_card_chooses_the_delimiter(tmp_path: Path, delimiter: str) -> None:
    """Values come back whatever delimits them, and the descriptor says which it is."""
    made = convert(TABLE, tmp_path, csv_delimiter=delimiter)
    text = file(tmp_path, "csv").read_bytes().decode()
    assert text.startswith(f"id{delimiter}nb\r\n")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    assert rows[1:] == [["é;,\t|", "1"], ['a"b\nc', ""], ["", "-3"], ["", "4"]]
    resource = json.loads(made.datapackage.path.read_bytes())["resources"][0]
    assert resource["dialect"]["delimiter"] == delimiter
    assert Package(str(made.datapackage.path)).get_resource("bancs-csv").validate().valid


def test_txt_is_tabbed(tmp_path: Path) -> None:
    """Tab between, CRLF behind, quotes where a cell holds either; other programs read it."""
    made = convert(TABLE, tmp_path, "txt")
    path = file(tmp_path, "txt")
    assert path.read_bytes().startswith('id\tnb\r\n"é;,\t|"\t1\r\n'.encode())
    frame = pd.read_csv(path, sep="\t", keep_default_na=False, dtype=str)
    assert frame.to_numpy().tolist() == [["é;,\t|", "1"], ['a"b\nc', ""], ["", "-3"], ["", "4"]]
    report = Package(str(made.datapackage.path)).get_resource("bancs-txt").validate()
    assert report.valid, report.flatten(["type", "message"])


def test_ndjson_is_the_records_of_json(tmp_path: Path) -> None:
    """One record a line, the same as in the array."""
    table = TABLE.append_column("jour", [[dt.date(2026, 3, 1), None, dt.date(1700, 1, 1), None]])
    convert(table, tmp_path, "ndjson")
    lines = file(tmp_path, "ndjson").read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(one) for one in lines] == json.loads(file(tmp_path, "json").read_bytes())
    found = duckdb.sql(f"select count(*), sum(nb) from read_json('{file(tmp_path, 'ndjson')}')")
    assert found is not None
    assert found.fetchall() == [(4, 2)]

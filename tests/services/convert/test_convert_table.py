"""Every format holds the same rows, and the same table is the same bytes."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from frictionless import Package
from hypothesis import given, settings
from hypothesis import strategies as st

from services.convert.convert_table import ConvertedRelease, convert_table
from shared.card import Card
from tests.cards import card

RELEASE = "r" + "0" * 31
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "string": (pa.string(), st.text(max_size=12)),
    "integer": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "number": (pa.float64(), st.floats()),
    "boolean": (pa.bool_(), st.booleans()),
    "date": (pa.date32(), st.dates(dt.date(1700, 1, 1))),
    "datetime": (
        pa.timestamp("us"),
        st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(9000, 1, 1)),
    ),
    "time": (pa.time64("us"), st.times().map(lambda one: one.replace(microsecond=0))),
}


def benches(**fields: object) -> Card:
    """A card that lets every column of `table` pass."""
    body = {
        "schema": None,
        "privacy": card().privacy.model_dump(mode="json", exclude_none=True)
        | {"columns": dict.fromkeys((*KINDS, "id", "places"), "keep")},
    }
    return card(**(body | fields))


def table(**columns: list[Any]) -> pa.Table:
    """A table with the columns' types."""
    return pa.table({name: pa.array(cells, KINDS[name][0]) for name, cells in columns.items()})


def convert(made: pa.Table, folder: Path, chosen: Card | None = None) -> ConvertedRelease:
    """Converts a table in a folder."""
    source, out = folder / "in.parquet", folder / "out"
    out.mkdir(exist_ok=True)
    pq.write_table(made, source)
    return convert_table(source, chosen or benches(), RELEASE, out)


def rows_of(folder: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO((folder / "out" / "bancs.csv").read_bytes().decode())))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({n: st.none() | k[1] for n, k in KINDS.items()}), max_size=6))
def test_every_format_holds_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    """What goes in comes out of Parquet, JSON and CSV, cell by cell."""
    folder = tmp_path_factory.mktemp("c")
    made = convert(table(**{name: [row[name] for row in rows] for name in KINDS}), folder)
    assert made.rows == len(rows)
    back = pq.read_table(folder / "out" / "bancs.parquet").to_pylist()
    records = json.loads((folder / "out" / "bancs.json").read_text(encoding="utf-8"))
    lines = rows_of(folder)
    assert lines[0] == list(KINDS)
    assert len(records) == len(back) == len(lines) - 1 == len(rows)
    for row, parquet, record, line in zip(rows, back, records, lines[1:], strict=True):
        for name, text in zip(KINDS, line, strict=True):
            cell = row[name]
            if isinstance(cell, float) and not math.isfinite(cell):
                assert (record[name], text) == (None, "")
                continue
            assert parquet[name] == cell
            if name == "string":
                assert record[name] == cell
                assert text in ((cell or ""), f"'{cell}")
            elif name == "number":
                assert record[name] == cell
                assert (float(text) if text else None) == cell
            elif name == "boolean":
                assert text == ("" if cell is None else str(cell).lower())
            elif name == "integer":
                assert record[name] == cell
                assert text == ("" if cell is None else str(cell))
            else:
                kind = type(cell) if cell is not None else None
                assert (kind.fromisoformat(record[name]) if kind else record[name]) == cell
                assert (kind.fromisoformat(text) if kind else text or None) == cell


def test_other_programs_read_them(tmp_path: Path) -> None:
    """pandas and DuckDB find the same values in every format."""
    cells: list[Any] = ['é, ; "q"', "a\nb", "", None, "01001"]
    convert(table(string=cells, integer=[1, None, 3, 4, 5]), tmp_path)
    out = tmp_path / "out"
    frames = [
        pd.read_csv(out / "bancs.csv", dtype={"string": str}, keep_default_na=False),
        pd.read_json(out / "bancs.json", dtype={"string": str}),
        pd.read_parquet(out / "bancs.parquet"),
    ]
    for frame in frames:
        assert list(frame["string"])[:2] == cells[:2]
        assert list(frame["string"])[4] == "01001"
        assert len(frame) == 5
    for name in ("bancs.csv", "bancs.json", "bancs.parquet"):
        found = duckdb.sql(f"select count(*), sum(\"integer\") from '{out / name}'")
        assert found is not None
        [(count, total)] = found.fetchall()
        assert (count, total) == (5, 13)


def test_the_same_table_is_the_same_bytes(tmp_path: Path) -> None:
    """Twice, in two processes, in two folders."""
    made = table(string=["a", "é"], number=[1.5, 0.1], date=[dt.date(2026, 3, 1), None])
    here = convert(made, tmp_path)
    (tmp_path / "card.json").write_text(benches().model_dump_json(by_alias=True))
    program = (
        "import sys; from pathlib import Path; from shared.card import Card;"
        "from services.convert.convert_table import convert_table;"
        "p = Path(sys.argv[1]); c = Card.model_validate_json((p / 'card.json').read_text());"
        "out = p / 'again'; out.mkdir();"
        f"m = convert_table(p / 'in.parquet', c, '{RELEASE}', out);"
        "print(*(f.sha256 for f in (*m.files, m.datapackage, m.preview)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    ).stdout.split()
    assert told == [one.sha256 for one in (*here.files, here.datapackage, here.preview)]


def test_what_is_said_of_a_file_is_so(tmp_path: Path) -> None:
    """Size, checksum, rows, media type."""
    made = convert(table(string=["a"]), tmp_path)
    for file in (*made.files, made.datapackage, made.preview):
        content = file.path.read_bytes()
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert [one.format for one in made.files] == ["csv", "json", "parquet"]
    assert {one.rows for one in made.files} == {1}


def test_a_table_without_rows(tmp_path: Path) -> None:
    """A header, an empty array, an empty table."""
    convert(table(string=[], integer=[]), tmp_path)
    assert rows_of(tmp_path) == [["string", "integer"]]
    assert json.loads((tmp_path / "out" / "bancs.json").read_text()) == []
    assert pq.read_table(tmp_path / "out" / "bancs.parquet").num_rows == 0


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+33 6 12", "'+33 6 12"),
        ("-cmd|calc", "'-cmd|calc"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("＝1+1", "'＝1+1"),
        ("＋1 2", "'＋1 2"),
        ("－x", "'－x"),
        ("＠x", "'＠x"),
        ("-5", "-5"),
        ("+3,2", "+3,2"),
        ("-1.5e3", "-1.5e3"),
        ("a=b", "a=b"),
        ("'=x", "'=x"),
    ],
)
def test_formulas_are_made_harmless(tmp_path: Path, cell: str, written: str) -> None:
    """In CSV what a spreadsheet would run has an apostrophe; numbers, JSON and Parquet stay."""
    made = convert(table(string=[cell]), tmp_path)
    assert rows_of(tmp_path)[1] == [written]
    assert json.loads((tmp_path / "out" / "bancs.json").read_text())[0]["string"] == cell
    assert made.guarded == ({"string": 1} if cell != written else {})


def test_the_datapackage_is_valid(tmp_path: Path) -> None:
    """Data Package v2 by another program's reading; its checksums are those of the files."""
    made = convert(table(string=["=1", "b"], integer=[1, 2]), tmp_path)
    content = json.loads(made.datapackage.path.read_text(encoding="utf-8"))
    report = Package(str(made.datapackage.path)).get_resource("bancs-csv").validate()
    assert report.valid, report.flatten(["type", "message"])
    assert content["licenses"][0]["name"] == "etalab-2.0"
    assert content["resources"][0]["formulaGuard"] == {"prefix": "'", "cells": {"string": 1}}
    assert {one["hash"] for one in content["resources"]} == {
        f"sha256:{file.sha256}" for file in made.files
    }
    private = ("responsable open data", "favourable", "decided", "opinion", "signature")
    assert not [word for word in private if word in made.datapackage.path.read_text()]


def test_the_preview(tmp_path: Path) -> None:
    """A hundred rows of how many, long texts cut, with the dictionary's words."""
    told = {"string": {"title": {"fr": "Nom"}, "unit": "mot"}}
    made = convert(table(string=["x" * 5000] * 150), tmp_path, benches(columns=told))
    preview = json.loads(made.preview.path.read_text(encoding="utf-8"))
    assert (len(preview["rows"]), preview["total"]) == (100, 150)
    assert len(preview["rows"][0][0]) < 1000
    assert preview["columns"][0] | {"title": {"fr": "Nom"}, "unit": "mot"} == preview["columns"][0]


def test_only_the_formats_asked_for(tmp_path: Path) -> None:
    """A card that departs from the strategy's formats gets its own."""
    chosen = benches(formats=["json"], departures={"formats": "Un seul format suffit ici."})
    made = convert(table(string=["a"]), tmp_path, chosen)
    assert [file.name for file in made.files] == ["bancs.json"]


def test_parquet_says_what_it_is(tmp_path: Path) -> None:
    """Compressed with zstd, with licence and release inside, and nothing of this machine."""
    convert(table(string=["a"]), tmp_path)
    found = pq.ParquetFile(tmp_path / "out" / "bancs.parquet")
    assert found.metadata.row_group(0).column(0).compression == "ZSTD"
    told = str(found.metadata.metadata)
    assert RELEASE in told
    assert "etalab" in told.lower() or "licence" in told.lower()
    assert str(tmp_path) not in told


def test_parquet_can_be_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups with the least and greatest value of each column, and a page index."""
    monkeypatch.setattr("services.convert.table_to_parquet.ROW_GROUP", 100)
    monkeypatch.setattr("services.convert.safe_table.BATCH", 50)
    convert(table(integer=list(range(250)), string=[f"s{n:03}" for n in range(250)]), tmp_path)
    found = pq.ParquetFile(tmp_path / "out" / "bancs.parquet").metadata
    groups = [found.row_group(place) for place in range(found.num_row_groups)]
    assert [one.num_rows for one in groups] == [100, 100, 50]
    for place, group in enumerate(groups):
        for column in (group.column(0), group.column(1)):
            assert (column.has_column_index, column.has_offset_index) == (True, True)
            assert column.statistics.null_count == 0
        edges = group.column(0).statistics
        assert (edges.min, edges.max) == (100 * place, min(100 * place + 99, 249))


def test_moments_in_utc_say_so(tmp_path: Path) -> None:
    """A moment with a time zone keeps it in every format."""
    moment = dt.datetime(2026, 3, 1, 8, 30, tzinfo=dt.UTC)
    made = pa.table({"datetime": pa.array([moment, None], pa.timestamp("us", "UTC"))})
    convert(made, tmp_path)
    assert rows_of(tmp_path)[1:] == [["2026-03-01T08:30:00Z"], [""]]
    records = json.loads((tmp_path / "out" / "bancs.json").read_text())
    assert records[0]["datetime"] == "2026-03-01T08:30:00Z"
    assert pq.read_table(tmp_path / "out" / "bancs.parquet").to_pylist()[0]["datetime"] == moment

"""Names, cells and shapes that break careless writers, read back by other programs."""

from __future__ import annotations

import csv
import io
import json
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

from services.convert import safe_table as module
from services.convert.convert_table import ConvertedRelease, convert_table
from services.convert.formula_guard import guarded_headers
from shared.card import Card
from tests.cards import card

RELEASE = "r" + "0" * 31


def letting_out(*columns: str, **fields: object) -> Card:
    """A card that keeps these columns."""
    privacy = card().privacy.model_dump(mode="json", exclude_none=True)
    return card(
        schema=None, privacy=privacy | {"columns": dict.fromkeys(columns, "keep")}, **fields
    )


def convert(table: pa.Table, folder: Path, **written: Any) -> ConvertedRelease:
    """Converts a table in a folder; `written` says how its Parquet file is laid out."""
    source, out = folder / "in.parquet", folder / "out"
    out.mkdir(exist_ok=True)
    pq.write_table(table, source, **written)
    return convert_table(source, letting_out(*table.column_names), RELEASE, out)


def csv_rows(folder: Path) -> list[list[str]]:
    text = (folder / "out" / "bancs.csv").read_bytes().decode("utf-8")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def records(folder: Path) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads((folder / "out" / "bancs.json").read_bytes())
    return read


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [[1, 2], ["a", "b"], [1.5, None]])
def test_a_column_named_like_a_formula(tmp_path: Path, cells: list[Any]) -> None:
    """In CSV its header is harmless, and the descriptor says so; elsewhere the name is its own."""
    made = convert(pa.table({"+65 ans": cells, "id": [7, 8]}), tmp_path)
    assert csv_rows(tmp_path)[0] == ["'+65 ans", "id"]
    assert list(records(tmp_path)[0]) == ["+65 ans", "id"]
    assert pq.read_schema(tmp_path / "out" / "bancs.parquet").names == ["+65 ans", "id"]
    preview = json.loads(made.preview.path.read_bytes())
    assert [one["name"] for one in preview["columns"]] == ["+65 ans", "id"]
    fields = json.loads(made.datapackage.path.read_bytes())["resources"][0]["schema"]["fields"]
    assert [(one["name"], one.get("title")) for one in fields] == [
        ("'+65 ans", "+65 ans"),
        ("id", None),
    ]
    report = Package(str(made.datapackage.path)).get_resource("bancs-csv").validate()
    assert report.valid, report.flatten(["type", "message"])


def test_guarded_headers_stay_different(tmp_path: Path) -> None:
    """An apostrophe never makes two columns one."""
    convert(pa.table({"=a": [1], "'=a": [2], "''=a": [3]}), tmp_path)
    header, cells = csv_rows(tmp_path)
    assert (len(set(header)), cells) == (3, ["1", "2", "3"])


@pytest.mark.parametrize("name", ["＝x", "@x", "-x", "\tx", "=", "+1+1"])
def test_headers_that_would_run(name: str) -> None:
    """What is made harmless in a cell is made harmless in a header."""
    assert guarded_headers([name]) == {name: f"'{name}"}


@pytest.mark.parametrize("name", ["2020", "-5", "a=b", "é", "'x", "x@y"])
def test_headers_that_would_not(name: str) -> None:
    """Numbers, and signs further in, run nothing."""
    assert guarded_headers([name]) == {name: name}


def test_names_with_delimiters(tmp_path: Path) -> None:
    """Commas, quotes and line breaks in a name are quoted as in a cell."""
    names = ["a,b", 'c"d', "e\nf", "g\r\nh", " i ", "é🌳"]
    convert(pa.table({name: [number] for number, name in enumerate(names)}), tmp_path)
    assert csv_rows(tmp_path)[0] == names
    assert list(records(tmp_path)[0]) == names
    frame = pd.read_csv(tmp_path / "out" / "bancs.csv")
    assert frame.shape == (1, len(names))


# --- one column ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["x", None, "", "y"], pa.string()),
        ([None, None], pa.string()),
        ([1, None, 2], pa.int64()),
        ([None, 1.5], pa.float64()),
        ([True, None], pa.bool_()),
        ([None, 0], pa.date32()),
    ],
)
def test_a_single_column_keeps_its_empty_rows(
    tmp_path: Path, cells: list[Any], kind: pa.DataType
) -> None:
    """Readers leave out blank lines: an empty cell of the only column is written in quotes."""
    convert(pa.table({"id": pa.array(cells, kind)}), tmp_path)
    file = tmp_path / "out" / "bancs.csv"
    assert len(csv_rows(tmp_path)) == len(cells) + 1
    assert len(pd.read_csv(file)) == len(cells)
    read = duckdb.sql(f"select count(*) from read_csv('{file}', header=true, all_varchar=true)")
    assert read is not None
    assert read.fetchall() == [(len(cells),)]


# --- cells ---------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
PIECES = st.lists(st.sampled_from(['"', ",", ";", "\n", "\r\n", "\r", "'", "é", "x", " ", "\t"]))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "id": st.none() | TEXT | PIECES.map("".join),
                "nb": st.none() | st.integers(-(2**63), 2**63 - 1),
            }
        ),
        min_size=1,
        max_size=6,
    )
)
def test_three_readers_agree(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    """Python's csv, pandas and DuckDB find in CSV the texts and numbers that went in."""
    folder = tmp_path_factory.mktemp("c")
    table = pa.table(
        {
            "id": pa.array([row["id"] for row in rows], pa.string()),
            "nb": pa.array([row["nb"] for row in rows], pa.int64()),
        }
    )
    convert(table, folder)
    file = folder / "out" / "bancs.csv"
    strict = csv_rows(folder)[1:]
    frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    found = duckdb.sql(
        f"select * from read_csv('{file}', header=true, all_varchar=true, delim=',', quote='\"',"
        " escape='\"', nullstr='', new_line='\\r\\n', strict_mode=false)"
    )
    assert found is not None
    tables: list[list[list[str]]] = [strict, frame.to_numpy().tolist()]
    for read in tables:
        assert len(read) == len(rows)
        for row, (text, number) in zip(rows, read, strict=True):
            assert text.removeprefix("'") == (row["id"] or "").removeprefix("'")
            assert number == ("" if row["nb"] is None else str(row["nb"]))
    assert [number for _, number in found.fetchall()] == [
        None if row["nb"] is None else str(row["nb"]) for row in rows
    ]
    for form in ("json", "parquet"):
        path = folder / "out" / f"bancs.{form}"
        if form == "json":
            assert json.loads(path.read_bytes()) == rows
        else:
            assert pq.read_table(path).to_pylist() == rows


def test_null_and_empty_text_differ(tmp_path: Path) -> None:
    """Null is nothing at all, an empty text is quoted; JSON and Parquet keep them apart."""
    convert(pa.table({"id": ["", None], "nb": [1, 2]}), tmp_path)
    assert (tmp_path / "out" / "bancs.csv").read_bytes() == b'id,nb\r\n"",1\r\n,2\r\n'
    assert [one["id"] for one in records(tmp_path)] == ["", None]


def test_the_file_is_utf8_with_crlf_and_no_mark(tmp_path: Path) -> None:
    """RFC 4180: every line ends with CRLF, the last one too; no byte order mark."""
    convert(pa.table({"id": ["é", "🌳"], "nb": [1, 2]}), tmp_path)
    content = (tmp_path / "out" / "bancs.csv").read_bytes()
    assert content == "id,nb\r\né,1\r\n🌳,2\r\n".encode()


def test_huge_numbers_are_exact(tmp_path: Path) -> None:
    """No integer passes by way of a float."""
    cells = [2**63 - 1, -(2**63), 2**53 + 1, 0]
    convert(pa.table({"nb": cells, "id": list("abcd")}), tmp_path)
    assert [one["nb"] for one in records(tmp_path)] == cells
    assert [int(row[0]) for row in csv_rows(tmp_path)[1:]] == cells


def test_numbers_that_are_none(tmp_path: Path) -> None:
    """NaN and infinity are null wherever JSON and CSV know no such thing, the preview included."""
    cells = [float("nan"), float("inf"), float("-inf"), 1.5]
    made = convert(pa.table({"nb": cells, "id": list("abcd")}), tmp_path)
    assert [one["nb"] for one in records(tmp_path)] == [None, None, None, 1.5]
    assert [row[0] for row in csv_rows(tmp_path)[1:]] == ["", "", "", "1.5"]
    assert json.loads(made.preview.path.read_bytes())["rows"][0] == [None, "a"]
    assert "NaN" not in (tmp_path / "out" / "bancs.json").read_text()


# --- shapes --------------------------------------------------------------------------------------


def test_the_way_of_reading_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CSV and JSON are the same bytes however many batches and row groups they were read in."""
    table = pa.table({"id": [f"é{n}" for n in range(250)], "nb": [n / 3 for n in range(250)]})
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = convert(table, tmp_path / "a")
    monkeypatch.setattr(module, "BATCH", 7)
    parts = convert(table, tmp_path / "b", row_group_size=10)
    assert parts.rows == whole.rows == 250
    assert [one.sha256 for one in whole.files[:2]] == [one.sha256 for one in parts.files[:2]]
    assert whole.columns == parts.columns


def test_the_preview_has_its_hundred_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when the first batch holds fewer."""
    monkeypatch.setattr(module, "BATCH", 30)
    made = convert(pa.table({"nb": list(range(250))}), tmp_path, row_group_size=10)
    preview = json.loads(made.preview.path.read_bytes())
    assert [row[0] for row in preview["rows"]] == list(range(100))
    assert preview["total"] == 250


def test_the_descriptor_describes_what_is_there(tmp_path: Path) -> None:
    """Data Package v2: names, paths, media types, sizes; each file is where it is said to be."""
    made = convert(pa.table({"id": ["x"], "nb": [1]}), tmp_path)
    package = json.loads(made.datapackage.path.read_bytes())
    assert package["$schema"] == "https://datapackage.org/profiles/2.0/datapackage.json"
    assert (package["name"], package["id"]) == ("bancs", RELEASE)
    assert [one["path"] for one in package["resources"]] == [
        "bancs.csv",
        "bancs.json",
        "bancs.parquet",
    ]
    for one in package["resources"]:
        assert (tmp_path / "out" / one["path"]).stat().st_size == one["bytes"]
        assert one["rowCount"] == 1
    assert Package.validate_descriptor(package).valid

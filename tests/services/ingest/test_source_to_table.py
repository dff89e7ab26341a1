"""From what a city has in its files to one typed, validated table, or to a line and a reason."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.source_to_table import IngestedTable, ReadLimits, source_to_table
from shared.card import Card
from shared.card_file import load_card, load_strategy
from shared.failures import Quarantined
from tests.cards import card

CITY = Path(__file__).parents[3] / "deploy" / "demo" / "city"
SECRET = "canari-7431"


def plain(*columns: str, **fields: object) -> Card:
    """A card without schema, whose policy names these columns."""
    names = columns or ("id", "places")
    privacy = card().privacy.model_dump(mode="json", exclude_none=True)
    return card(
        **({"schema": None, "source": {}, "privacy": privacy | {"columns": dict.fromkeys(names, "keep")}}
           | fields)
    )  # fmt: skip


def schema(*fields: dict[str, Any], **more: Any) -> Card:
    """A card with a Table Schema."""
    names = [field["name"] for field in fields]
    return plain(*names, schema={"fields": list(fields), **more})


def read(content: bytes | str, folder: Path, chosen: Card | None = None) -> IngestedTable:
    """Ingests bytes."""
    source, out = folder / "source", folder / "table.parquet"
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    return source_to_table(source, chosen or plain(), out, ReadLimits())


def columns(content: bytes | str, folder: Path, chosen: Card | None = None) -> dict[str, Any]:
    """The table's columns."""
    read(content, folder, chosen)
    found: dict[str, Any] = pq.read_table(folder / "table.parquet").to_pydict()
    return found


def refused(content: bytes | str, folder: Path, chosen: Card | None = None) -> list[dict[str, Any]]:
    """Why the bytes are stopped; no table is left, and nothing of the bytes is quoted."""
    with pytest.raises(Quarantined) as caught:
        read(content, folder, chosen)
    told = [reason.model_dump(exclude_none=True) for reason in caught.value.reasons]
    assert SECRET not in json.dumps(told)
    assert SECRET not in str(caught.value)
    return told


def sheet(*rows: list[Any], **more: Any) -> bytes:
    """A workbook of one sheet."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name, hidden in more.items():
        book.create_sheet(name).append([hidden])
        book[name].sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


# --- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_and_line_ends(tmp_path: Path, delimiter: str, end: str) -> None:
    """Whatever separates cells and lines."""
    text = end.join(delimiter.join(row) for row in (["id", "places"], ["B1", "3"], ["B2", "4"]))
    assert columns(text, tmp_path) == {"id": ["B1", "B2"], "places": [3, 4]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    """Accents and the euro sign arrive as they are."""
    text = "id;places\nChâtaignier à 5 €;3\nŒillet;4\n"
    found = columns(text.encode(encoding), tmp_path)
    assert found["id"] == ["Châtaignier à 5 €", "Œillet"]


def test_a_declared_encoding_is_taken_at_its_word(tmp_path: Path) -> None:
    """Latin-9 cannot be told from Windows-1252: the card says it."""
    chosen = plain(source={"encoding": "iso-8859-15"})
    assert columns("id;places\n5 €;3\n".encode("iso-8859-15"), tmp_path, chosen)["id"] == ["5 €"]
    assert refused(b"id;places\n\xff\xfe;3\n", tmp_path, plain(source={"encoding": "utf-8"}))


def test_quotes(tmp_path: Path) -> None:
    """Delimiters, quotes and line breaks inside a quoted cell belong to it."""
    text = 'id;places\n"a;b";1\n"c ""d""";2\n"e\nf";3\n'
    assert columns(text, tmp_path)["id"] == ["a;b", 'c "d"', "e\nf"]


def test_rows_that_are_none(tmp_path: Path) -> None:
    """An export's empty lines, thousands of separators at its end, its header written again."""
    text = "id;places\nB1;3\n\n;\nid;places\nB2;4\n" + ";\n" * 5000
    made = read(text, tmp_path)
    assert made.rows == 2
    assert pq.read_table(tmp_path / "table.parquet").to_pydict() == {
        "id": ["B1", "B2"],
        "places": [3, 4],
    }


def test_lines_before_the_header(tmp_path: Path) -> None:
    """A title above the table is not the table."""
    text = "Bancs publics de la ville\n\nid;places\nB1;3\nB2;4\nB3;4\n"
    assert columns(text, tmp_path)["places"] == [3, 4, 4]


def test_a_declared_header_line(tmp_path: Path) -> None:
    """The card may say on which line the header is."""
    text = "x;y\nid;places\nB1;3\n"
    assert columns(text, tmp_path, plain(source={"header": 2})) == {"id": ["B1"], "places": [3]}


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "-2", "3"], [1, -2, 3]),
        (["1", "-2", "+3"], ["1", "-2", "+3"]),
        (["1 234", "1\u00a0234 567", "7"], [1234, 1234567, 7]),
        (["1,5", "-2,25", "3"], [1.5, -2.25, 3.0]),
        (["1.5", "2", "3"], [1.5, 2.0, 3.0]),
        (["1.5", "2e3", "3"], ["1.5", "2e3", "3"]),
        (["01001", "2", "3"], ["01001", "2", "3"]),
        (["123456789012345678901", "1", "2"], ["123456789012345678901", "1", "2"]),
        (["oui", "non", "oui"], [True, False, True]),
        (["true", "false", ""], [True, False, None]),
        (["31/12/2025", "01/02/2026", ""], [dt.date(2025, 12, 31), dt.date(2026, 2, 1), None]),
        (["2025-12-31", "2026-02-01", ""], [dt.date(2025, 12, 31), dt.date(2026, 2, 1), None]),
        (["31/02/2026", "01/02/2026", "x"], ["31/02/2026", "01/02/2026", "x"]),
        (
            ["2025-12-31T08:30:00", "2026-02-01 09:00:00", ""],
            [dt.datetime(2025, 12, 31, 8, 30), dt.datetime(2026, 2, 1, 9), None],
        ),
        (["NULL", "1", "2"], [None, 1, 2]),
        (["NULL", "nc", "Durand"], ["NULL", "nc", "Durand"]),
    ],
)
def test_types_are_found_over_all_rows(tmp_path: Path, cells: list[str], values: list[Any]) -> None:
    """A column is what every cell of it is; codes keep their zeros."""
    text = "nom;mesure\n" + "".join(f'B{n};"{cell}"\n' for n, cell in enumerate(cells))
    found = columns(text, tmp_path, plain("nom", "mesure"))["mesure"]
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]


@pytest.mark.parametrize("name", ["code_postal", "siret", "num_insee"])
def test_codes_stay_text(tmp_path: Path, name: str) -> None:
    """Digits of a code are no quantity."""
    text = f"{name};nom\n75001;a\n69001;b\n"
    assert columns(text, tmp_path, plain(name, "nom"))[name] == ["75001", "69001"]


# --- what is wrong, and where ------------------------------------------------------------------------


def test_a_value_of_another_type(tmp_path: Path) -> None:
    """Column and line, counted from the source's first line, line breaks in cells included."""
    chosen = schema({"name": "id", "type": "string"}, {"name": "places", "type": "integer"})
    text = f'titre\n\nid;places\n"a\nb";3\nB2;{SECRET}\nB3;3\nB4;x\n'
    told = refused(text, tmp_path, chosen)
    assert [(one["code"], one["column"], one["line"], one["count"]) for one in told] == [
        ("type_mismatch", "places", 6, 2),
        ("type_mismatch", "places", 8, 2),
    ]


@pytest.mark.parametrize(
    ("field", "cell", "code"),
    [
        ({"constraints": {"required": True}}, "", "value_missing"),
        ({"constraints": {"enum": ["a", "b"]}}, "c", "not_in_list"),
        ({"constraints": {"pattern": "[A-Z]\\d"}}, "b1", "pattern"),
        ({"constraints": {"minLength": 3}}, "ab", "too_short"),
        ({"constraints": {"maxLength": 3}}, "abcd", "too_long"),
        ({"type": "integer", "constraints": {"minimum": 0}}, "-1", "minimum"),
        ({"type": "number", "constraints": {"maximum": 10}}, "10,5", "maximum"),
        ({"type": "date", "constraints": {"maximum": "2026-01-01"}}, "02/01/2026", "maximum"),
        ({"constraints": {"unique": True}}, "same", "not_unique"),
    ],
)
def test_a_rule_of_the_schema(tmp_path: Path, field: dict[str, Any], cell: str, code: str) -> None:
    """Each constraint of Table Schema that is broken is said with column and line."""
    good = {"integer": "1", "number": "1", "date": "01/01/2020"}.get(field.get("type", ""), "a")
    if "pattern" in field.get("constraints", {}):
        good = "B1"
    if "minLength" in field.get("constraints", {}):
        good = "abc"
    if code == "not_unique":
        good = cell
    chosen = schema({"name": "id"}, {"name": "valeur", **field})
    told = refused(f"id;valeur\n1;{good}\n2;{cell}\n", tmp_path, chosen)
    assert [(one["code"], one["column"], one["line"]) for one in told] == [(code, "valeur", 3)]


def test_a_schema_that_only_warns(tmp_path: Path) -> None:
    """With `errors: warn` broken rules are reported and pass; wrong types still do not."""
    rule = {"name": "places", "type": "integer", "constraints": {"maximum": 3}}
    chosen = plain(schema={"fields": [{"name": "id"}, rule]}, quality={"errors": "warn"})
    made = read("id;places\nB1;9\n", tmp_path, chosen)
    assert "maximum" in json.dumps(made.quality)
    assert refused("id;places\nB1;x\n", tmp_path, chosen)[0]["code"] == "type_mismatch"


def test_keys_come_once(tmp_path: Path) -> None:
    """A primary key of two columns that comes twice."""
    chosen = schema({"name": "a"}, {"name": "b"}, {"name": "c"}, primaryKey=["a", "b"])
    told = refused("a;b;c\n1;1;x\n1;2;x\n1;1;y\n", tmp_path, chosen)
    assert [(one["code"], one["line"]) for one in told] == [("key_repeated", 4)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no_rows"),
        ("id;places\n", "no_rows"),
        ("id;places\nB1;3;9\nB2;4\nB3;4\n", "row_width"),
        ("id;places\nB1;3\nB2\nB3;4\n", "row_width"),
        ("id;id\nB1;3\nB2;4\n", "header_twice"),
        (f"id;\nB1;{SECRET}\n", "header_empty"),
        ('id;places\n"B1;3\nB2;4\n', "quote_unclosed"),
        (f"id;places\nB1\0{SECRET};3\n", "format_unknown"),
        (f"id;places\n{'x' * (2**20 + 1)};3\n", "cell_too_large"),
    ],
)
def test_a_table_that_cannot_be_read(tmp_path: Path, text: str, code: str) -> None:
    """Nothing, ragged rows, headers twice or empty, open quotes, NUL, a cell without end."""
    assert code in [one["code"] for one in refused(text, tmp_path)]
    assert not (tmp_path / "table.parquet").exists()


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """A column that the schema declares and the source lacks."""
    told = refused("id;x\nB1;3\n", tmp_path, schema({"name": "id"}, {"name": "places"}))
    assert ("column_missing", "places") in [(one["code"], one.get("column")) for one in told]


def test_an_undeclared_column_is_not_named(tmp_path: Path) -> None:
    """The header of a column that nobody declared is a cell value: its position says which."""
    made = read(f"id;places;{SECRET}\nB1;3;x\n", tmp_path)
    assert [column.declared for column in made.columns] == [True, True, False]
    assert SECRET not in json.dumps(made.quality)


def test_headers_are_met_without_case(tmp_path: Path) -> None:
    """`ID` in the source is `id` of the card."""
    assert list(columns("ID ;Places\nB1;3\n", tmp_path)) == ["id", "places"]


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7 ...",
        b"\x7fELF....",
        b"<html><body>erreur</body></html>",
        b'<?xml version="1.0"?><a/>',
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
        b"\x1f\x8b\x08\0\0\0\0\0",
        b"PAR1" + b"\0" * 100,
        b"PK\x03\x04" + b"\0" * 100,
    ],
)
def test_what_is_no_table(tmp_path: Path, content: bytes) -> None:
    """A file is what its content says; what this version does not read is named or refused."""
    assert refused(content, tmp_path)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_it(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever comes: a table, or Quarantined."""
    folder = tmp_path_factory.mktemp("b")
    with suppress(Quarantined):
        assert read(content, folder).rows > 0


WORDS = st.text(
    st.characters(min_codepoint=32, exclude_characters="\x7f", codec="utf-8"), max_size=8
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            *[
                st.text(
                    st.characters(codec="utf-8", min_codepoint=32, exclude_characters="\x7f"),
                    max_size=8,
                )
            ]
            * 2
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([";", ",", "\t"]),
)
def test_what_csv_writers_write_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str
) -> None:
    """Declared texts come back as they were, but for the white space around them."""
    folder = tmp_path_factory.mktemp("w")
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "nom"])
    writer.writerows([f"n{number}", f"{one}.{other}"] for number, (one, other) in enumerate(rows))
    chosen = plain(
        "id", "nom", source={"delimiter": delimiter, "format": "csv", "encoding": "utf-8"},
        schema={"fields": [{"name": "id"}, {"name": "nom"}]},
    )  # fmt: skip
    found = columns(out.getvalue(), folder, chosen)
    assert [one.strip() for one in found["nom"]] == [
        f"{one}.{other}".strip() for one, other in rows
    ]


# --- workbooks ---------------------------------------------------------------------------------------


def test_a_workbook(tmp_path: Path) -> None:
    """Real cell types, the first visible sheet with data, formulas not at all."""
    content = sheet(
        ["id", "places", "pose", "actif"],
        ["01001", 3, dt.datetime(2026, 3, 1), True],
        ["B2", 4.0, dt.datetime(2026, 3, 2), False],
        secret=SECRET,
    )
    found = columns(content, tmp_path, plain("id", "places", "pose", "actif"))
    assert found == {
        "id": ["01001", "B2"],
        "places": [3, 4],
        "pose": [dt.date(2026, 3, 1), dt.date(2026, 3, 2)],
        "actif": [True, False],
    }
    assert SECRET.encode() not in (tmp_path / "table.parquet").read_bytes()


def test_a_workbooks_lines(tmp_path: Path) -> None:
    """Lines are those of the sheet, empty rows counted."""
    chosen = schema({"name": "id"}, {"name": "places", "type": "integer"})
    content = sheet(["Titre"], [], ["id", "places"], ["B1", 3], [], ["B2", "x"], ["B3", 4])
    told = refused(content, tmp_path, chosen)
    assert [(one["code"], one["line"]) for one in told] == [("type_mismatch", 6)]


def test_a_declared_sheet(tmp_path: Path) -> None:
    """The card names the sheet; a hidden or missing one is refused."""
    book = openpyxl.Workbook()
    book.active.append(["autre"])
    book.create_sheet("Bancs").append(["id", "places"])
    book["Bancs"].append(["B1", 3])
    out = io.BytesIO()
    book.save(out)
    assert columns(out.getvalue(), tmp_path, plain(source={"sheet": "Bancs"}))["id"] == ["B1"]
    assert refused(out.getvalue(), tmp_path, plain(source={"sheet": "Absent"}))


def rezipped(content: bytes, **changed: bytes) -> bytes:
    """A workbook with parts replaced or added (`__` for `/`, `_dot_` for `.`)."""
    out = io.BytesIO()
    names = {name.replace("__", "/").replace("_dot_", "."): data for name, data in changed.items()}
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", 8) as new:
        for entry in old.namelist():
            if entry not in names:
                new.writestr(entry, old.read(entry))
        for name, data in names.items():
            new.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    "changed",
    [
        {"xl__bomb_dot_xml": b"0" * 30_000_000},
        {"xl__sharedStrings_dot_xml": b'<!DOCTYPE x [<!ENTITY a "b">]><sst>&a;</sst>'},
        {"xl__vbaProject_dot_bin": b"x"},
        {"xl__workbook_dot_xml": b"<workbook"},
    ],
    ids=["bomb", "entity", "macro", "broken"],
)
def test_a_workbook_that_is_a_trap(tmp_path: Path, changed: dict[str, bytes]) -> None:
    """Bombs, entities, macros and broken parts are refused."""
    assert refused(rezipped(sheet(["id", "places"], ["B1", 3]), **changed), tmp_path)


# --- everything --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["communes", "departements", "arbres", "subventions"])
def test_the_same_file_is_the_same_table(tmp_path: Path, name: str) -> None:
    """Twice the same bytes; real data of French administrations and sheets."""
    chosen = load_card(CITY / name / "card.yaml", load_strategy(CITY / "strategy.yaml"))
    content = next((CITY / name).glob("data.*")).read_bytes()
    first, second = read(content, tmp_path, chosen), read(content, tmp_path, chosen)
    assert first == second
    assert first.rows > 100

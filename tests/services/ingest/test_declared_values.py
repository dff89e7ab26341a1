"""Declared types: a cell that the declared type would change is reported by its line."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.column_types import declared_reading, read_each
from shared.card import Card
from shared.card_parts import SchemaField
from tests.services.ingest.reading import plain, read, refusal, rows


def declared(**field: object) -> Card:
    """A card whose schema declares the column v."""
    return plain("id", "v", schema={"fields": [{"name": "id"}, {"name": "v", **field}]})


DOTS = {"type": "number", "groupChar": ".", "decimalChar": ","}


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        (DOTS, "1.234,5", "1.5"),
        (DOTS, "-1.234.567", "12.34"),
        (DOTS, "12", "1.2345"),
        (DOTS, "123.456", "1234.567"),
        (DOTS, "1234,5", "1,234.567"),
        (DOTS, "1.234 €", ".234"),
        ({"type": "integer", "groupChar": ","}, "1,234", "1,2"),
        ({"type": "integer", "groupChar": "'"}, "1'234", "1''234"),
        ({"type": "number"}, "0E-400", "1E-400"),
        ({"type": "number"}, "0.0", "-1e-400"),
        ({"type": "date", "format": "%d/%m/%Y %H:%M"}, "01/02/2025 00:00", "01/02/2025 14:30"),
        ({"type": "time", "format": "%H:%M:%S.%f"}, "01:02:03.456", "01:02:03.456789"),
    ],
)
def test_what_would_be_another_value(
    field: dict[str, object], right: str, wrong: str, tmp_path: Path
) -> None:
    assert rows(f"id;v\na;{right}\n".encode(), tmp_path, declared(**field))[0]["v"] is not None
    (tmp_path / "table.parquet").unlink()
    told = refusal(f"id;v\na;{right}\nb;{wrong}\n".encode(), tmp_path, declared(**field))
    assert (told["code"], told["column"], told["line"]) == ("type_mismatch", "v", 3)


def test_a_time_that_names_its_zone(tmp_path: Path) -> None:
    field = declared(type="time", format="%H:%M%z")
    told = refusal(b"id;v\na;01:02+0200\n", tmp_path, field)
    assert (told["code"], told["line"]) == ("type_mismatch", 2)


def test_a_number_too_small_to_be_one(tmp_path: Path) -> None:
    """Undeclared, the column stays text."""
    found = rows(b"id;v\na;1E-400\nb;1.5\n", tmp_path, plain("id", "v"))
    assert [row["v"] for row in found] == ["1E-400", "1.5"]


def test_a_json_number_too_small_to_be_one(tmp_path: Path) -> None:
    found = rows(b'[{"id": 1, "v": 1e-400}, {"id": 2, "v": 0.0}]', tmp_path, plain("id", "v"))
    assert [row["v"] for row in found] == ["1E-400", "0.0"]


@pytest.mark.parametrize(
    ("cells", "warned"),
    [
        (("5 %", "5 ‰"), 2),
        (("5 €", "$ 5", "5 £"), 3),
        (("5 €", "5 EUR", "5"), None),
        (("5 %", "12,5 %"), None),
    ],
)
def test_units_that_are_taken_off(
    cells: tuple[str, ...], warned: int | None, tmp_path: Path
) -> None:
    """5 % and 5 ‰ become the same number: the report says so."""
    text = "id;v\n" + "".join(f"a;{cell}\n" for cell in cells)
    found = read(text.encode(), tmp_path, declared(type="number")).quality["warnings"]
    told = [w["count"] for w in found if w["code"] == "units_mixed" and w["column"] == "v"]
    assert told == ([] if warned is None else [warned])


@given(st.lists(st.text("0123.,-", min_size=1, max_size=9), min_size=1, max_size=5))
def test_marks_group_or_the_cell_does_not_fit(cells: list[str]) -> None:
    right = re.compile(r"-?(?:(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d*)?|,\d+)")
    field = SchemaField.model_validate({"name": "v", **DOTS})
    values, bad = read_each(declared_reading(field, None), pa.array(cells))
    fits = [right.fullmatch(cell) is not None for cell in cells]
    assert fits == ([True] * len(cells) if bad is None else [not b for b in bad.to_pylist()])
    plain_text = [cell.replace(".", "").replace(",", ".") for cell in cells]
    expected = [float(c) if fit else None for c, fit in zip(plain_text, fits, strict=True)]
    assert values.to_pylist() == expected

"""A column that stays text for a few values is told, with their lines; one that is text is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.ingest.reading import plain, read, table

NUMBERS = [f"{n},5" for n in range(40)]


def told(
    cells: list[str], folder: Path, header: str = "mesure", **card: object
) -> list[dict[str, Any]]:
    content = "\n".join([f"id;{header}", *(f"B{n};{cell}" for n, cell in enumerate(cells))]) + "\n"
    found = read(content.encode(), folder, plain("id", header, **card)).quality["warnings"]
    return [warning for warning in found if warning["code"] == "type_nearly"]


@pytest.mark.parametrize(
    ("cells", "expected", "found"),
    [
        ([*NUMBERS, "néant"], "number", "text"),
        ([*NUMBERS, "12.75"], "number", "number_otherwise"),
        (["12/03/2025"] * 30 + ["courant 2025", ""], "date", "text"),
        ([""] * 10 + ["3"] * 20 + ["n.c."], "number", "text"),
    ],
)
def test_few_values_that_do_not_fit(
    cells: list[str], expected: str, found: str, tmp_path: Path
) -> None:
    odd = next(
        n for n, cell in enumerate(cells) if cell in ("néant", "12.75", "courant 2025", "n.c.")
    )
    assert told(cells, tmp_path) == [
        {
            "code": "type_nearly", "column": "mesure", "line": odd + 2, "count": 1,
            "expected": expected, "found": found,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "header"),
    [
        (NUMBERS, "mesure"),
        (["rouge", "vert", "12"] * 20, "mesure"),
        (["1"] * 95 + ["01"], "rang"),
        ([*("69001" for _ in range(40)), "2A004"], "code_insee"),
        ([*NUMBERS[:8], *["voir note"] * 4], "mesure"),
        (["néant", *NUMBERS[:2]], "mesure"),
    ],
    ids=["all fit", "a text", "codes", "a code by name", "many", "hardly any"],
)
def test_nothing_to_tell(cells: list[str], header: str, tmp_path: Path) -> None:
    assert told(cells, tmp_path, header) == []


def test_a_declared_text_is_one(tmp_path: Path) -> None:
    schema = {"fields": [{"name": "id"}, {"name": "mesure", "type": "string"}]}
    assert told([*NUMBERS, "néant"], tmp_path, schema=schema) == []


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["néant", "12", "3,5", "01", "", "1/2/2025", "4.5"]), min_size=1))
def test_every_cell_stays(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    """Whatever is told, the column's text is what it was."""
    folder = tmp_path_factory.mktemp("nearly")
    content = "\n".join(["id;mesure", "B;x", *(f"B{n};{c}" for n, c in enumerate(cells))]) + "\n"
    kept = table(content.encode(), folder, plain("id", "mesure")).column("mesure").to_pylist()
    assert kept == ["x", *(cell or None for cell in cells)]

"""Columns added from the official geographic code; what is not sure is null and listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.ingest.official_codes import communes, plain_name
from shared.card import Card
from tests.services.ingest.reading import plain, read, refusal, rows

ADD = ["code_insee", "epci", "departement", "region"]
LYON = {"code_insee": "69123", "epci": "200046977", "departement": "69", "region": "84"}


def deriving(by: str, **more: Any) -> Card:
    return plain("id", "lieu", *ADD, derive=[{"column": "lieu", "by": by, "add": ADD} | more])


@pytest.mark.parametrize(
    ("by", "text"),
    [("name", "Lyon"), ("name", "LYON "), ("insee", "69123"), ("postal_code", "69003"),
     ("postal_code", "69\u00a0003"), ("postal_code", " 69 003 ")],
)  # fmt: skip
def test_a_commune(tmp_path: Path, by: str, text: str) -> None:
    """By its name however written, by its code, by a postal code that is its alone."""
    [row] = rows(f"id;lieu\nB1;{text}\n".encode(), tmp_path, deriving(by))
    assert {name: row[name] for name in ADD} == LYON


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("St-Étienne", "Saint Etienne"), ("L'Haÿ-les-Roses", "l hay les roses"),
        ("Sainte-Foy-lès-Lyon", "STE FOY LES LYON"), ("Œuilly", "Oeuilly"),
    ],
)  # fmt: skip
def test_spellings(one: str, other: str) -> None:
    """Accents, hyphens, capitals, Saint and St are no difference."""
    assert plain_name(one) == plain_name(other)


def test_codes_of_corsica_and_overseas() -> None:
    """Codes stay text: 2A004, 97411, 01001."""
    found = [
        communes().find("insee", code)[0].departement
        for code in ("2A004", "2a004", "97411", "01001")
    ]
    assert found == ["2A", "2A", "974", "01"]


def test_what_is_not_sure(tmp_path: Path) -> None:
    """No such commune, or several: null where they differ, what they share where they do not."""
    text = b"id;lieu\nB1;Lyon\nB2;Nullepart\nB3;\nB4;Saint-Denis\nB5;Saint-Denis\n"
    made = read(text, tmp_path, deriving("name"))
    listed = [w for w in made.quality["warnings"] if w["code"] == "derive_unmatched"]
    assert [(w["column"], w["line"], w["count"]) for w in listed] == [
        ("lieu", 3, 3), ("lieu", 5, 3), ("lieu", 6, 3),
    ]  # fmt: skip
    found = rows(text, tmp_path, deriving("name", within="93"))
    assert [row["code_insee"] for row in found] == [None, None, None, "93066", "93066"]
    [row] = rows(b"id;lieu\nB1;01400\n", tmp_path, deriving("postal_code"))
    assert (row["code_insee"], row["departement"], row["region"]) == (None, "01", "84")


def test_columns_that_do_not_fit(tmp_path: Path) -> None:
    """A column that is not there, or a new one that is there already."""
    missing = deriving("name", column="ville")
    assert refusal(b"id;lieu\nB1;Lyon\n", tmp_path, missing)["code"] == "column_missing"
    assert (
        refusal(b"id;lieu;epci\nB1;Lyon;1\n", tmp_path, deriving("name"))["code"] == "header_twice"
    )


def test_a_trial_proposes_it(tmp_path: Path) -> None:
    """Columns that name communes are pointed at, by position."""
    made = read(b"id;Code postal;Ville\nB1;69003;Lyon\n", tmp_path, plain("id"))
    assert made.quality["derivable"] == [
        {"position": 2, "by": "postal_code"}, {"position": 3, "by": "name"},
    ]  # fmt: skip

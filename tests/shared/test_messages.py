"""Reasons: every code has its texts, every text can be filled in."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

from shared.card_parts import ColumnType
from shared.messages import Reason, catalogue
from shared.type_words import TYPE_WORDS

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"""code=f?["']([a-z_]+)["']""")


def used() -> set[str]:
    """Every reason code that the code names."""
    files = [f for part in ("shared", "services", "ecluse") for f in (ROOT / part).rglob("*.py")]
    return {code for file in files for code in CODE.findall(file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("code", sorted(used()))
def test_every_code_has_a_text(code: str) -> None:
    """Who is stopped is told what happened, why, and what to do."""
    assert code in catalogue()


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_every_text_is_whole(code: str) -> None:
    """Both languages say what, why and what next, with words that a reason knows."""
    known = {*Reason.model_fields, "place"}
    for language in ("fr", "en"):
        text = catalogue()[code][language]
        assert all(part.strip() for part in text[:1])
        for part in text:
            assert {name for _, name, _, _ in Formatter().parse(part) if name} <= known
    full = Reason(
        code=code, column="c", position=1, line=2, count=3, limit=4, expected="e", found="f",
        detail="d",
    )  # fmt: skip
    assert "{" not in str(full.text("fr")) + str(full.text("en"))


def test_french_and_english_say_the_same_things() -> None:
    """What one language fills in, the other does."""
    for code, texts in catalogue().items():
        filled = [
            {name for part in texts[language] for _, name, _, _ in Formatter().parse(part) if name}
            for language in ("fr", "en")
        ]
        assert filled[0] == filled[1], code


def test_an_unknown_code_still_says_something() -> None:
    """A code of a newer version is not an error."""
    assert str(Reason(code="of_tomorrow").text("fr"))


def test_types_in_plain_words() -> None:
    """Every type that a column can have has its words in both languages."""
    for kind in get_args(ColumnType):
        said = Reason(code="type_mismatch", expected=kind, found=kind).text("fr").what
        assert f"pas {TYPE_WORDS[kind]['fr']}, mais {TYPE_WORDS[kind]['fr']}" in said
        assert TYPE_WORDS[kind]["en"]


def test_no_place() -> None:
    """What is wrong with the whole file leaves no empty brackets in the text."""
    for code, texts in catalogue().items():
        for language in texts:
            assert "()" not in str(Reason(code=code).text(language)), code


def test_a_place() -> None:
    """Column by name or number, and line."""
    assert Reason(code="xx", column="h", line=3).place("fr") == "colonne h, ligne 3"
    assert Reason(code="xx", position=2).place("en") == "column no. 2"

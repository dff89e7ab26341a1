"""The normal form that detectors read."""

from __future__ import annotations

import base64

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anonymize.normalise import NEEDS_WORK, PART, fold, fold_header, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("０６＠ａ．ｂ", "06@a.b"),
        ("a\u00a0b\u202fc\td", "a b c d"),
        ("\u202eabc\u202c\u200b\u00ad", "abc"),
        ("\u0430\u0435\u043e\u0440\u0441", "aeopc"),
        ("٠٦۱۲", "0612"),
        ("½ ² №", "1/2 2 No"),
        ("a‑b–c−d", "a-b-c-d"),
        ("a&amp;#64;b", "a@b"),
        ("a%2540b", "a@b"),
        ('{\\"a\\": \\"b\\u0040c\\"}', '{"a": "b@c"}'),
    ],
)
def test_disguises_are_undone(text: str, expected: str) -> None:
    """Widths, spaces, marks, alphabets, entities, percents and escapes come to one form."""
    assert normalise(text) == expected


def test_tags_are_read_both_ways() -> None:
    """What tags split is joined, and what they hold is read as well."""
    assert normalise("06<br>12") == "06<br>12" + PART + "0612"


@pytest.mark.parametrize("wrap", [bytes.hex, lambda raw: base64.b64encode(raw).decode()])
def test_wrapped_text_is_unwrapped(wrap: object) -> None:
    """Text in hexadecimal or base64 is read, its line ends included."""
    assert callable(wrap)
    assert PART + "nom@exemple.fr" in normalise(wrap(b"nom@exemple.fr\r\n")).replace("  ", "")


@given(st.text(max_size=60))
def test_what_needs_no_work_does_not_change(text: str) -> None:
    """The pattern that spares clean cells the slow steps spares none that they would change."""
    if not pc.match_substring_regex(pa.array([text]), NEEDS_WORK)[0].as_py():
        assert normalise(text) == fold(text)


@given(st.text(max_size=60))
def test_folding_is_final(text: str) -> None:
    """Folding a folded text changes nothing, so that no order of disguises escapes it."""
    once = fold(text)
    assert fold(once) == once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nom", "nom"),
        ("numéro", "NUMERO"),
        ("nom", "n\u043em"),
        ("nom", "no\u200bm"),
        ("a  b", "a\u00a0b"),
    ],
)
def test_headers_that_look_the_same_fold_alike(one: str, other: str) -> None:
    """Case, accents, alphabets, invisible marks and spaces make no other header."""
    assert fold_header(one) == fold_header(other)


def test_headers_that_differ_stay_apart() -> None:
    """Two names that people read differently do not collide."""
    assert len({fold_header(name) for name in ("date", "dates", "date_1", "date 1")}) == 4

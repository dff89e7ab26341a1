"""Detectors of text, on strings of every disguise and on what merely looks alike."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum.fr import nir

from services.anonymize.code_detectors import CARD, IBAN, IP, MAC, PLATE
from services.anonymize.detector import Detector
from services.anonymize.email_detector import EMAIL, has_email
from services.anonymize.life_detectors import HOME, SPECIAL
from services.anonymize.name_detector import NAME, is_name_column
from services.anonymize.nir_detector import NIR, has_nir
from services.anonymize.normalise import normalise
from services.anonymize.phone_detector import PHONE, has_phone
from services.anonymize.scan_table import _DIGITS

STRINGS = tomllib.loads((Path(__file__).parent / "strings.toml").read_text(encoding="utf-8"))
PERSONAL = [(kind, text) for kind, texts in STRINGS["personal"].items() for text in texts]
OTHERS = (IBAN, CARD, PLATE, IP, MAC, NAME, SPECIAL, HOME)
Scan = Callable[..., dict[str, int]]


@pytest.mark.parametrize(("kind", "text"), PERSONAL)
def test_every_disguise_is_seen_through(kind: str, text: str, scan: Scan) -> None:
    """A personal datum alone in a column is found, however written."""
    assert kind in scan([text])


@pytest.mark.parametrize("text", STRINGS["harmless"]["strings"])
def test_a_look_alike_passes(text: str, scan: Scan) -> None:
    """Streets, codes, dates, amounts, places, hashes and times are no personal data."""
    assert scan([text]) == {}


@pytest.mark.parametrize(("kind", "text"), [one for one in PERSONAL if one[0] != "hash"])
def test_one_hit_among_many_clean_cells_counts(kind: str, text: str, scan: Scan) -> None:
    """One personal cell is found among a thousand that are clean, empty or about other things."""
    clean = ["Trottoir abîmé devant le n° 12", None, "Éclairage en panne depuis le 2015-06-19"]
    assert scan([*clean * 300, text, *clean])[kind] == 1


def test_there_are_enough_strings() -> None:
    """Detection is measured on hundreds of strings, and nearly as many look-alikes, none missed."""
    assert len(PERSONAL) > 200
    assert len(STRINGS["harmless"]["strings"]) > 150


@pytest.mark.parametrize("text", ["0612345678", "+33 6 12 34 56 78", "2 95 10 99 126 111 93"])
@pytest.mark.parametrize(
    "mark", ["\u200b", "\u200d", "\u2060", "\u00ad", "\u202e", "\ufeff", "\u034f"]
)
def test_invisible_marks_hide_nothing(text: str, mark: str, scan: Scan) -> None:
    """A mark that nobody sees, between any two characters, does not hide a number."""
    assert scan([mark.join(text)])


def test_a_date_does_not_hide_the_number_behind_it() -> None:
    """Digits that are taken for a date are still looked at as the start of a telephone number."""
    assert has_phone("12/01/2015 06 12 34 56 78")
    assert has_phone("le 01-02-2015 0612345678")


def test_foreign_numbers_of_every_country_are_found() -> None:
    """The example mobile number of each country in the numbering plan is found with its prefix."""
    missed = []
    for region in phonenumbers.SUPPORTED_REGIONS:
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if number is None:
            continue
        text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        if not has_phone(f"joindre {text} le matin"):
            missed.append(region)
    assert missed == []


body = st.builds(
    "{}{:02}{}{}{:03}{:03}".format,
    st.sampled_from("123478"),
    st.integers(0, 99),
    st.sampled_from([f"{m:02}" for m in (*range(1, 13), *range(20, 43), *range(50, 100))]),
    st.sampled_from([*(f"{d:02}" for d in range(1, 100)), "2A", "2B"]),
    st.integers(1, 990),
    st.integers(1, 999),
)


@given(body, st.sampled_from(["", " ", ".", "-", "/", "\u00a0", " - "]))
def test_every_nir_is_found_in_any_grouping(number: str, gap: str) -> None:
    """Any number in INSEE's ranges with the right key is found, whatever separates its groups."""
    whole = number + nir.calc_check_digits(number + "00")
    assert nir.is_valid(whole)
    groups = [whole[a:b] for a, b in ((0, 1), (1, 3), (3, 5), (5, 7), (7, 10), (10, 13), (13, 15))]
    assert has_nir(normalise("dossier " + gap.join(groups)))


@given(body)
def test_a_wrong_key_is_no_nir(number: str) -> None:
    """Fifteen digits in one run whose key is wrong are some other number."""
    key = (int(nir.calc_check_digits(number + "00")) + 1) % 98
    assert not has_nir(f"dossier {number}{key:02}")


PIECES = (
    "06 0612345678 12 34 56 78 5678 33 +33 00 0033 (0) 0 1 2 2A 2B 95 10 99 126 111 93 2951099126111"
    " @ [at] (dot) at dot arobase nom exemple .fr gmail com tel siren é , ; : . - / _ ( ) + & % <b>"
    " 2015 06-19 4.06 O6 clé E+08"
)
pieces = st.sampled_from(PIECES.split()) | st.sampled_from([" ", "  ", "\n", "\0"])
ADDRESS_PIECES = (
    "nom|a.b|7|@| @ |[at]|(a)|_AT_|-at-| at | arobase |{chez}|.|(dot)| point |[.]|,|exemple|gmail|fr|com"
    "| |mailto:"
)
addresses = st.lists(st.sampled_from(ADDRESS_PIECES.split("|")), max_size=9).map("".join)
CODE_PIECES = (
    "FR76 3000 6000 0112 3456 7890 189|FR7630006000011234567890189|4111 1111 1111 1111|AA-123-AB|AB"
    "|123|1234| |-|.|:|75|81.56.12.34|2a01:e0a:1:2::3|::|3c-22-fb-12-34-56|fb|12|immatriculé|M.|Mme"
    "|Dupont|Jean|de|Sophie|MARTIN|,|rue|diabétique|suivi au CHU|syndiqué|habite|demeurant|12 rue"
    "|chez|avenue|association"
)
codes = st.lists(st.sampled_from(CODE_PIECES.split("|")), max_size=9).map("".join)
texts = st.lists(pieces, max_size=14).map("".join) | addresses | codes | st.text(max_size=40)


@pytest.mark.parametrize("detector", [EMAIL, PHONE, NIR, *OTHERS], ids=lambda one: one.name)
@given(text=texts)
@example(text="06 12 34 56 78")
def test_the_quick_pattern_loses_nothing(detector: Detector, text: str) -> None:
    """What a check would find, the vectorised pattern before it lets through."""
    if detector.check(text):
        cells = pa.array([text])
        assert pc.match_substring_regex(cells, detector.pattern)[0].as_py()
        if detector in (PHONE, NIR):
            assert pc.match_substring_regex(cells, _DIGITS)[0].as_py()


@given(texts)
def test_normalising_hides_nothing(text: str) -> None:
    """What is found in a text as it stands is found in its normal form too, if it has no marks."""
    if text.isascii() and text.isprintable() and not set(text) & set("&%\\<"):
        for check in (has_email, has_phone, has_nir):
            assert not check(text) or check(normalise(text))


def test_hashes_are_judged_by_their_column(scan: Scan) -> None:
    """Hashes of something are found as a column, whatever is empty in it; a file's checksums are not."""
    hashes = [f"{n:032x}" for n in range(10**30, 10**30 + 20)]
    assert scan([*hashes, None, "absent"]) == {"hash": 20}
    assert "hash" not in scan([*hashes, *["texte"] * 21])
    assert scan(hashes, name="md5") == {}


def test_columns_of_names_are_found_without_a_header(scan: Scan) -> None:
    """Surnames or first names alone make a column of names; communes, trees and trades do not."""
    given_names = ["Sophie", "Jean", "Fatima", "Pierre", "Louise", "Karim", "Anne", "Marc", "Inès",
                   "Paul"]  # fmt: skip
    families = ["Dupont", "MARTIN", "Lefebvre", "Benali", "Garcia", "Nguyen", "Moreau", "Roux",
                "Faure", "Girard", "Muller", "Da Silva"]  # fmt: skip
    towns = ["Lyon", "Bron", "Villeurbanne", "Vénissieux", "Saint-Priest", "Décines-Charpieu",
             "Écully", "Vaulx-en-Velin", "Rillieux-la-Pape", "Meyzieu", "Givors", "Oullins"]  # fmt: skip
    trees = ["Chêne", "Tilleul", "Platane", "Érable plane", "Ginkgo", "Frêne", "Cèdre", "Orme",
             "Aulne", "Micocoulier", "Savonnier", "Sophora"]  # fmt: skip
    assert scan(given_names)["name"] == len(given_names)
    assert scan(families)["name"] == len(families)
    for harmless in (towns, trees):
        assert scan(harmless) == {}
    assert not is_name_column(given_names[:5])

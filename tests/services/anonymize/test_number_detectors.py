"""Telephone numbers and NIR among numbers: the column decides."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean
from stdnum import luhn as stdnum_luhn
from stdnum.fr import nir

from services.anonymize.number_detectors import ean13, luhn, nir15
from services.anonymize.scan_table import ColumnScan

Scan = Callable[..., dict[str, int]]
RANDOM = random.Random(20260301)


def with_luhn(start: int, digits: int) -> int:
    number = str(start)[: digits - 1]
    return int(number + stdnum_luhn.calc_check_digit(number))


MOBILES = [RANDOM.randrange(600_000_000, 800_000_000) for _ in range(50)]
FIXED = [RANDOM.randrange(100_000_000, 600_000_000) for _ in range(50)]
SIREN = [with_luhn(RANDOM.randrange(10**8, 10**9), 9) for _ in range(50)]
NIRS = [
    int(f"{body}{97 - int(body) % 97:02}")
    for body in (f"{RANDOM.choice('12')}{n:02}0769123{n:03}" for n in range(10, 60))
]
TEXT: Callable[[list[Any]], list[Any]] = lambda values: [str(value) for value in values]  # noqa: E731 - a table of forms
FLOAT: Callable[[list[Any]], list[Any]] = lambda values: [float(value) for value in values]  # noqa: E731
WHOLE: Callable[[list[Any]], list[Any]] = list
forms = pytest.mark.parametrize("form", [WHOLE, FLOAT, TEXT], ids=["integer", "float", "text"])


@forms
def test_mobiles_without_their_zero_are_found(form: Callable[..., Any], scan: Scan) -> None:
    """Nine digits from 6 or 7 under a name that says nothing are telephone numbers, each of them."""
    assert scan(form(MOBILES), "c1") == {"phone": 50}


@forms
def test_one_mobile_among_other_numbers_is_found(form: Callable[..., Any], scan: Scan) -> None:
    """One telephone number among a thousand small numbers is enough."""
    assert scan(form([*range(1000), 612345678]), "c1") == {"phone": 1}


@forms
def test_a_column_that_says_telephone_holds_telephones(
    form: Callable[..., Any], scan: Scan
) -> None:
    """Under a name that says telephone any number of that length is one, landlines and SIREN too."""
    assert scan(form([*FIXED, *SIREN]), "Tél. fixe") == {"phone": 100}


def test_a_telephone_column_with_gaps_is_still_one(scan: Scan) -> None:
    """One cell in three that says « néant » does not make another column of it."""
    assert scan([*TEXT(FIXED), *["néant"] * 30], "tel") == {"phone": 50}


@forms
def test_landlines_fill_their_column(form: Callable[..., Any], scan: Scan) -> None:
    """Nine digits throughout a column that says nothing are telephone numbers."""
    assert scan(form(FIXED), "contact") == {"phone": 50}


@forms
@pytest.mark.parametrize("name", ["siren", "entreprise", "c1"])
def test_siren_pass(form: Callable[..., Any], name: str, scan: Scan) -> None:
    """A column of numbers with the SIREN's checksum holds SIREN, whatever its name."""
    assert scan(form(SIREN), name) == {}


@forms
@pytest.mark.parametrize("name", ["code_iris", "finess", "zone"])
def test_codes_of_one_departement_pass(form: Callable[..., Any], name: str, scan: Scan) -> None:
    """Nine-digit codes that all begin with the same département are no mobiles."""
    assert scan(form([691230000 + 7 * n for n in range(60)]), name) == {}


@forms
@pytest.mark.parametrize("name", ["montant", "osm_id", "id", "population", "surface_m2"])
def test_quantities_and_identifiers_pass(form: Callable[..., Any], name: str, scan: Scan) -> None:
    """Amounts and row numbers of all lengths pass, some of nine digits among them."""
    assert scan(form([10 ** (n % 9) * 7 + n for n in range(200)]), name) == {}


def test_amounts_with_cents_pass(scan: Scan) -> None:
    """A column with fractions holds measures."""
    assert scan([612345678.0, 12.5, 700000000.0, 99.99], "valeurs") == {}


@pytest.mark.parametrize("name", ["id", "montant", "code"])
def test_a_misnamed_telephone_column_is_found(name: str, scan: Scan) -> None:
    """A column full of mobiles is one even under a name that says identifier or amount."""
    assert scan(MOBILES, name) == {"phone": 50}


def test_country_code_without_plus_is_found(scan: Scan) -> None:
    """33612345678 as a number is a telephone number."""
    assert scan([33612345678, 12], "c1") == {"phone": 1}


@forms
def test_nir_are_found(form: Callable[..., Any], scan: Scan) -> None:
    """Fifteen digits with the right key are NIR in any type of column."""
    assert scan(form(NIRS), "c1") == {"nir": 50}
    assert scan(form([1, 2, NIRS[0]]), "siret") == {"nir": 1}


@forms
def test_nir_without_key_are_found(form: Callable[..., Any], scan: Scan) -> None:
    """Thirteen digits in a NIR's ranges throughout a column are NIR without their keys."""
    assert scan(form([number // 100 for number in NIRS]), "c1") == {"nir": 50}


def test_right_keys_by_chance_are_told_from_nir() -> None:
    """One right key in two hundred random numbers is recorded and does not stop; one in ten does."""
    numbers = [RANDOM.randrange(10**14, 10**15) for _ in range(2000)]
    column = ColumnScan("c1")
    column.see(pa.array(numbers), 0)
    (finding,) = column.findings()
    assert finding.chance
    assert 1 <= finding.cells < 40
    column = ColumnScan("c1")
    column.see(pa.array(numbers[:400] + NIRS), 0)
    (finding,) = column.findings()
    assert not finding.chance
    assert finding.cells >= 50


def with_ean(start: int) -> int:
    return int(f"{start}{ean.calc_check_digit(str(start))}")


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("c1", [with_ean(200_000_000_000 + 7919 * n) for n in range(50)]),
        ("c1", [with_luhn(130_109_900_000_000 + 7919 * n, 13) for n in range(50)]),
        ("c1", [1_692_000_000_000 + 86_400_000 * n for n in range(50)]),
        ("timestamp", [1_510_100_000_000 + n for n in range(50)]),
    ],
    ids=["EAN", "SIRET", "milliseconds", "milliseconds of 2017"],
)
def test_other_codes_of_thirteen_digits_pass(name: str, numbers: list[int], scan: Scan) -> None:
    """EAN, SIRET that lost a zero and times in milliseconds are no NIR."""
    assert scan(numbers, name) == {}


def test_batches_are_judged_together() -> None:
    """A column's verdict is that of all its batches, and the line that of the first hit."""
    column = ColumnScan("c1")
    column.see(pa.array([1, None, 3]), 0)
    column.see(pa.array([None, 612345678, 712345670]), 3)
    (finding,) = column.findings()
    assert (finding.detector, finding.cells, finding.line) == ("phone", 2, 6)


@given(st.lists(st.integers(10**8, 10**9 - 1), min_size=1, max_size=50))
def test_luhn_agrees_with_stdnum(numbers: list[int]) -> None:
    """The vectorised checksum of SIREN is python-stdnum's."""
    expected = [stdnum_luhn.is_valid(str(number)) for number in numbers]
    assert luhn(pa.array(numbers), 9).to_pylist() == expected


@given(st.lists(st.integers(10**12, 10**13 - 1), min_size=1, max_size=50))
def test_ean_agrees_with_stdnum(numbers: list[int]) -> None:
    """The vectorised checksum of EAN-13 is python-stdnum's."""
    assert ean13(pa.array(numbers)).to_pylist() == [ean.is_valid(str(n)) for n in numbers]


@given(st.lists(st.sampled_from(NIRS) | st.integers(10**14, 10**15 - 1), min_size=1, max_size=50))
def test_right_nir_agree_with_stdnum(numbers: list[int]) -> None:
    """A number in a NIR's ranges has the right key exactly when python-stdnum says so."""
    found = nir15(pa.array(numbers)).to_pylist()
    for number, right in zip(numbers, found, strict=True):
        assert not right or nir.is_valid(str(number))
        assert right or number not in NIRS

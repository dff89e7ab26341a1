"""Releases beside their predecessors: nobody is their difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anonymize.exposure import (
    Exposed,
    Exposure,
    Incomparable,
    Key,
    isolated,
    least_levels,
    most_shown,
    rolled_up,
)
from services.anonymize.k_anonymity.hierarchy import from_rows, of_numbers
from services.anonymize.protect_table import ProtectedTable, protect_table
from shared.card import Card
from shared.failures import Quarantined

MakeCard = Callable[..., Card]
K = 5
PRIVACY: dict[str, Any] = {
    "quasi_identifiers": ["age", "commune"],
    "k": K,
    "l": 1,
    "suppression": 20,
    "hierarchies": {
        "age": {"ranges": [10, 20]},
        "commune": {"values": {f"6900{n}": [f"s{n // 3}"] for n in range(9)}},
    },
}
RULES = {"age": "keep", "commune": "keep", "aide": "keep"}


class Town:
    """A made population, of which one person in a hundred is replaced each month."""

    def __init__(self, size: int = 2000) -> None:
        self._random = np.random.default_rng(7)
        self.people = [self._person() for _ in range(size)]

    def _person(self) -> tuple[int, str, str]:
        age = int(min(self._random.gamma(4, 11), 99))
        town = f"6900{int(min(self._random.poisson(2), 8))}"
        return age, town, str(self._random.choice(["RSA", "APL", "aucune"]))

    def month(self) -> pa.Table:
        for _ in range(len(self.people) // 100):
            self.people[int(self._random.integers(len(self.people)))] = self._person()
        columns = list(zip(*self.people, strict=True))
        return pa.table(dict(zip(RULES, columns, strict=True)))


def counts(made: ProtectedTable) -> tuple[tuple[int, ...], dict[Key, int]]:
    assert made.exposure is not None
    return made.exposure.levels, {one.values: one.units for one in made.exposure.classes}


def test_twelve_months_isolate_nobody(make_card: MakeCard) -> None:
    """Beside every earlier month each class is equal, or differs by k people at least."""
    card, town = make_card(RULES, "people", **PRIVACY), Town()
    earlier: list[Exposure] = []
    for _ in range(12):
        table = town.month()
        made = protect_table(table, None, card, earlier)
        assert made.exposure is not None
        levels, new = counts(made)
        for one in earlier:
            assert all(a <= b for a, b in zip(one.levels, levels, strict=True))
            old = rolled_up(one, levels, hierarchies())
            assert isolated(new, old, K) == 0
        assert made.table.num_rows > 0.8 * table.num_rows
        earlier.append(made.exposure)


def hierarchies() -> list[Any]:
    return [
        of_numbers(range(100), [10, 20]),
        from_rows([(f"6900{n}", f"s{n // 3}") for n in range(9)]),
    ]


def test_the_naive_way_isolates_people(make_card: MakeCard) -> None:
    """Each month k-anonymous by itself, the same series leaves differences of one to four people."""
    card, town = make_card(RULES, "people", **PRIVACY), Town()
    first = counts(protect_table(town.month(), None, card))
    found = 0
    for _ in range(11):
        levels, new = counts(protect_table(town.month(), None, card))
        if levels == first[0]:
            found += isolated(new, first[1], K)
    assert found > 10


@pytest.mark.parametrize(
    ("now", "before", "shown"),
    [
        (7, [], 7), (4, [], 0), (8, [7], 7), (12, [7], 12), (11, [7], 7), (6, [7], 0), (12, [7, 9], 0),
        (14, [7, 9], 14), (20, [20, 20], 20), (19, [20], 15), (3, [20], 0), (13, [9, 9], 9),
    ],
)  # fmt: skip
def test_how_many_may_be_shown(now: int, before: list[int], shown: int) -> None:
    """As many as before, or k more or fewer; else fewer still, or none."""
    assert most_shown(now, before, K) == shown


@given(st.integers(0, 60), st.lists(st.integers(5, 60), max_size=4), st.integers(3, 11))
def test_what_may_be_shown_isolates_nobody(now: int, before: list[int], k: int) -> None:
    """Never more than there are, never one to k - 1, never a small step from what was shown; no
    larger number would do."""
    before = [count for count in before if count >= k]
    shown = most_shown(now, before, k)

    def fits(count: int) -> bool:
        alone = count == 0 or count >= k
        return alone and all(b == count or abs(b - count) >= k for b in before)

    assert shown <= now
    assert fits(shown)
    assert not any(fits(count) for count in range(shown + 1, now + 1))


def exposure(*levels: int, names: tuple[str, ...] = ("age", "commune"), **classes: int) -> Exposure:
    shown = [Exposed(values=tuple(key.split("_")), units=n) for key, n in classes.items()]
    return Exposure(quasi_identifiers=names, levels=levels, classes=tuple(shown))


def test_earlier_classes_are_counted_in_coarser_ones() -> None:
    """An earlier class is part of exactly one class of a more general release."""
    ages = from_rows([("a1", "A"), ("a2", "A"), ("b1", "B")])
    old = exposure(0, a1=5, a2=6, b1=7, names=("age",))
    assert rolled_up(old, [1], [ages]) == {("A",): 11, ("B",): 7}
    assert rolled_up(old, [2], [ages]) == {("*",): 18}
    for levels in ([3], [-1]):
        with pytest.raises(Incomparable):
            rolled_up(old, levels, [ages])
    with pytest.raises(Incomparable):
        rolled_up(exposure(0, zz=5, names=("age",)), [1], [ages])
    with pytest.raises(Incomparable):
        rolled_up(exposure(1, A=5, names=("age",)), [0], [ages])


def test_levels_only_rise() -> None:
    """A new release is as general as each earlier one, in every quasi-identifier; with others, none."""
    names = ("age", "commune")
    assert least_levels(names, [exposure(0, 1), exposure(1, 0)]) == (1, 1)
    with pytest.raises(Incomparable):
        least_levels(names, [exposure(0, names=("age",))])


@pytest.mark.parametrize("changes", [{"method": "mondrian"}, {"quasi_identifiers": ["age"]}])
def test_what_cannot_be_compared_stops(changes: dict[str, Any], make_card: MakeCard) -> None:
    """Levels that differ from row to row, or other quasi-identifiers, cannot follow a release."""
    town = Town(400)
    first = protect_table(town.month(), None, make_card(RULES, "people", **PRIVACY))
    assert first.exposure is not None
    hierarchies_ = {"age": PRIVACY["hierarchies"]["age"]}
    other = make_card(RULES, "people", **(PRIVACY | {"hierarchies": hierarchies_} | changes))
    with pytest.raises(Quarantined) as failure:
        protect_table(town.month(), None, other, [first.exposure])
    assert failure.value.reasons[0].code == "exposure_incomparable"


def test_cases_54_56_one_who_comes_or_leaves(make_card: MakeCard) -> None:
    """One person more, or one who asked to be removed, changes no class by one."""
    card = make_card(RULES, "people", **PRIVACY)
    rows: dict[str, list[Any]] = {
        "age": [35] * 30 + [55] * 30,
        "commune": ["69001"] * 60,
        "aide": ["RSA", "APL"] * 30,
    }
    first = protect_table(pa.table(rows), None, card)
    assert first.exposure is not None
    more = {name: [*column, column[0]] for name, column in rows.items()}
    fewer = {name: column[1:] for name, column in rows.items()}
    _, old = counts(first)
    same = protect_table(pa.table(more), None, card, [first.exposure])
    assert counts(same)[1] == old
    assert same.held_back == 1
    removed = protect_table(pa.table(fewer), None, card, [first.exposure])
    assert isolated(counts(removed)[1], old, K) == 0
    assert sum(counts(removed)[1].values()) == 55


def test_units_are_held_back_whole(make_card: MakeCard) -> None:
    """A household that is held back is held back with all its rows."""
    rows: dict[str, list[Any]] = {
        "age": [35] * 24,
        "commune": ["69001"] * 24,
        "aide": ["RSA", "APL"] * 12,
    }
    card = make_card(RULES | {"foyer": "drop"}, "households", **PRIVACY, unit="foyer")
    units = pa.array([f"f{n // 2}" for n in range(24)])
    first = protect_table(pa.table(rows), units, card)
    assert first.exposure is not None
    assert counts(first)[1] == {("35", "69001"): 12}
    more = {name: [*column, *column[:2]] for name, column in rows.items()}
    joined = pa.array([*units.to_pylist(), "f99", "f99"])
    second = protect_table(pa.table(more), joined, card, [first.exposure])
    assert (second.held_back, second.table.num_rows) == (2, 24)

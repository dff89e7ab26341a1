"""Releases beside their predecessors: nobody is their difference."""

from __future__ import annotations

from collections import Counter
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
    Told,
    as_published,
    isolated,
    least_levels,
    rolled_up,
)
from services.anonymize.k_anonymity.hierarchy import from_rows, of_numbers
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.protect_table import ProtectedTable, protect_table
from services.anonymize.recode_beside import Before
from services.anonymize.show_units import shown_units
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


def counts(made: ProtectedTable) -> tuple[tuple[int, ...], dict[Key, Told]]:
    assert made.exposure is not None
    return made.exposure.levels, as_published(made.exposure)


def test_twelve_months_isolate_nobody(make_card: MakeCard) -> None:
    """Beside every earlier month each class is equal, or differs by k people at least."""
    card, town = make_card(RULES, "people", **PRIVACY), Town()
    earlier: list[Exposure] = []
    for _ in range(12):
        table = town.month()
        made = protect_table(table, None, card, Before(tuple(earlier)))
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
    olds = [Counter(x=count) for count in before]
    assert sum(shown_units(["x"] * now, olds, Protection(K))) == shown


@given(st.integers(0, 60), st.lists(st.integers(5, 60), max_size=4), st.integers(3, 11))
def test_what_may_be_shown_isolates_nobody(now: int, before: list[int], k: int) -> None:
    """Never more than there are, never one to k - 1, never a small step from what was shown; no
    larger number would do."""
    before = [count for count in before if count >= k]
    olds = [Counter(x=count) for count in before]
    shown = sum(shown_units(["x"] * now, olds, Protection(k)))

    def fits(count: int) -> bool:
        alone = count == 0 or count >= k
        return alone and all(b == count or abs(b - count) >= k for b in before)

    assert shown <= now
    assert fits(shown)
    assert not any(fits(count) for count in range(shown + 1, now + 1))


def exposure(*levels: int, names: tuple[str, ...] = ("age", "commune"), **classes: int) -> Exposure:
    shown = [Exposed(values=tuple(key.split("_")), units=n) for key, n in classes.items()]
    return Exposure(quasi_identifiers=names, levels=levels, classes=tuple(shown))


def totals(told: dict[Key, Told]) -> dict[Key, int]:
    return {key: one.total() for key, one in told.items()}


def test_earlier_classes_are_counted_in_coarser_ones() -> None:
    """An earlier class is part of exactly one class of a more general release."""
    ages = from_rows([("a1", "A"), ("a2", "A"), ("b1", "B")])
    old = exposure(0, a1=5, a2=6, b1=7, names=("age",))
    assert totals(rolled_up(old, [1], [ages])) == {("A",): 11, ("B",): 7}
    assert totals(rolled_up(old, [2], [ages])) == {("*",): 18}
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
    """Other groups, or other quasi-identifiers, cannot follow a release, whatever the engine."""
    town = Town(400)
    first = protect_table(town.month(), None, make_card(RULES, "people", **PRIVACY))
    assert first.exposure is not None
    hierarchies_ = {"age": PRIVACY["hierarchies"]["age"]}
    other = make_card(RULES, "people", **(PRIVACY | {"hierarchies": hierarchies_} | changes))
    with pytest.raises(Quarantined) as failure:
        protect_table(town.month(), None, other, Before((first.exposure,)))
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
    same = protect_table(pa.table(more), None, card, Before((first.exposure,)))
    assert counts(same)[1] == old
    assert same.held_back == 1
    removed = protect_table(pa.table(fewer), None, card, Before((first.exposure,)))
    assert isolated(counts(removed)[1], old, K) == 0
    assert sum(totals(counts(removed)[1]).values()) == 55


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
    assert totals(counts(first)[1]) == {("35", "69001"): 12}
    more = {name: [*column, *column[:2]] for name, column in rows.items()}
    joined = pa.array([*units.to_pylist(), "f99", "f99"])
    second = protect_table(pa.table(more), joined, card, Before((first.exposure,)))
    assert (second.held_back, second.table.num_rows) == (2, 24)


def crowd(*more: tuple[str, int], age: int = 35) -> pa.Table:
    """One class, in which so many receive this and so many that."""
    aid = [name for name, count in more for _ in range(count)]
    return pa.table({"age": [age] * len(aid), "commune": ["69001"] * len(aid), "aide": aid})


def released(card: Card, *tables: pa.Table) -> list[ProtectedTable]:
    """One release after the other, each beside all before."""
    made: list[ProtectedTable] = []
    for table in tables:
        earlier = [one.exposure for one in made if one.exposure]
        made.append(protect_table(table, None, card, Before(tuple(earlier))))
    return made


def test_one_who_leaves_while_another_comes(make_card: MakeCard) -> None:
    """The number stays; what they receive would tell. Neither is seen: four others hide who left."""
    card = make_card(RULES, "people", **PRIVACY)
    before, after = crowd(("RSA", 20), ("APL", 10)), crowd(("RSA", 19), ("APL", 10), ("AAH", 1))
    first, second = released(card, before, after)
    _, old = counts(first)
    _, new = counts(second)
    assert isolated(new, old, K) == 0
    assert "AAH" not in second.table["aide"].to_pylist()
    assert second.table.num_rows == 25
    naive = counts(protect_table(after, None, card))[1]
    assert isolated(naive, old, K) == 1


def test_who_left_did_not_all_receive_the_same(make_card: MakeCard) -> None:
    """With l = 2, five who left and all received the RSA would be known by that: one more is held."""
    card = make_card(RULES, "people", **(PRIVACY | {"l": 2}))
    first, second = released(card, crowd(("RSA", 15), ("APL", 10)), crowd(("RSA", 10), ("APL", 10)))
    old, new = counts(first)[1], counts(second)[1]
    (gone,) = [old[key] - new[key] for key in old]
    assert sorted(gone.values()) == [1, 5]


@given(
    st.lists(st.sampled_from("abcd"), max_size=60),
    st.lists(st.lists(st.sampled_from("abcd"), min_size=5, max_size=40), max_size=4),
    st.integers(3, 7),
)
def test_whatever_they_say_nobody_is_alone(now: list[str], olds: list[list[str]], k: int) -> None:
    """Who came, who left and their numbers' difference: nobody, or k and more."""
    before = [Counter(old) for old in olds if len(old) >= k]
    answers = shown_units(now, before, Protection(k))
    new = Counter(one for one, ok in zip(now, answers, strict=True) if ok)
    assert new.total() == 0 or new.total() >= k
    assert all(isolated({("x",): new}, {("x",): old}, k) == 0 for old in before)


@pytest.mark.parametrize("method", ["mondrian", "local_recoding", "full_domain"])
def test_every_engine_keeps_its_classes(method: str, make_card: MakeCard) -> None:
    """Six months of one percent churn: no class of any release is in part one of another, and none
    differs from an earlier month's by one to k - 1 people."""
    card, town = make_card(RULES, "people", **(PRIVACY | {"method": method})), Town()
    months = [town.month() for _ in range(6)]
    made = released(card, *months)
    for number, later in enumerate(made):
        assert later.exposure is not None
        for earlier in made[:number]:
            assert earlier.exposure is not None
            if method == "full_domain":
                levels = later.exposure.levels
                old = rolled_up(earlier.exposure, levels, hierarchies())
            else:
                old = as_published(earlier.exposure)
            assert isolated(as_published(later.exposure), old, K) == 0
        assert later.table.num_rows > 0.7 * months[number].num_rows


def test_the_first_box_holds_a_row(make_card: MakeCard) -> None:
    """A later release publishes the same person in the same box, even where boxes overlap."""
    card, town = make_card(RULES, "people", **(PRIVACY | {"method": "mondrian"})), Town(600)
    table = town.month()
    first, second = released(card, table, table)
    assert first.table.equals(second.table)
    assert second.held_back == 0


@pytest.mark.parametrize("method", ["mondrian", "full_domain"])
def test_the_card_says_what_becomes_of_them(method: str, make_card: MakeCard) -> None:
    """`stop` stops the release; `generalise` makes classes wider until nobody need be held back."""
    rows = pa.concat_tables([crowd(("RSA", 20), ("APL", 10)), crowd(("RSA", 20), age=55)])
    more = pa.concat_tables([rows, crowd(("RSA", 2), age=35), crowd(("RSA", 3), age=55)])
    told = PRIVACY | {"method": method, "hierarchies": {"age": {"ranges": [10, 100]}}}
    held = released(make_card(RULES, "people", **told), rows, more)[1]
    assert held.held_back == 5
    wide = released(make_card(RULES, "people", **told, between="generalise"), rows, more)[1]
    assert (wide.held_back, wide.table.num_rows) == (0, 55)
    with pytest.raises(Quarantined) as failure:
        released(make_card(RULES, "people", **told, between="stop"), rows, more)
    reason = failure.value.reasons[0]
    assert (reason.code, reason.count) == ("exposure_isolates", 5)


def test_a_value_that_nobody_has_any_more(make_card: MakeCard) -> None:
    """It is still in the hierarchy: those who had it left together, and are counted so."""
    rules = {"ranges": [10, 20]}
    told = PRIVACY | {"hierarchies": {"age": rules}}
    both = pa.concat_tables([crowd(("RSA", 10)), crowd(("APL", 10), age=71)])
    first, second = released(make_card(RULES, "people", **told), both, crowd(("RSA", 10)))
    assert first.table.num_rows == 20
    assert second.table.num_rows == 10


def test_other_groups_are_not_compared(make_card: MakeCard) -> None:
    """A hierarchy whose groups changed stops: its classes are no longer those of before."""
    first = released(make_card(RULES, "people", **PRIVACY), crowd(("RSA", 20)))[0]
    other = {"hierarchies": {"age": {"ranges": [5, 25]}}}
    assert first.exposure is not None
    with pytest.raises(Quarantined) as failure:
        protect_table(
            crowd(("RSA", 20)),
            None,
            make_card(RULES, "people", **(PRIVACY | other)),
            Before((first.exposure,)),
        )
    assert failure.value.reasons[0].code == "exposure_incomparable"

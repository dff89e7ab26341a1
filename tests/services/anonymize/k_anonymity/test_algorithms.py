"""The three algorithms against their definitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.anonymize.k_anonymity.combinations import Combinations, combine
from services.anonymize.k_anonymity.full_domain import MAX_NODES, TooManyNodes, full_domain
from services.anonymize.k_anonymity.hierarchy import from_rows, of_numbers
from services.anonymize.k_anonymity.local_recoding import local_recoding
from services.anonymize.k_anonymity.mondrian import mondrian
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.k_anonymity.recoding import NotReachable, Recoding, published
from tests.services.anonymize.k_anonymity import oracle
from tests.services.anonymize.k_anonymity.strategies import Case, cases

Algorithm = Callable[[Combinations, Protection], Recoding]
ALGORITHMS: dict[str, Algorithm] = {
    "full domain": full_domain,
    "full domain, suppressing": lambda found, asked: full_domain(found, asked, 0.3),
    "mondrian": mondrian,
    "local recoding": local_recoding,
}
asked_for = st.builds(
    Protection,
    k=st.integers(1, 6),
    l=st.integers(1, 3),
    t=st.sampled_from([1.0, 0.5, 0.3]),
    entropy=st.booleans(),
)


def written(found: Combinations, made: Recoding) -> list[tuple[str | None, ...] | None]:
    """What is published of each row; None for what is suppressed."""
    columns = []
    for q in range(len(found.hierarchies)):
        numbers, texts = published(found, made.levels, q)
        columns.append([texts[n] for n in numbers])
    by_combination = list(zip(*columns, strict=True))
    return [None if made.suppressed[c] else by_combination[c] for c in found.of_row]


@pytest.mark.parametrize("name", ALGORITHMS)
@settings(max_examples=60, deadline=None)
@given(case=cases(), asked=asked_for, by_unit=st.booleans())
def test_no_published_row_lacks_protection(
    name: str, case: Case, asked: Protection, by_unit: bool
) -> None:
    """Counted by hand on what is published, every class has k units, l values, and t at most."""
    found = case.combined(units=by_unit, sensitive=asked.sensitive)
    try:
        made = ALGORITHMS[name](found, asked)
    except NotReachable:
        return
    rows = written(found, made)
    kept = [number for number, row in enumerate(rows) if row is not None]
    whole = [case.sensitive[number] for number in kept]
    for members in oracle.groups([rows[n] or () for n in kept]).values():
        numbers = [kept[one] for one in members]
        units = [case.units[n] if by_unit else n for n in numbers]
        assert len(set(units)) >= asked.k
        values = [case.sensitive[n] for n in numbers]
        least = oracle.entropy_l(values) if asked.entropy else oracle.distinct_l(values)
        assert least >= asked.l - 1e-6 or asked.l == 1
        assert asked.t == 1.0 or oracle.distance(values, whole) <= asked.t + 1e-6


@pytest.mark.parametrize("name", ALGORITHMS)
@settings(max_examples=30, deadline=None)
@given(case=cases(), k=st.integers(1, 6))
def test_values_are_only_made_more_general(name: str, case: Case, k: int) -> None:
    """What is published of a row is the row's own value at some level, and not `*` in all columns."""
    found = case.combined()
    try:
        made = ALGORITHMS[name](found, Protection(k))
    except NotReachable:
        return
    for row, out in zip(case.rows, written(found, made), strict=True):
        if out is None:
            continue
        for leaf, text, hierarchy in zip(row, out, case.hierarchies, strict=True):
            ways = {oracle.generalised(leaf, hierarchy, n) for n in range(hierarchy.levels)}
            assert text in ways
        assert set(out) != {"*"}


@settings(max_examples=80, deadline=None)
@given(
    case=cases(), k=st.integers(1, 6), share=st.sampled_from([0.0, 0.1, 0.5]), by_unit=st.booleans()
)
def test_full_domain_is_the_optimum(case: Case, k: int, share: float, by_unit: bool) -> None:
    """No node of the lattice loses less, as an exhaustive search shows."""
    units = case.units if by_unit else list(range(len(case.rows)))
    limit = int(share * len(case.rows) + 1e-9)
    best = oracle.best_loss(case.rows, case.hierarchies, Protection(k), limit, units)
    try:
        made = full_domain(case.combined(units=by_unit), Protection(k), share)
    except NotReachable:
        assert best is None or best == pytest.approx(1)
        return
    assert best is not None
    assert made.loss == pytest.approx(best)


def test_the_optimum_of_a_larger_table() -> None:
    """On rows whose values are skewed and hang together, pruning loses no better node."""
    random = np.random.default_rng(59)
    age = np.minimum(random.gamma(1.2, 6, 300).astype(np.int64), 39)
    ages = of_numbers(range(40), [5, 10, 20])
    towns = from_rows([(f"c{n}", f"d{n // 5}", f"r{n // 10}") for n in range(20)])
    town = np.minimum(random.poisson(age / 4), 19)
    jobs = from_rows([(f"j{n}", f"s{n // 4}") for n in range(12)])
    job = np.minimum(random.gamma(1, 2, 300).astype(np.int64), 11)
    rows = [tuple(int(v) for v in row) for row in zip(age, town, job, strict=True)]
    found = combine([age, town, job], [ages, towns, jobs])
    for share in (0.0, 0.05, 0.3, 1.0):
        best = oracle.best_loss(
            rows, [ages, towns, jobs], Protection(5), int(share * 300), list(range(300))
        )
        assert full_domain(found, Protection(5), share).loss == pytest.approx(best)
    # Finer units than a whole table's levels lose less.
    whole = full_domain(found, Protection(5), 0.05).loss
    assert mondrian(found, Protection(5)).loss < whole
    assert local_recoding(found, Protection(5)).loss < whole


def test_a_person_with_many_rows_is_one() -> None:
    """One person six times is no crowd: k counts persons."""
    ages = of_numbers([30, 31], [10])
    column = np.array([0] * 6 + [1] * 6, np.int64)
    alone = combine([column], [ages], units=np.array([7] * 6 + list(range(6)), np.int64))
    made = full_domain(alone, Protection(5))
    assert set(made.levels[:, 0]) == {1}
    with pytest.raises(NotReachable):
        full_domain(combine([column], [ages], units=np.array([7] * 12, np.int64)), Protection(5))


def test_one_large_family_is_one_household() -> None:
    """Seven rows of one household are no class of five households."""
    where = from_rows([("A", "AB"), ("B", "AB"), ("C", "C")])
    town = np.array([0] * 7 + [1] * 5 + [2] * 5, np.int64)
    household = np.array([1] * 7 + [2, 3, 4, 5, 6] + [7, 8, 9, 10, 11], np.int64)
    found = combine([town], [where], units=household)
    assert set(written(found, full_domain(found, Protection(5)))) == {("AB",), ("C",)}


def test_nulls_are_a_class_of_their_own() -> None:
    """A null is neither dropped nor like everything: four nulls among fifty rows are suppressed."""
    sexes = from_rows([("F",), ("M",)], null=True)
    column = np.array([0] * 25 + [1] * 21 + [2] * 4, np.int64)
    found = combine([column], [sexes])
    made = full_domain(found, Protection(5), 0.1)
    rows = written(found, made)
    assert [rows[0], rows[30], rows[49]] == [("F",), ("M",), None]
    enough = combine([np.append(column, 2)], [sexes])
    assert written(enough, full_domain(enough, Protection(5)))[49] == (None,)


def test_homogeneous_classes_are_merged() -> None:
    """Five alike who all receive the benefit are no protection: l makes the class wider."""
    ages = of_numbers([21, 22, 35], [10])
    age = np.array([0] * 5 + [1] * 5 + [2] * 6, np.int64)
    benefit = np.array([1] * 5 + [0] * 5 + [0, 1] * 3, np.int64)
    found = combine([age], [ages], sensitive=[benefit])
    assert set(full_domain(found, Protection(5)).levels[:, 0]) == {0}
    assert set(full_domain(found, Protection(5, l=2)).levels[:, 0]) == {1}


def test_a_skewed_class_is_not_close() -> None:
    """80 % in a class where the whole has 20 % passes l = 2 and fails t = 0.3."""
    ages = from_rows([("21", "20-29"), ("22", "20-29"), ("35", "30-39"), ("36", "30-39")])
    age = np.array([0] * 10 + [1] * 40 + [2] * 25 + [3] * 25, np.int64)
    ill = np.array([1] * 8 + [0] * 2 + [1] * 4 + [0] * 36 + ([1] * 4 + [0] * 21) * 2, np.int64)
    found = combine([age], [ages], sensitive=[ill])
    assert set(full_domain(found, Protection(5, l=2)).levels[:, 0]) == {0}
    assert set(full_domain(found, Protection(5, l=2, t=0.3)).levels[:, 0]) == {1}


@pytest.mark.parametrize("algorithm", [full_domain, local_recoding])
def test_a_lattice_too_large_is_refused(algorithm: Algorithm) -> None:
    """More nodes than can be looked at is said, not tried."""
    tall = of_numbers(range(4096), [2**n for n in range(1, 12)])
    wide = 6
    assert tall.levels**wide > MAX_NODES
    found = combine([np.arange(10)] * wide, [tall] * wide)
    with pytest.raises(TooManyNodes):
        algorithm(found, Protection(2))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_two_runs_give_the_same(name: str) -> None:
    """The same table gives the same levels again."""
    random = np.random.default_rng(5)
    table = [random.integers(0, 40, 2000), random.integers(0, 9, 2000)]
    ways = [of_numbers(range(40), [5, 10]), from_rows([(f"v{n}", f"g{n // 3}") for n in range(9)])]
    first, second = (ALGORITHMS[name](combine(table, ways), Protection(5)) for _ in range(2))
    assert (first.levels == second.levels).all()
    assert (first.suppressed == second.suppressed).all()

"""Hierarchies, from rows and from values."""

from __future__ import annotations

import numpy as np
import pytest

from services.anonymize.k_anonymity.hierarchy import (
    BadHierarchy,
    Hierarchy,
    all_or_nothing,
    from_rows,
    number_text,
    of_numbers,
    of_prefixes,
)


def way(hierarchy: Hierarchy, leaf: int) -> list[str | None]:
    """A leaf's text at every level."""
    pairs = zip(hierarchy.labels, hierarchy.groups, strict=True)
    return [labels[groups[leaf]] for labels, groups in pairs]


def test_rows_end_in_a_star() -> None:
    """Rows make levels; the last one says nothing, whether it was written or not."""
    rows = [("69123", "69"), ("69266", "69"), ("42218", "42")]
    written = [(*row, "*") for row in rows]
    assert way(from_rows(rows), 1) == way(from_rows(written), 1) == ["69266", "69", "*"]


def test_groups_of_the_same_name_stay_apart() -> None:
    """« Centre » of two towns is two groups: losses count each one's own leaves."""
    two = from_rows([("a", "Centre", "X"), ("b", "Centre", "Y"), ("c", "Nord", "Y")])
    assert list(two.loss(1)) == [0, 0, 0]
    assert list(two.loss(2)) == [0, 0.5, 0.5]


def test_null_is_a_leaf_of_its_own() -> None:
    """Null keeps to itself up to the last level, where nothing is told of anybody."""
    found = from_rows([("a", "g"), ("b", "g")], null=True)
    assert way(found, 2) == [None, None, "*"]
    assert found.leaves == 3
    assert list(found.loss(1)) == [0.5, 0.5, 0]
    assert list(found.codes(["b", None])) == [1, 2]


def test_numbers_in_ranges() -> None:
    """Whole numbers read as people write them, others as half-open intervals."""
    ages = of_numbers([0, 7, 19, 103], [5, 10])
    assert way(ages, 1) == ["7", "5-9", "0-9", "*"]
    assert way(ages, 3) == ["103", "100-104", "100-109", "*"]
    assert way(of_numbers([-3, 2], [5]), 0) == ["-3", "-5--1", "*"]
    assert way(of_numbers([1.25, 3], [0.5, 2]), 0) == ["1.25", "[1;1.5[", "[0;2[", "*"]
    assert number_text(30.0) == "30"


def test_codes_cut_short() -> None:
    """A code's first characters are its more general form."""
    assert way(of_prefixes(["75056", "75101", "69123"], [2]), 1) == ["75101", "75", "*"]


@pytest.mark.parametrize("rows", [[], [()], [("a", "g"), ("b",)], [("a", "g"), ("a", "h")]])
def test_bad_rows_are_refused(rows: list[tuple[str, ...]]) -> None:
    """Rows of different lengths, none at all, or one value twice make no hierarchy."""
    with pytest.raises(BadHierarchy):
        from_rows(rows)


@pytest.mark.parametrize("widths", [[10, 15], [10, 10], [0], [-5], [10, 5]])
def test_ranges_that_do_not_nest_are_refused(widths: list[int]) -> None:
    """Each width must hold the one before a whole number of times."""
    with pytest.raises(BadHierarchy):
        of_numbers([1, 2], widths)


def test_a_value_that_is_no_leaf() -> None:
    """A value that the hierarchy lacks raises, and the error does not quote it."""
    with pytest.raises(KeyError) as failure:
        all_or_nothing(["a"]).codes(["secret"])
    assert "secret" not in repr(failure.value)


def test_loss_goes_from_nothing_to_all() -> None:
    """A value itself loses nothing, `*` everything; one leaf alone has nothing to lose."""
    found = of_prefixes(["ab", "ac", "b"], [1])
    assert list(found.loss(0)) == [0, 0, 0]
    assert list(found.loss(1)) == [0.5, 0.5, 0]
    assert list(found.loss(2)) == [1, 1, 1]
    assert np.array_equal(all_or_nothing(["a"]).loss(1), [0.0])

"""Distinct combinations, and k, l, t by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anonymize.k_anonymity.combinations import combine, compact
from services.anonymize.k_anonymity.hierarchy import from_rows
from services.anonymize.k_anonymity.protection import Protection, measure
from tests.services.anonymize.k_anonymity import oracle

small = st.integers(0, 4)


@given(st.lists(st.tuples(small, small, small), min_size=1, max_size=50), st.booleans())
def test_distinct_tuples_are_numbered_in_order(
    rows: list[tuple[int, int, int]], large: bool
) -> None:
    """Equal tuples have one number, others another, in the tuples' order, however large the codes."""
    scale = 10**6 if large else 1
    columns = [np.array(column, np.int64) * scale for column in zip(*rows, strict=True)]
    numbers, count = compact(columns, [4 * scale + 1] * 3)
    order = sorted(set(rows))
    assert count == len(order)
    assert [order[n] for n in numbers] == rows


@given(st.lists(st.tuples(small, small), min_size=1, max_size=30), st.data())
def test_a_part_of_the_combinations_has_their_rows(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    """A subset has the rows of its combinations, with their units and sensitive values."""
    way = from_rows([(str(n),) for n in range(5)])
    numbers = np.arange(len(rows))
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
    found = combine(columns, [way, way], units=numbers, sensitive=[numbers * 2])
    keep = np.array([data.draw(st.booleans()) for _ in found.rows], np.bool_)
    part = found.subset(keep)
    left = [number for number in numbers if keep[found.of_row[number]]]
    assert part.units is not None
    assert list(part.units) == left
    assert list(part.sensitive[0]) == [2 * number for number in left]
    assert [tuple(part.leaves[c]) for c in part.of_row] == [rows[number] for number in left]
    assert list(part.rows) == list(np.bincount(part.of_row, minlength=int(keep.sum())))


@given(st.lists(st.tuples(st.integers(0, 3), small, small), min_size=1, max_size=60))
def test_measures_are_those_of_the_definitions(rows: list[tuple[int, int, int]]) -> None:
    """Size in units, distinct and entropy l, and t are what one counts by hand."""
    names, classes = np.unique([row[0] for row in rows], return_inverse=True)
    units, values = (np.array([row[n] for row in rows], np.int64) for n in (1, 2))
    found = measure(classes, len(names), units, (values,))
    for number in range(len(names)):
        members = [row for row, one in zip(rows, classes, strict=True) if one == number]
        own = [row[2] for row in members]
        assert found.size[number] == len({row[1] for row in members})
        assert found.l[number] == oracle.distinct_l(own)
        assert found.entropy_l[number] == pytest.approx(oracle.entropy_l(own))
        assert found.t[number] == pytest.approx(
            oracle.distance(own, [row[2] for row in rows]), abs=1e-9
        )


def test_the_weakest_sensitive_column_counts() -> None:
    """Of two sensitive columns, the one with fewer values decides."""
    classes = np.zeros(4, np.int64)
    found = measure(classes, 1, None, (np.arange(4), np.array([0, 0, 0, 1])))
    assert (found.size[0], found.l[0]) == (4, 2)
    assert list(found.fails(Protection(4, l=2))) == [False]
    assert list(found.fails(Protection(4, l=3))) == [True]
    assert list(found.fails(Protection(5))) == [True]
    assert list(found.fails(Protection(4, l=2, entropy=True))) == [True]

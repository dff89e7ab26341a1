"""Minimal sample uniques: counted by hand, and against their definition row by row."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anonymize import minimal_uniques as module
from services.anonymize.k_anonymity.combinations import combine
from services.anonymize.k_anonymity.hierarchy import all_or_nothing
from services.anonymize.minimal_uniques import minimal_uniques, minimal_uniques_of_table

Row = tuple[str | None, ...]


def of(rows: list[Row], units: list[int] | None = None) -> module.MinimalUniques:
    names = [f"q{n}" for n in range(len(rows[0]))]
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    table = pa.table(columns, names=names)
    return minimal_uniques_of_table(table, names, pa.array(units) if units else None)


def test_the_example_that_others_test_with() -> None:
    """Three rows of three columns, for which sdcMicro's suda2 tells 50, 37.5 and 37.5 %.

    The first is alone by a, the second by b or c, the third by a with b or a with c.
    """
    found = of([("2", "0", "0"), ("1", "3", "6"), ("1", "0", "0")])
    assert found.by_size == (2, 1, 0)
    assert (found.units, found.unique, found.smallest) == (3, 3, 1)
    assert found.columns == (0.5, 0.375, 0.375)
    assert (found.depth, found.sets) == (3, 7)


def test_a_set_that_holds_a_unique_set_is_not_minimal() -> None:
    """Who is alone by the first column is counted there only, however many columns follow."""
    found = of([("x", "b", "c"), *[("a", "b", "c")] * 3])
    assert found.by_size == (1, 0, 0)
    assert found.columns == (1.0, 0.0, 0.0)


def test_nobody_is_unique_among_pairs() -> None:
    """Where k is two, nobody is on any set of columns."""
    found = of([("a", None), ("a", None), (None, "b"), (None, "b")])
    assert (found.unique, found.smallest, found.columns) == (0, None, (0.0, 0.0))


def test_rows_of_one_person_are_one() -> None:
    """Six rows of one person, alike or not, are that person's: unique, and counted once."""
    rows: list[Row] = [*[("x", "1")] * 3, *[("x", "2")] * 3, *[("y", "1"), ("y", "2")] * 2]
    found = of(rows, [1] * 6 + [2, 2, 3, 3])
    assert found.units == 3
    assert found.by_size == (1, 0)


tables = st.integers(1, 5).flatmap(
    lambda width: st.lists(
        st.tuples(st.integers(0, 6), st.tuples(*[st.sampled_from(["a", "b", "c", None])] * width)),
        min_size=1,
        max_size=25,
    )
)


@given(tables, st.booleans())
def test_it_is_what_the_definition_says(rows: list[tuple[int, Row]], by_unit: bool) -> None:
    """Of every row all sets of columns are tried: as the engine counts it, and as the proof does."""
    cells: list[Row] = [row[1] for row in rows]
    owners = [row[0] for row in rows] if by_unit else list(range(len(rows)))
    by_size, columns = defined(cells, owners)
    found = of(cells, owners)
    assert found.by_size == by_size
    assert found.columns == pytest.approx(columns)
    assert found.units == len(set(owners))
    values = ["a", "b", "c"]
    ways = [all_or_nothing(values, null=True)] * len(cells[0])
    leaves = [way.codes(column) for way, column in zip(ways, zip(*cells, strict=True), strict=True)]
    units = np.array(owners, np.int64) if by_unit else None
    assert minimal_uniques(combine(leaves, ways, units=units)) == found


def defined(cells: list[Row], owners: list[int]) -> tuple[tuple[int, ...], list[float]]:
    width = len(cells[0])
    depth = min(3, width)
    least: dict[int, int] = defaultdict(lambda: 99)
    seen, score, of_column = set(), 0.0, [0.0] * width
    for row, owner in zip(cells, owners, strict=True):
        if (row, owner) in seen:
            continue
        seen.add((row, owner))
        minimal: list[tuple[int, ...]] = []
        for size in range(1, depth + 1):
            for chosen in itertools.combinations(range(width), size):
                like = {o for other, o in zip(cells, owners, strict=True)
                        if all(other[q] == row[q] for q in chosen)}  # fmt: skip
                if len(like) > 1 or any(set(one) <= set(chosen) for one in minimal):
                    continue
                minimal.append(chosen)
                least[owner] = min(least[owner], size)
                weight = math.prod(width - i for i in range(size, min(depth, width - 1) + 1))
                score += weight
                for q in chosen:
                    of_column[q] += weight
    sizes = list(least.values())
    counted = tuple(sizes.count(size) for size in range(1, depth + 1))
    return counted, [one / score if score else 0.0 for one in of_column]


def test_too_many_sets_are_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets of three are left out as a whole where they are too many: fewer columns stay exact."""
    rows: list[Row] = [tuple(f"{n}{q}" for q in range(4)) for n in (1, 2, 2)]
    whole = of(rows)
    assert (whole.depth, whole.sets) == (3, 14)
    monkeypatch.setattr(module, "_MOST_SETS", 13)
    cut = of(rows)
    assert (cut.depth, cut.sets, cut.by_size) == (2, 10, (1, 0))
    monkeypatch.setattr(module, "_MOST_WORK", 1)
    assert of(rows).depth == 1

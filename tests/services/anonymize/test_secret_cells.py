"""Small cells of tables, and those that would give them away."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anonymize import secret_cells as module
from services.anonymize.secret_cells import (
    Line,
    Mask,
    TooEntangled,
    bounds,
    determined,
    lines_of,
    secret_cells,
)


def table(counts: list[list[int]]) -> tuple[Any, list[Line]]:
    """A table of two dimensions with both margins: (cells, lines)."""
    rows = [[*row, sum(row)] for row in counts]
    rows.append([sum(column) for column in zip(*rows, strict=True)])
    height, width = len(rows), len(rows[0])
    names = [
        ["Total" if n == size - 1 else str(n) for n in range(size)] for size in (height, width)
    ]
    pairs = list(itertools.product(*names))
    dimensions = {"a": [pair[0] for pair in pairs], "b": [pair[1] for pair in pairs]}
    cells = np.array([value for row in rows for value in row], np.int64)
    return cells, lines_of(dimensions, {"a": "Total", "b": "Total"})


def test_case_52_one_hidden_cell_takes_three_more() -> None:
    """With both margins shown, one small cell alone would follow from them; a rectangle does not."""
    cells, lines = table([[20, 3, 30], [40, 50, 60], [70, 80, 90]])
    hidden = secret_cells(cells, lines, 5)
    assert hidden[1]
    assert int(hidden.sum()) == 4
    assert not determined(lines, hidden).any()
    alone: Mask = np.zeros(len(cells), np.bool_)
    alone[1] = True
    assert list(np.flatnonzero(determined(lines, alone))) == [1]


def test_without_margins_small_cells_alone_are_hidden() -> None:
    """What nothing adds up to gives nothing away."""
    cells, _ = table([[20, 3], [4, 50]])
    assert list(np.flatnonzero(secret_cells(cells, [], 5))) == [1, 3]


def test_small_cells_that_are_few_together_hide_a_larger_one() -> None:
    """A one and a two whose sum three is known are known to be few: a larger cell hides with them."""
    cells = np.array([1, 2, 30, 40, 73], np.int64)
    hidden = secret_cells(cells, [Line((0, 1, 2, 3), 4)], 5)
    assert list(np.flatnonzero(hidden)) == [0, 1, 2]


def test_zeros_are_shown() -> None:
    """A zero is no unit's secret here."""
    cells = np.array([0, 20, 30, 50], np.int64)
    assert not secret_cells(cells, [Line((0, 1, 2), 3)], 5).any()


def test_lines_are_those_whose_margin_is_there() -> None:
    """Rows alike but for one dimension, and the row that says their sum."""
    dimensions: dict[str, list[object]] = {"commune": ["A", "B", "Total", "A"], "an": [1, 1, 1, 2]}
    assert lines_of(dimensions, {"commune": "Total"}) == [Line((0, 1), 2, "commune")]


@given(
    st.lists(
        st.lists(st.sampled_from([0, 1, 2, 4, 5, 9, 30]), min_size=3, max_size=3),
        min_size=2,
        max_size=4,
    )
)
def test_no_small_cell_can_be_worked_out(counts: list[list[int]]) -> None:
    """Whatever the table, no attacker finds a small cell by the margins: line by line or all at once."""
    cells, lines = table(counts)
    hidden = secret_cells(cells, lines, 5)
    small = (cells > 0) & (cells < 5)
    assert hidden[small].all()
    known = determined(lines, hidden)
    assert not (known & small).any() or hidden.all()
    # The way of pencil and paper: a line with one unknown tells it, again and again.
    unknown = {int(cell) for cell in np.flatnonzero(hidden)}
    while alone := [c for line in lines for c in line.cells
                    if c in unknown and sum(o in unknown for o in line.cells) == 1]:  # fmt: skip
        unknown -= set(alone)
    assert {int(c) for c in np.flatnonzero(small)} <= unknown


def test_what_cannot_be_checked_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """More hidden cells in one block than can be solved stop the release."""
    monkeypatch.setattr(module, "MOST_CELLS", 3)
    cells, lines = table([[1, 2, 3], [1, 2, 3], [1, 2, 3]])
    with pytest.raises(TooEntangled):
        secret_cells(cells, lines, 5)


def test_a_narrow_interval_is_as_good_as_the_number() -> None:
    """Three of a line's four cells are hidden and one of them is nearly all: what is left for the small
    ones is widened until it could be anything under the threshold."""
    # Two lines share their margin: 9 is hidden beside 1, but both lie between 0 and 10 only.
    counts = np.array([1, 9, 200, 210])
    line = Line((0, 1, 2), 3)
    hidden = secret_cells(counts, [line], 11)
    low, high = bounds(counts, [line], hidden)[0]
    assert high - low >= 10


def test_bounds_are_what_a_reader_knows() -> None:
    """A part is at most its margin less the others; a margin at least its shown parts."""
    counts = np.array([3, 4, 100, 107])
    assert bounds(counts, [Line((0, 1, 2), 3)], np.array([True, True, False, False])) == {
        0: (0, 7), 1: (0, 7),
    }  # fmt: skip
    (both,) = [bounds(counts, [Line((0, 1, 2), 3)], np.array([True, False, False, True]))]
    assert both[3] == (104, np.inf)

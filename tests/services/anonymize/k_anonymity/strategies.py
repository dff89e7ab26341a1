"""Tables of quasi-identifiers for property tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from services.anonymize.k_anonymity.combinations import Combinations, combine
from services.anonymize.k_anonymity.hierarchy import Hierarchy, from_rows


@dataclass(frozen=True)
class Case:
    """Rows of leaves, their hierarchies, each row's unit and sensitive value."""

    rows: list[tuple[int, ...]]
    hierarchies: list[Hierarchy]
    units: list[int]
    sensitive: list[int]

    def combined(self, *, units: bool = False, sensitive: bool = False) -> Combinations:
        return combine(
            [np.array(column, np.int64) for column in zip(*self.rows, strict=True)],
            self.hierarchies,
            units=np.array(self.units, np.int64) if units else None,
            sensitive=[np.array(self.sensitive, np.int64)] if sensitive else [],
        )


@st.composite
def hierarchies(draw: st.DrawFn) -> Hierarchy:
    """Two to seven leaves under one or two levels of groups, null perhaps among them."""
    leaves = draw(st.integers(2, 7))
    middle = [draw(st.integers(0, 3)) for _ in range(leaves)]
    rows = [(f"v{n}", f"g{group}", f"h{group // 2}") for n, group in enumerate(middle)]
    depth = draw(st.integers(1, 3))
    return from_rows([row[:depth] for row in rows], null=draw(st.booleans()))


@st.composite
def cases(draw: st.DrawFn, max_rows: int = 40) -> Case:
    chosen = draw(st.lists(hierarchies(), min_size=1, max_size=3))
    row = st.tuples(*(st.integers(0, one.leaves - 1) for one in chosen))
    rows = draw(st.lists(row, min_size=1, max_size=max_rows))
    units = draw(st.lists(st.integers(0, 12), min_size=len(rows), max_size=len(rows)))
    sensitive = draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    return Case(rows, chosen, units, sensitive)

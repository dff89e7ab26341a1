"""A table's distinct combinations of quasi-identifiers: what all algorithms work on instead of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.anonymize.k_anonymity.hierarchy import FloatArray, Hierarchy, IntArray

# Codes below this are counted in an array, above it sorted first.
_DENSE = 1 << 18


@dataclass(frozen=True)
class Combinations:
    """`leaves[c, q]`: combination c's leaf of quasi-identifier q; `rows[c]`: how many rows have it.

    `of_row[r]` is the combination of row r. `units` names each row's person or household if rows are
    not that themselves; `sensitive` holds each sensitive column's codes, row by row.
    """

    leaves: IntArray
    rows: IntArray
    of_row: IntArray
    hierarchies: tuple[Hierarchy, ...]
    units: IntArray | None = None
    sensitive: tuple[IntArray, ...] = ()

    @property
    def total(self) -> int:
        return len(self.of_row)

    def units_of_each(self) -> IntArray:
        """How many units, rows where none are named, have each combination."""
        if self.units is None:
            return self.rows
        of_unit, _, _ = pairs(self.of_row, self.units)
        return np.bincount(of_unit, minlength=len(self.rows))

    def subset(self, keep: npt.NDArray[np.bool_]) -> Combinations:
        """The combinations that `keep` marks, with their rows."""
        rows = keep[self.of_row]
        number = np.cumsum(keep) - 1
        return Combinations(
            leaves=self.leaves[keep],
            rows=self.rows[keep],
            of_row=number[self.of_row[rows]],
            hierarchies=self.hierarchies,
            units=None if self.units is None else self.units[rows],
            sensitive=tuple(column[rows] for column in self.sensitive),
        )


def combine(
    columns: Sequence[IntArray],
    hierarchies: Sequence[Hierarchy],
    *,
    units: IntArray | None = None,
    sensitive: Sequence[IntArray] = (),
) -> Combinations:
    """The distinct combinations of `columns`: leaves of each quasi-identifier, row by row."""
    of_row, count = compact(columns, [one.leaves for one in hierarchies])
    first = np.zeros(count, np.int64)
    first[of_row[::-1]] = np.arange(len(of_row))[::-1]
    return Combinations(
        leaves=np.stack([column[first] for column in columns], axis=1),
        rows=np.bincount(of_row, minlength=count),
        of_row=of_row,
        hierarchies=tuple(hierarchies),
        units=units,
        sensitive=tuple(sensitive),
    )


def compact(columns: Sequence[IntArray], sizes: Sequence[int]) -> tuple[IntArray, int]:
    """One number per distinct tuple of the columns, whose codes are below `sizes`: (numbers, count).

    Numbers ascend with the tuples, the first column first.
    """
    key = columns[0]
    domain = sizes[0]
    for column, size in zip(columns[1:], sizes[1:], strict=True):
        if domain * size > max(_DENSE, 4 * len(key)):
            key, domain = _dense(key, domain)
            if domain * size >= 1 << 62:
                raise OverflowError
        key = key * size + column
        domain *= size
    return _dense(key, domain)


def _dense(key: IntArray, domain: int) -> tuple[IntArray, int]:
    if domain <= max(_DENSE, 4 * len(key)):
        there = np.zeros(domain, np.bool_)
        there[key] = True
        number = np.cumsum(there)
        return number[key] - 1, int(number[-1]) if domain else 0
    found, inverse = np.unique(key, return_inverse=True)
    return inverse.reshape(-1), len(found)


def pairs(first: IntArray, second: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """The distinct pairs of two equally long columns and how often each comes: (a, b, count)."""
    if not len(first):
        empty = np.zeros(0, np.int64)
        return empty, empty, empty
    size = int(second.max()) + 1
    found, count = np.unique(first * size + second, return_counts=True)
    return found // size, found % size, count


def row_loss(leaves: IntArray, levels: IntArray, hierarchies: Sequence[Hierarchy]) -> FloatArray:
    """The mean loss over quasi-identifiers of each combination, at each one's levels."""
    total = np.zeros(len(leaves))
    for q, hierarchy in enumerate(hierarchies):
        table = np.stack([hierarchy.loss(level) for level in range(hierarchy.levels)])
        total += table[levels[:, q], leaves[:, q]]
    loss: FloatArray = total / len(hierarchies)
    return loss

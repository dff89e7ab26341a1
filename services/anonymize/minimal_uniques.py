"""Who is unique on a few quasi-identifiers: minimal sample uniques, as SUDA finds and scores them.

A unit is unique on some columns when no other has its values there, minimally when fewer of them do not
suffice. The fewer it takes, the likelier it is unique in the population too (Elliot, Manning and Ford,
A computational algorithm for handling the special uniques problem, IJUFKS 10(5), 2002; Manning, Haglin
and Keane, SUDA2, Data Mining and Knowledge Discovery 16, 2008).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.anonymize.k_anonymity.combinations import Combinations, compact
from services.anonymize.k_anonymity.hierarchy import IntArray

DEPTH = 3
# Sets of columns, and combinations times sets: about two seconds, whatever the table.
_MOST_SETS = 20_000
_MOST_WORK = 50_000_000

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MinimalUniques:
    """How many of `units` are unique on at most `depth` of `width` columns; counts, never values.

    `by_size[s - 1]`: units for which s columns suffice and no fewer. `columns[q]`: the share, from 0 to
    1, that the minimal uniques with column q have of all scores; a set of two counts for both of its
    columns. Every set of up to `depth` columns was looked at, `sets` in all.
    """

    units: int
    width: int
    depth: int
    sets: int
    by_size: tuple[int, ...]
    columns: tuple[float, ...]

    @property
    def unique(self) -> int:
        return sum(self.by_size)

    @property
    def smallest(self) -> int | None:
        """The fewest columns on which anybody is unique."""
        return next((size for size, count in enumerate(self.by_size, start=1) if count), None)


def minimal_uniques(found: Combinations) -> MinimalUniques:
    """Of a table's combinations, at their own values."""
    units = np.arange(found.total) if found.units is None else found.units
    sizes = [one.leaves for one in found.hierarchies]
    return _minimal_uniques(list(found.leaves.T), sizes, found.of_row, units)


def minimal_uniques_of_table(
    table: pa.Table, names: Sequence[str], units: pa.Array | None
) -> MinimalUniques:
    """Of a table's columns as they are written, whose rows belong to `units` (else each to its own)."""
    coded = [_codes(table.column(name)) for name in names]
    sizes = [int(one.max(initial=0)) + 1 for one in coded]
    of_row, count = compact(coded, sizes)
    first = np.empty(count, np.int64)
    first[of_row] = np.arange(len(of_row))
    owners = np.arange(table.num_rows) if units is None else _codes(units)
    return _minimal_uniques([one[first] for one in coded], sizes, of_row, owners)


def _codes(column: pa.Array | pa.ChunkedArray) -> IntArray:
    whole = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
    coded = whole.dictionary_encode(null_encoding="encode")
    codes: IntArray = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _minimal_uniques(
    columns: list[IntArray], sizes: list[int], of_row: IntArray, units: IntArray
) -> MinimalUniques:
    """`columns` and `sizes` by combination; `of_row` and `units` by row."""
    count, width = len(columns[0]), len(columns)
    depth = _affordable(width, count)
    sole = _sole(of_row, units, count)
    # Who is not unique on all columns is on none of their sets.
    candidates = np.flatnonzero(sole >= 0)
    fewest = np.zeros(len(candidates), np.int64)
    before: dict[tuple[int, ...], Bools] = {(): np.zeros(len(candidates), np.bool_)}
    score, of_column, sets = 0.0, np.zeros(width), 0
    for size in range(1, depth + 1):
        classes = _Classes(columns, sizes)
        weight = _weight(size, depth, width)
        now: dict[tuple[int, ...], Bools] = {}
        for chosen in itertools.combinations(range(width), size):
            number, many = classes.of(chosen)
            alone = (_sole(number, sole, many) >= 0)[number[candidates]]
            now[chosen] = alone
            minimal = alone.copy()
            for left_out in range(size):
                minimal &= ~before[chosen[:left_out] + chosen[left_out + 1 :]]
            fewest[minimal & (fewest == 0)] = size
            told = weight * float(np.count_nonzero(minimal))
            score += told
            of_column[list(chosen)] += told
            sets += 1
        before = now
    return MinimalUniques(
        units=len(np.unique(units)),
        width=width,
        depth=depth,
        sets=sets,
        by_size=_by_size(sole[candidates], fewest, depth),
        columns=tuple(float(one) for one in (of_column / score if score else of_column)),
    )


def _affordable(width: int, combinations: int) -> int:
    """The largest size of sets, DEPTH at most, of which all can be looked at."""
    depth, sets = 1, width
    while depth < min(DEPTH, width):
        sets += math.comb(width, depth + 1)
        if sets > _MOST_SETS or sets * combinations > _MOST_WORK:
            break
        depth += 1
    return depth


def _weight(size: int, depth: int, width: int) -> float:
    """What one minimal unique of that size scores (Elliot, Manning and Ford, § 4): more, the smaller."""
    return math.prod(width - i for i in range(size, min(depth, width - 1) + 1))


def _sole(classes: IntArray, owners: IntArray, count: int) -> IntArray:
    """The only owner of each class; -1 where there are several, or one that is -1 itself."""
    low = np.full(count, np.iinfo(np.int64).max)
    high = np.full(count, -1)
    np.minimum.at(low, classes, owners)
    np.maximum.at(high, classes, owners)
    return np.where(low == high, low, -1)


def _by_size(owners: IntArray, fewest: IntArray, depth: int) -> tuple[int, ...]:
    """How many owners have as their least size 1, 2 … `depth`."""
    told = fewest > 0
    found, at = np.unique(owners[told], return_inverse=True)
    least = np.full(len(found), depth + 1)
    np.minimum.at(least, at.reshape(-1), fewest[told])
    return tuple(int(one) for one in np.bincount(least, minlength=depth + 2)[1 : depth + 1])


class _Classes:
    """The classes of one set of columns after another, each made from those of its first columns."""

    def __init__(self, columns: list[IntArray], sizes: list[int]) -> None:
        self._columns, self._sizes = columns, sizes
        self._made: list[tuple[int, IntArray, int]] = []

    def of(self, chosen: tuple[int, ...]) -> tuple[IntArray, int]:
        """A number for each combination's class, and how many classes there are."""
        shared = 0
        while shared < min(len(self._made), len(chosen) - 1):
            if self._made[shared][0] != chosen[shared]:
                break
            shared += 1
        del self._made[shared:]
        for q in chosen[shared:]:
            more, wide = [self._columns[q]], [self._sizes[q]]
            if self._made:
                _, number, count = self._made[-1]
                more, wide = [number, *more], [count, *wide]
            self._made.append((q, *compact(more, wide)))
        return self._made[-1][1:]

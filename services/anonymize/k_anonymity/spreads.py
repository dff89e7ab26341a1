"""How units and sensitive values are spread over a node's classes, rolled up from a more specific node.

A class's units, its values and their number follow from those of the classes that it joins, so that no
node but the first looks at rows (LeFevre et al., Incognito, SIGMOD 2005, do the same for its size).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.anonymize.k_anonymity.combinations import Combinations, compact, pairs
from services.anonymize.k_anonymity.hierarchy import IntArray
from services.anonymize.k_anonymity.nodes_at_hand import NodesAtHand
from services.anonymize.k_anonymity.protection import (
    Measured,
    Protection,
    distance_of,
    distinct_of,
    entropy_of,
)

_MANY = np.iinfo(np.int64).max


@dataclass(frozen=True)
class _Cells:
    """Which values (below `size`) each class has, and in how many rows; by class, then by value."""

    of_class: IntArray
    value: IntArray
    times: IntArray
    size: int

    def joined(self, number: IntArray, count: int) -> _Cells:
        """The same once class i has become class `number[i]` of `count`."""
        now = number[self.of_class]
        at, many = compact([now, self.value], [count, self.size])
        first = np.empty(many, np.int64)
        first[at] = np.arange(len(at))
        times = np.bincount(at, self.times, minlength=many).astype(np.int64)
        return _Cells(now[first], self.value[first], times, self.size)


@dataclass(frozen=True)
class Spread:
    """A node's classes: one combination's leaves of each, rows, units (if they count), values."""

    node: IntArray
    leaf: IntArray
    rows: IntArray
    units: _Cells | None
    values: tuple[_Cells, ...]

    def joined(self, node: IntArray, number: IntArray, count: int) -> Spread:
        """The classes of a more general node."""
        first = np.empty(count, np.int64)
        first[number] = np.arange(len(number))
        return Spread(
            node,
            self.leaf[:, first],
            np.bincount(number, self.rows, minlength=count).astype(np.int64),
            self.units.joined(number, count) if self.units else None,
            tuple(one.joined(number, count) for one in self.values),
        )


class Spreads:
    """The classes of a table's nodes on demand, and which of them `settle` would suppress.

    `namesakes`: some level has two groups with the same text.
    """

    def __init__(self, found: Combinations, asked: Protection) -> None:
        self._asked = asked
        self._groups = [one.groups for one in found.hierarchies]
        self._sizes = [[len(labels) for labels in one.labels] for one in found.hierarchies]
        self._texts = [[_texts(labels) for labels in one.labels] for one in found.hierarchies]
        self.namesakes = any(one is not None for levels in self._texts for one in levels)
        columns = found.sensitive if asked.sensitive else ()
        start = Spread(
            np.zeros(len(found.hierarchies), np.int64),
            found.leaves.T.copy(),
            found.rows,
            None if found.units is None else _cells(found.of_row, found.units),
            tuple(_cells(found.of_row, column) for column in columns),
        )
        self._at_hand = NodesAtHand(start, len(found.hierarchies), len(start.rows))

    def at(self, node: tuple[int, ...]) -> Spread:
        """The node's classes, rolled up from the smallest more specific ones at hand."""
        wanted = np.array(node)
        start = self._at_hand.nearest(wanted)
        columns = [self._groups[q][v][start.leaf[q]] for q, v in enumerate(node)]
        number, count = compact(columns, [self._sizes[q][v] for q, v in enumerate(node)])
        made = start.joined(wanted, number, count)
        self._at_hand.add(wanted, made, count)
        return made

    def suppressed(self, spread: Spread) -> npt.NDArray[np.bool_]:
        """Which classes are not protected, or no longer once others are suppressed."""
        number, read = self._as_read(spread)
        size = read.rows if read.units is None else distinct_of(read.units.of_class, len(read.rows))
        count = len(size)
        share = [one.times / read.rows[one.of_class] for one in read.values]
        least, entropy_l = np.full(count, _MANY), np.full(count, np.inf)
        for one, part in zip(read.values, share, strict=True):
            least = np.minimum(least, distinct_of(one.of_class, count))
            entropy_l = np.minimum(entropy_l, np.exp(entropy_of(one.of_class, part, count)))
        kept = np.ones(count, np.bool_)
        while kept.any():
            farthest = np.zeros(count)
            for one, part in zip(read.values, share, strict=True):
                there = kept[one.of_class]
                times = np.bincount(one.value[there], one.times[there], minlength=one.size)
                whole = times / max(int(read.rows[kept].sum()), 1)
                distance = distance_of(one.of_class, part, whole[one.value], read.rows)
                farthest = np.maximum(farthest, distance)
            bad = kept & Measured(size, least, entropy_l, farthest).fails(self._asked)
            if not bad.any():
                break
            kept &= ~bad
        return ~kept[number]

    def _as_read(self, spread: Spread) -> tuple[IntArray, Spread]:
        """Classes that are published with the same texts are one: (its number for each, the classes)."""
        texts = [self._texts[q][level] for q, level in enumerate(spread.node)]
        if all(one is None for one in texts):
            return np.arange(len(spread.rows)), spread
        columns, sizes = [], []
        for q, level in enumerate(spread.node):
            group = self._groups[q][level][spread.leaf[q]]
            text = texts[q]
            columns.append(group if text is None else text[group])
            sizes.append(self._sizes[q][level])
        number, count = compact(columns, sizes)
        return number, spread.joined(spread.node, number, count)


def _cells(classes: IntArray, column: IntArray) -> _Cells:
    return _Cells(*pairs(classes, column), size=int(column.max(initial=0)) + 1)


def _texts(labels: tuple[str | None, ...]) -> IntArray | None:
    """A number for each group's text; None where no two groups have the same."""
    index: dict[str | None, int] = {}
    codes = [index.setdefault(label, len(index)) for label in labels]
    return None if len(index) == len(labels) else np.array(codes, np.int64)

"""Generalisation hierarchies: for each value, ever more general ones, up to `*` that says nothing.

Level 0 is the value itself. A hierarchy comes from the card's rows, or is made from the values: ranges
of numbers, shorter and shorter codes, or all or nothing. A null is a value of its own until the top.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

ANY = "*"


class BadHierarchy(ValueError):
    """The levels do not nest, or a value is named twice. The text holds no value."""


@dataclass(frozen=True)
class Hierarchy:
    """Leaves are 0 … n-1. `groups[level][leaf]` is the leaf's group there, `labels[level][group]`
    its text (None: null). The first level has one group per leaf, the last one group for all."""

    groups: tuple[IntArray, ...]
    labels: tuple[tuple[str | None, ...], ...]

    @property
    def leaves(self) -> int:
        return len(self.groups[0])

    @property
    def levels(self) -> int:
        return len(self.groups)

    def loss(self, level: int) -> FloatArray:
        """Each leaf's loss at that level: (leaves under its value - 1) / (leaves - 1); from 0 to 1.

        Iyengar, Transforming data to satisfy privacy constraints (KDD 2002), § 3.
        """
        if self.leaves < 2:
            return np.zeros(self.leaves)
        groups = self.groups[level]
        loss: FloatArray = (np.bincount(groups)[groups] - 1) / (self.leaves - 1)
        return loss

    def codes(self, values: Sequence[str | None]) -> IntArray:
        """The leaves of these values. Raises KeyError, without the value, for one that is none."""
        index = {label: leaf for leaf, label in enumerate(self.labels[0])}
        found = np.array([index.get(value, -1) for value in values], np.int64)
        if (found < 0).any():
            raise KeyError
        return found


def from_rows(rows: Sequence[Sequence[str]], *, null: bool = False) -> Hierarchy:
    """A hierarchy of rows such as `("69123", "Rhône", "Auvergne-Rhône-Alpes")`, all equally long.

    With `null`, null is a further leaf. Raises BadHierarchy.
    """
    if not rows or len({len(row) for row in rows}) != 1 or not rows[0]:
        raise BadHierarchy("rows of one length, at least one of them")
    if len({row[0] for row in rows}) != len(rows):
        raise BadHierarchy("a value is named twice")
    full = [tuple(row) if row[-1] == ANY else (*row, ANY) for row in rows]
    if len({row[-1] for row in full}) != 1:
        full = [(*row, ANY) for row in full]
    leaves = len(full) + null
    groups: list[IntArray] = []
    labels: list[tuple[str | None, ...]] = []
    top = len(full[0]) - 1
    for level in range(top + 1):
        # A group is its label and all above it: « Centre » of two towns is two groups.
        index: dict[tuple[str, ...], int] = {}
        codes = [index.setdefault(row[level:], len(index)) for row in full]
        texts: list[str | None] = [path[0] for path in index]
        if null:
            codes.append(0 if level == top else len(texts))
            texts += [] if level == top else [None]
        groups.append(np.array(codes, np.int64))
        labels.append(tuple(texts))
    if leaves != len(groups[0]) or len(set(groups[0])) != leaves:
        raise BadHierarchy("the levels do not nest")
    return Hierarchy(tuple(groups), tuple(labels))


def all_or_nothing(values: Sequence[str], *, null: bool = False) -> Hierarchy:
    """Each value, or `*`."""
    return from_rows([(value, ANY) for value in values], null=null)


def of_prefixes(values: Sequence[str], lengths: Sequence[int], *, null: bool = False) -> Hierarchy:
    """Codes cut shorter and shorter, such as an INSEE code to its département: lengths `[2]`."""
    rows = [(value, *(value[:length] for length in lengths), ANY) for value in values]
    return from_rows(rows, null=null)


def of_numbers(
    values: Sequence[int | float], widths: Sequence[int | float], *, null: bool = False
) -> Hierarchy:
    """Numbers in ranges of these widths, each a multiple of the one before, that begin at 0.

    Whole numbers read « 20-29 », others « [20;30[ »; all of a column alike. Raises BadHierarchy.
    """
    sizes = [Decimal(str(width)) for width in widths]
    if any(b <= a or b % a for a, b in itertools.pairwise(sizes)) or min(sizes) <= 0:
        raise BadHierarchy("each width must be a multiple of the one before")
    whole = all(float(v).is_integer() for v in values)
    rows = [
        (number_text(value), *(range_text(value, width, whole=whole) for width in widths), ANY)
        for value in values
    ]
    return from_rows(rows, null=null)


def number_text(value: float) -> str:
    """A number as a hierarchy writes it: `30.0` is « 30 »."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def range_text(value: float, width: float, *, whole: bool) -> str:
    """The range of that width, a multiple of it from 0, that holds the value."""
    size = Decimal(str(width))
    low = math.floor(Decimal(str(value)) / size) * size
    if whole and size == int(size):
        return f"{int(low)}-{int(low + size) - 1}" if size > 1 else str(int(low))
    return f"[{_plain(low)};{_plain(low + size)}["


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f") if value else "0"

"""What a class of indistinguishable rows must have, and whether classes have it.

k: distinct units, persons or households (Sweeney 2002). l: distinct sensitive values, or entropy
(Machanavajjhala et al. 2007). t: distance of a class's sensitive values from the whole table's, as the
earth mover's distance with equal ground distance (Li, Li, Venkatasubramanian 2007, § 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.anonymize.k_anonymity.combinations import pairs
from services.anonymize.k_anonymity.hierarchy import FloatArray, IntArray

# Sums of fractions that should be equal differ by less.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Protection:
    """What is asked for. `l` 1 and `t` 1 ask for nothing; `entropy`: l is the entropy's exponential."""

    k: int
    l: int = 1  # noqa: E741 - its name in the literature - the literature's name
    t: float = 1.0
    entropy: bool = False

    @property
    def sensitive(self) -> bool:
        """Whether sensitive values matter at all."""
        return self.l > 1 or self.t < 1


@dataclass(frozen=True)
class Measured:
    """One number per class: `size` in units; the least `l` and entropy l, the greatest `t` over the
    sensitive columns. Without any, l is the largest number there is, and t 0."""

    size: IntArray
    l: IntArray  # noqa: E741 - its name in the literature
    entropy_l: FloatArray
    t: FloatArray

    def fails(self, asked: Protection) -> npt.NDArray[np.bool_]:
        """Which classes lack something."""
        lacks = self.size < asked.k
        if asked.l > 1:
            least = self.entropy_l + _ROUNDING if asked.entropy else self.l
            lacks = lacks | (least < asked.l)
        if asked.t < 1:
            lacks = lacks | (self.t > asked.t + _ROUNDING)
        return lacks


def measure(
    classes: IntArray,
    count: int,
    units: IntArray | None,
    sensitive: tuple[IntArray, ...],
    whole: tuple[FloatArray, ...] | None = None,
) -> Measured:
    """Measures `count` classes; `classes`, `units` and each of `sensitive` have one entry a row.

    t compares with the shares of each sensitive value in `whole`, else in the rows given.
    """
    if units is None:
        size = np.bincount(classes, minlength=count)
    else:
        size = np.bincount(pairs(classes, units)[0], minlength=count)
    least = np.full(count, np.iinfo(np.int64).max)
    entropy_l, farthest = np.full(count, np.inf), np.zeros(count)
    for column, share in zip(sensitive, whole or map(shares, sensitive), strict=True):
        distinct, entropy, distance = _spread(classes, count, column, share)
        least = np.minimum(least, distinct)
        entropy_l = np.minimum(entropy_l, np.exp(entropy))
        farthest = np.maximum(farthest, distance)
    return Measured(size, least, entropy_l, farthest)


def shares(column: IntArray) -> FloatArray:
    """The share of each value among all rows."""
    share: FloatArray = np.bincount(column) / max(len(column), 1)
    return share


def _spread(
    classes: IntArray, count: int, column: IntArray, whole: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """One sensitive column in each class: distinct values, entropy in nats, distance from the whole."""
    of_class, value, times = pairs(classes, column)
    rows = np.bincount(classes, minlength=count)
    share = times / rows[of_class]
    distance = distance_of(of_class, share, whole[value], rows)
    return distinct_of(of_class, count), entropy_of(of_class, share, count), distance


# The same from what is known of a class already: `share[i]` of the rows of class `of_class[i]` have one
# value, all values of a class in their order.


def distinct_of(of_class: IntArray, count: int) -> IntArray:
    """How many values each class has."""
    return np.bincount(of_class, minlength=count).astype(np.int64)


def entropy_of(of_class: IntArray, share: FloatArray, count: int) -> FloatArray:
    """Each class's entropy in nats."""
    # Of no class at all numpy counts whole numbers.
    entropy: FloatArray = np.zeros(count) + np.bincount(
        of_class, -share * np.log(share), minlength=count
    )
    return entropy


def distance_of(
    of_class: IntArray, share: FloatArray, whole: FloatArray, rows: IntArray
) -> FloatArray:
    """Each class's distance from the whole, where the same value has the share `whole[i]`.

    Half the sum of all differences: values that the class lacks differ by their whole share.
    """
    shared = np.bincount(of_class, np.minimum(share, whole), minlength=len(rows))
    distance: FloatArray = np.where(rows > 0, 1 - shared, 0.0)
    return distance

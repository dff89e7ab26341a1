"""How many who are unique in a table are so in the population of which it is a part, as estimated.

Dankar, El Emam, Neisa and Roffey, Estimating the re-identification risk of clinical data sets (BMC
Medical Informatics and Decision Making 12:66, 2012): by Pitman's model where the table is a tenth of the
population or less (Hoshino, Applying Pitman's sampling formula to microdata disclosure risk assessment,
Journal of Official Statistics 17, 2001), else by Zayatz's equivalence classes (Bureau of the Census,
SRD 91/08, 1991). Of larger samples their rule takes the lesser of Zayatz's figure and a third model's:
this one errs upwards. Both suppose a sample drawn at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.anonymize.k_anonymity.hierarchy import IntArray

Model = Literal["whole", "pitman", "zayatz"]
_SMALL_SAMPLE = 0.1
_GOLDEN = (math.sqrt(5) - 1) / 2
_GRID = 50
_NEAR = 1e-9


@dataclass(frozen=True)
class PopulationUniques:
    """`share`: of the table's units, from 0 to 1, those that are unique in the population."""

    model: Model
    share: float


def population_uniques(
    class_sizes: IntArray | Sequence[int], population: int | None
) -> PopulationUniques:
    """Of a table whose classes have these sizes, in units; `population` in units as well.

    Without it, or with one no larger than the table, the table is the whole: who is unique in it is.
    """
    sizes = np.asarray(class_sizes, np.int64)
    n = int(sizes.sum())
    alone = int((sizes == 1).sum())
    if population is None or population <= n:
        return PopulationUniques("whole", alone / n if n else 0.0)
    most = alone / n if n else 0.0
    share = _pitman(sizes, population) if n <= _SMALL_SAMPLE * population else None
    if share is None:
        return PopulationUniques("zayatz", most * _zayatz(sizes, population))
    # Nobody is unique in the population who is not so in a part of it.
    return PopulationUniques("pitman", min(share, most))


def _zayatz(sizes: IntArray, population: int) -> float:
    """P(alone in the population | alone in the table), by Bayes, the table's classes being as large as
    the population's are."""
    n = int(sizes.sum())
    drawn = {
        size: times * _one_drawn(size, n, population) for size, times in counted(sizes).items()
    }
    return drawn[1] / sum(drawn.values()) if 1 in drawn else 0.0


def counted(sizes: IntArray) -> dict[int, int]:
    """How many classes there are of each size."""
    size, times = np.unique(sizes, return_counts=True)
    return dict(zip(size.tolist(), times.tolist(), strict=True))


def _one_drawn(size: int, n: int, population: int) -> float:
    """Hypergeometric: of a class of that size, one is among the n drawn."""
    if population - size < n - 1:
        return 0.0
    log = math.log(size) + _log_choose(population - size, n - 1) - _log_choose(population, n)
    return math.exp(log)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _pitman(sizes: IntArray, population: int) -> float | None:
    """The share of the population that is alone; None where Pitman's model has no best parameters."""
    fitted = fit_pitman(sizes)
    if fitted is None:
        return None
    theta, alpha = fitted
    # E(S1) / N = (theta + alpha) … (theta + alpha + N - 2) / ((theta + 1) … (theta + N - 1))
    return math.exp(_rising(theta + alpha, population - 1) - _rising(theta + 1, population - 1))


def _rising(start: float, times: int) -> float:
    """The logarithm of start (start + 1) … over so many factors."""
    return math.lgamma(start + times) - math.lgamma(start)


def log_likelihood(many: Mapping[int, int], theta: float, alpha: float) -> float:
    """Of Pitman's sampling formula, `many` classes of each size; but for what does not depend on the
    parameters. 0 < alpha < 1, theta > -alpha."""
    n, u = sum(size * times for size, times in many.items()), sum(many.values())
    within = sum(times * _rising(1 - alpha, size - 1) for size, times in many.items())
    new = (u - 1) * math.log(alpha) + _rising(theta / alpha + 1, u - 1)
    return new + within - _rising(theta + 1, n - 1)


def fit_pitman(sizes: IntArray) -> tuple[float, float] | None:
    """(theta, alpha) of the greatest likelihood; None where it only rises towards an end of theta."""
    n = int(sizes.sum())
    many = counted(sizes)
    if len(sizes) < 2 or n == len(sizes):
        # One class, or all alone: no parameters are best.
        return None
    low, high = math.log(_NEAR), math.log(1e4 * n)

    def best_theta(alpha: float) -> float:
        return _highest(lambda v: log_likelihood(many, math.exp(v) - alpha, alpha), low, high)

    def profile(alpha: float) -> float:
        return log_likelihood(many, math.exp(best_theta(alpha)) - alpha, alpha)

    grid = [_NEAR, *((i / _GRID) for i in range(1, _GRID)), 1 - _NEAR]
    heights = [profile(alpha) for alpha in grid]
    top = heights.index(max(heights))
    alpha = _highest(profile, grid[max(top - 1, 0)], grid[min(top + 1, _GRID)])
    v = best_theta(alpha)
    at_an_end = v < low + 0.01 or v > high - 0.01
    return None if at_an_end else (math.exp(v) - alpha, alpha)


def _highest(height: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one peak is highest, by golden sections."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = height(left), height(right)
    while high - low > 1e-7:
        if at_left < at_right:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = height(right)
        else:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = height(left)
    return (low + high) / 2

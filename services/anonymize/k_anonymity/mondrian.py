"""Mondrian: the table is cut in two again and again, as long as both halves are protected.

LeFevre, DeWitt, Ramakrishnan, Mondrian multidimensional k-anonymity (ICDE 2006), strict partitioning.
All parts of a depth are cut at once. Cuts run between siblings of the hierarchy where there are any,
as near the median as they can, since a part is published at the level that holds all its values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.anonymize.k_anonymity.combinations import Combinations
from services.anonymize.k_anonymity.hierarchy import FloatArray, Hierarchy, IntArray
from services.anonymize.k_anonymity.protection import Protection, measure, shares
from services.anonymize.k_anonymity.recoding import (
    NotReachable,
    Recoding,
    measure_classes,
    settle,
    void,
)

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class _Axis:
    """One quasi-identifier: its leaves put in an order in which every group is a stretch."""

    place: IntArray
    groups: IntArray
    loss: FloatArray

    def level(self, low: IntArray, high: IntArray) -> IntArray:
        """The lowest level at which places `low` and `high` are one group."""
        level: IntArray = (self.groups[:, low] == self.groups[:, high]).argmax(axis=0)
        return level


def _axis(hierarchy: Hierarchy) -> _Axis:
    ordered = np.lexsort(hierarchy.groups)
    place = np.empty_like(ordered)
    place[ordered] = np.arange(len(ordered))
    groups = np.stack(hierarchy.groups)[:, ordered]
    loss = np.stack([hierarchy.loss(level)[ordered] for level in range(hierarchy.levels)])
    return _Axis(place, groups, loss)


def mondrian(found: Combinations, asked: Protection) -> Recoding:
    """Levels by class, without suppression unless the whole table lacks protection.

    Raises NotReachable when it does.
    """
    axes = [_axis(hierarchy) for hierarchy in found.hierarchies]
    places = np.stack([axis.place[found.leaves[:, q]] for q, axis in enumerate(axes)])
    one = np.zeros(len(found.rows), np.int64)
    if measure_classes(found, one, 1).fails(asked).any():
        raise NotReachable
    part = _cut_all(found, axes, places, asked)
    order = np.argsort(part, kind="stable")
    starts = _starts(part[order])
    levels = np.empty((len(axes), len(starts)), np.int64)
    for q, axis in enumerate(axes):
        column = places[q][order]
        low, high = np.minimum.reduceat(column, starts), np.maximum.reduceat(column, starts)
        levels[q] = axis.level(low, high)
    dense = np.cumsum(np.isin(np.arange(len(order)), starts, assume_unique=True)) - 1
    of_combination = np.empty(len(order), np.int64)
    of_combination[order] = dense
    by_combination = levels[:, of_combination].T.copy()
    return settle(found, by_combination, asked, void(found, by_combination))


def _cut_all(
    found: Combinations, axes: list[_Axis], places: IntArray, asked: Protection
) -> IntArray:
    """The final part of each combination."""
    part = np.zeros(len(found.rows), np.int64)
    rows = np.arange(len(found.rows))
    here = np.zeros(len(found.rows), np.int64)
    tried, named = np.zeros(1, np.int64), 1
    whole = tuple(map(shares, found.sensitive))
    hard = found.units is not None or asked.sensitive
    while len(rows):
        axis, width = _choose(axes, places, rows, here, tried)
        going = width > 0
        rows, here = _only(rows, here, going)
        axis, tried = axis[going], tried[going]
        if not len(rows):
            break
        right, cut = _cut(found, axes, places, rows, here, axis, asked.k)
        child = here + len(axis) * right
        if hard:
            cut &= _both_protected(found, rows, child, len(axis), asked, whole)
        moved = cut[here] & right
        fresh = np.where(cut, named + np.cumsum(cut) - 1, -1)
        named += int(cut.sum())
        part[rows[moved]] = fresh[here[moved]]
        # A part that was cut begins again with its widest side, one that was not takes the next.
        tried = np.concatenate([np.where(cut, 0, tried + 1), np.zeros(int(cut.sum()), np.int64)])
        here = np.where(moved, len(axis) + (np.cumsum(cut) - 1)[here], here)
        order = np.argsort(here, kind="stable")
        rows, here = rows[order], here[order]
    return part


def _starts(sorted_parts: IntArray) -> IntArray:
    return np.flatnonzero(np.diff(sorted_parts, prepend=-1))


def _only(
    rows: IntArray, here: IntArray, going: npt.NDArray[np.bool_]
) -> tuple[IntArray, IntArray]:
    stays = going[here]
    number = np.cumsum(going) - 1
    return rows[stays], number[here[stays]]


def _choose(
    axes: list[_Axis], places: IntArray, rows: IntArray, here: IntArray, tried: IntArray
) -> tuple[IntArray, FloatArray]:
    """For each part the axis to cut, the `tried`-th of its widest, and its width (0: all done)."""
    starts = _starts(here)
    widths = np.zeros((len(axes) + 1, len(starts)))
    for q, axis in enumerate(axes):
        column = places[q][rows]
        low, high = np.minimum.reduceat(column, starts), np.maximum.reduceat(column, starts)
        loss = axis.loss[axis.level(low, high), low]
        span = (high - low) / max(len(axis.place) - 1, 1)
        widths[q] = np.where(high > low, loss + 1e-3 * span, 0.0)
    order = np.argsort(-widths, axis=0, kind="stable")
    parts = np.arange(len(starts))
    axis_number = order[np.minimum(tried, len(axes)), parts]
    return axis_number, widths[axis_number, parts]


def _cut(
    found: Combinations,
    axes: list[_Axis],
    places: IntArray,
    rows: IntArray,
    here: IntArray,
    axis: IntArray,
    k: int,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which combinations go to the right, and which parts can be cut with k rows on both sides."""
    value = places[axis[here], rows]
    size = max(len(one.place) for one in axes)
    order = np.argsort(here * size + value, kind="stable")
    sorted_value, sorted_here = value[order], here[order]
    weight = found.rows[rows[order]]
    starts = _starts(sorted_here)
    running = np.cumsum(weight)
    before = np.concatenate([[0], running])[starts]
    total = np.add.reduceat(weight, starts)
    # A cut may run behind position i where the next value is another one of the same part.
    ends = np.zeros(len(order), np.bool_)
    ends[:-1] = (sorted_value[1:] != sorted_value[:-1]) & (sorted_here[1:] == sorted_here[:-1])
    position = np.flatnonzero(ends)
    at = sorted_here[position]
    left = running[position] - before[at]
    fits = (left >= k) & (total[at] - left >= k)
    position, at, left = position[fits], at[fits], left[fits]
    parted = np.zeros(len(position), np.int64)
    for q, one in enumerate(axes):
        mine = axis[at] == q
        parted[mine] = one.level(sorted_value[position[mine]], sorted_value[position[mine] + 1])
    uneven = np.abs(2 * left - total[at])
    best = np.lexsort((position, uneven, -parted, at))
    first = best[_starts(at[best])] if len(best) else best
    threshold = np.full(len(starts), _NEVER)
    threshold[at[first]] = sorted_value[position[first]]
    return value > threshold[here], threshold < _NEVER


def _both_protected(
    found: Combinations,
    rows: IntArray,
    child: IntArray,
    parts: int,
    asked: Protection,
    whole: tuple[FloatArray, ...],
) -> npt.NDArray[np.bool_]:
    """Which parts have both of their halves protected."""
    inside = np.zeros(len(found.rows), np.bool_)
    inside[rows] = True
    half = np.zeros(len(found.rows), np.int64)
    half[rows] = child
    part = found.subset(inside)
    of_row = half[inside][part.of_row]
    fails = measure(of_row, 2 * parts, part.units, part.sensitive, whole).fails(asked)
    ok: npt.NDArray[np.bool_] = ~(fails[:parts] | fails[parts:])
    return ok

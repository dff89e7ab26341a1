"""Leaves out, class by class, the rows that would give somebody away beside an earlier release."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.anonymize.exposure import Exposed, Exposure, Key, most_shown, rolled_up
from services.anonymize.k_anonymity.combinations import Combinations, pairs
from services.anonymize.k_anonymity.hierarchy import IntArray
from services.anonymize.k_anonymity.protection import Protection, measure
from services.anonymize.k_anonymity.recoding import Recoding, class_of, published

Mask = npt.NDArray[np.bool_]


def hold_back(
    found: Combinations,
    made: Recoding,
    asked: Protection,
    earlier: Sequence[Exposure],
    turns: Sequence[bytes],
) -> Mask:
    """Which rows may be shown. `turns`, one a row, say who is held back first: the least.

    Raises Incomparable.
    """
    kept: Mask = ~made.suppressed[found.of_row]
    if not earlier:
        return kept
    classes, count = class_of(found, made.levels)
    of_row = classes[found.of_row]
    keys = _keys(found, made, classes, count)
    levels = [int(level) for level in made.levels[0]]
    before = [rolled_up(one, levels, found.hierarchies) for one in earlier]
    units = np.arange(found.total) if found.units is None else found.units
    order = sorted(range(found.total), key=lambda row: turns[row])
    members: dict[int, dict[int, None]] = {}
    for row in order:
        if kept[row]:
            members.setdefault(int(of_row[row]), {})[int(units[row])] = None
    held: set[tuple[int, int]] = set()
    for number, inside in members.items():
        counts = [one.get(keys[number], 0) for one in before]
        surplus = len(inside) - most_shown(len(inside), counts, asked.k)
        held.update((number, unit) for unit in list(inside)[:surplus])
    kept &= np.array(
        [(c, u) not in held for c, u in zip(of_row.tolist(), units.tolist(), strict=True)], np.bool_
    )
    return _protected(found, of_row, count, kept, asked)


def _protected(
    found: Combinations, of_row: IntArray, count: int, kept: Mask, asked: Protection
) -> Mask:
    """Without the classes that lack protection now that others were held back."""
    while kept.any():
        rows = np.flatnonzero(kept)
        fails = measure(
            of_row[rows],
            count,
            None if found.units is None else found.units[rows],
            tuple(column[rows] for column in found.sensitive),
        ).fails(asked)
        bad = fails[of_row] & kept
        if not bad.any():
            break
        kept = kept & ~bad
    return kept


def _keys(found: Combinations, made: Recoding, classes: IntArray, count: int) -> list[Key]:
    """What is published of each class."""
    first = np.zeros(count, np.int64)
    first[classes] = np.arange(len(classes))
    columns = []
    for q in range(len(found.hierarchies)):
        numbers, texts = published(found, made.levels, q)
        columns.append([texts[n] for n in numbers[first]])
    return list(zip(*columns, strict=True))


def exposure_of(found: Combinations, made: Recoding, kept: Mask, names: Sequence[str]) -> Exposure:
    """What the kept rows show: levels, and the units of each class."""
    classes, count = class_of(found, made.levels)
    of_row = classes[found.of_row][kept]
    units = np.arange(found.total)[kept] if found.units is None else found.units[kept]
    sizes = np.bincount(pairs(of_row, units)[0], minlength=count)
    keys = _keys(found, made, classes, count)
    shown = [
        Exposed(values=key, units=int(size)) for key, size in zip(keys, sizes, strict=True) if size
    ]
    return Exposure(
        quasi_identifiers=tuple(names),
        levels=tuple(int(level) for level in made.levels[0]),
        classes=tuple(sorted(shown, key=lambda one: repr(one.values))),
    )

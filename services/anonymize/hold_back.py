"""Leaves out, class by class, the rows that would give somebody away beside an earlier release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.anonymize.exposure import Exposed, Exposure, Key, as_published, rolled_up
from services.anonymize.k_anonymity.combinations import Combinations, compact
from services.anonymize.k_anonymity.hierarchy import IntArray
from services.anonymize.k_anonymity.protection import Protection, measure
from services.anonymize.k_anonymity.recoding import Recoding, class_of, published
from services.anonymize.show_units import SEPARATOR, shown_units

Mask = npt.NDArray[np.bool_]
_DIGITS = 8


@dataclass(frozen=True)
class Members:
    """Who is in the table: each row's unit, what it says, and its place in the order of holding back."""

    units: IntArray
    told: Sequence[str]
    turns: Sequence[bytes]


def told_of(table: pa.Table, sensitive: Sequence[str], others: Sequence[str]) -> list[str]:
    """Row by row, a digest of each sensitive column, and one of all `others` together.

    Of values that are published: whoever has the release can compute them.
    """
    if not table.num_rows:
        return []
    parts = [_digests([table.column(name)]) for name in sensitive]
    if others:
        parts.append(_digests([table.column(name) for name in others]))
    else:
        parts.append([""] * table.num_rows)
    return [SEPARATOR.join(row) for row in zip(*parts, strict=True)]


def _digests(columns: Sequence[pa.ChunkedArray]) -> list[str]:
    coded = [
        column.combine_chunks().dictionary_encode(null_encoding="encode") for column in columns
    ]
    codes = [one.indices.to_numpy(zero_copy_only=False).astype(np.int64) for one in coded]
    number, count = compact(codes, [len(one.dictionary) for one in coded])
    first = np.empty(count, np.int64)
    first[number[::-1]] = np.arange(len(number))[::-1]
    values = [column.take(pa.array(first)).to_pylist() for column in columns]
    made = [sha256(repr(row).encode()).hexdigest()[:_DIGITS] for row in zip(*values, strict=True)]
    return [made[n] for n in number.tolist()]


def hold_back(
    found: Combinations,
    made: Recoding,
    asked: Protection,
    earlier: Sequence[Exposure],
    members: Members,
    *,
    by_box: bool = False,
) -> Mask:
    """Which rows may be shown. `by_box`: classes are those of `regions`. Raises Incomparable."""
    kept: Mask = ~made.suppressed[found.of_row]
    if not earlier:
        return kept
    classes, count = class_of(found, made.levels)
    of_row = classes[found.of_row]
    keys = _keys(found, made.levels, classes, count)
    if by_box:
        before = [as_published(one) for one in earlier]
    else:
        levels = [int(level) for level in made.levels[0]]
        before = [rolled_up(one, levels, found.hierarchies) for one in earlier]
    held: set[tuple[int, int]] = set()
    for number, (inside, said) in _told_by_class(of_row, kept, members).items():
        olds = [one.get(keys[number], Counter()) for one in before]
        shown = shown_units(said, olds, asked)
        held.update((number, unit) for unit, ok in zip(inside, shown, strict=True) if not ok)
    if held:
        pairs = zip(of_row.tolist(), members.units.tolist(), strict=True)
        kept &= np.array([pair not in held for pair in pairs], np.bool_)
    return _protected(found, of_row, count, kept, asked)


def _told_by_class(
    of_row: IntArray, kept: Mask, members: Members
) -> dict[int, tuple[list[int], list[str]]]:
    """Class → its units, in the order of their turns, and what all rows of each say."""
    rows: dict[tuple[int, int], list[str]] = {}
    for row in sorted(np.flatnonzero(kept).tolist(), key=lambda row: members.turns[row]):
        rows.setdefault((int(of_row[row]), int(members.units[row])), []).append(members.told[row])
    classes: dict[int, tuple[list[int], list[str]]] = {}
    for (number, unit), said in rows.items():
        inside, told = classes.setdefault(number, ([], []))
        inside.append(unit)
        told.append(joined(said))
    return classes


def joined(said: Sequence[str]) -> str:
    """What several rows of one unit say, column by column."""
    if len(said) == 1:
        return said[0]
    columns = zip(*(one.split(SEPARATOR) for one in sorted(said)), strict=True)
    return SEPARATOR.join(
        sha256(",".join(column).encode()).hexdigest()[:_DIGITS] for column in columns
    )


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


def _keys(found: Combinations, levels: IntArray, classes: IntArray, count: int) -> list[Key]:
    """What is published of each class."""
    first = np.zeros(count, np.int64)
    first[classes] = np.arange(len(classes))
    columns = []
    for q in range(len(found.hierarchies)):
        numbers, texts = published(found, levels, q)
        columns.append([texts[n] for n in numbers[first]])
    return list(zip(*columns, strict=True))


def exposure_of(
    found: Combinations,
    made: Recoding,
    kept: Mask,
    names: Sequence[str],
    members: Members,
    order: Sequence[tuple[tuple[int, ...], Key]] = (),
) -> Exposure:
    """What the kept rows show: levels, classes, how many units say what in each.

    `order` are the boxes of a recoding whose levels differ (`regions`); those that show nobody too,
    since they say where the others end.
    """
    classes, count = class_of(found, made.levels)
    of_row = classes[found.of_row]
    keys = _keys(found, made.levels, classes, count)
    shown = {
        keys[number]: dict(sorted(Counter(said).items()))
        for number, (_, said) in _told_by_class(of_row, kept, members).items()
    }
    if order:
        top = tuple(max(levels[q] for levels, _ in order) for q in range(len(names)))
        listed = [_exposed(key, shown.pop(key, {}), levels) for levels, key in order]
        return Exposure(quasi_identifiers=tuple(names), levels=top, classes=tuple(listed))
    return Exposure(
        quasi_identifiers=tuple(names),
        levels=tuple(int(level) for level in made.levels[0]),
        classes=tuple(_exposed(key, shown[key], None) for key in sorted(shown, key=repr)),
    )


def _exposed(key: Key, told: dict[str, int], levels: tuple[int, ...] | None) -> Exposed:
    return Exposed(values=key, units=sum(told.values()), levels=levels, told=told)

"""What earlier releases of a dataset showed, and how a new one gives nobody away beside them.

Two k-anonymous tables together need not be: who came in between is their difference. So a later
release has levels as general as all before it in every quasi-identifier, which makes every earlier
class a part of one of its own; and in each class as many units as before, or at least k more or fewer.
Whoever is too many for that is held back until enough others have come. (Xiao and Tao, m-invariance,
SIGMOD 2007, and Fung et al., Anonymity for continuous data publishing, EDBT 2008, name the attacks.)

Known here are levels and counts, never rows: one who leaves while another comes is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from services.anonymize.k_anonymity.hierarchy import Hierarchy

Key = tuple[str | None, ...]


class Exposed(BaseModel):
    """One class of a release: its published quasi-identifiers, and its units."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    values: Key
    units: int


class Exposure(BaseModel):
    """What one release shows. `levels` are those of `quasi_identifiers`, in their order."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    quasi_identifiers: tuple[str, ...]
    levels: tuple[int, ...]
    classes: tuple[Exposed, ...]


class Incomparable(Exception):
    """An earlier release cannot be expressed in the new one's levels."""


def least_levels(names: Sequence[str], earlier: Sequence[Exposure]) -> tuple[int, ...]:
    """The most specific levels that are as general as every earlier release's.

    Raises Incomparable when one had other quasi-identifiers.
    """
    if any(one.quasi_identifiers != tuple(names) for one in earlier):
        raise Incomparable
    return tuple(max((one.levels[q] for one in earlier), default=0) for q in range(len(names)))


def rolled_up(
    earlier: Exposure, levels: Sequence[int], hierarchies: Sequence[Hierarchy]
) -> dict[Key, int]:
    """The units of an earlier release's classes, counted in the classes of more general levels.

    Raises Incomparable when a value is not in the hierarchy any more, or the levels are not.
    """
    ways = [
        _way(hierarchy, before, now)
        for hierarchy, before, now in zip(hierarchies, earlier.levels, levels, strict=True)
    ]
    counted: dict[Key, int] = {}
    for one in earlier.classes:
        try:
            key = tuple(way[value] for way, value in zip(ways, one.values, strict=True))
        except KeyError:
            raise Incomparable from None
        counted[key] = counted.get(key, 0) + one.units
    return counted


def _way(hierarchy: Hierarchy, before: int, now: int) -> dict[str | None, str | None]:
    if not before <= now < hierarchy.levels:
        raise Incomparable
    pairs = zip(hierarchy.groups[before], hierarchy.groups[now], strict=True)
    return {hierarchy.labels[before][a]: hierarchy.labels[now][b] for a, b in pairs}


def most_shown(now: int, before: Sequence[int], k: int) -> int:
    """How many of a class's `now` units may be shown: none or k and more, and as many as in each
    earlier release or at least k more or fewer."""
    for shown in range(now, k - 1, -1):
        if all(shown == count or abs(shown - count) >= k for count in before):
            return shown
    return 0


def isolated(new: Mapping[Key, int], old: Mapping[Key, int], k: int) -> int:
    """How many classes of two releases at the same levels differ by one to k - 1 units."""
    differences = (abs(new.get(key, 0) - old.get(key, 0)) for key in new.keys() | old.keys())
    return sum(1 for difference in differences if 0 < difference < k)

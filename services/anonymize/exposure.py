"""What earlier releases of a dataset showed, and how a new one is counted beside them.

Two k-anonymous tables together need not be: who came or left in between is their difference. Known of
each release are its classes (published quasi-identifiers, their levels) and, in each, how many units
say what; never a row. (Xiao and Tao, m-invariance, SIGMOD 2007, and Fung et al., Anonymity for
continuous data publishing, EDBT 2008, name the attacks.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from services.anonymize.k_anonymity.hierarchy import Hierarchy

Key = tuple[str | None, ...]
# How many units of a class say what: digests of what their rows publish beside quasi-identifiers.
Told = Counter[str]


class Exposed(BaseModel):
    """One class of a release: its published quasi-identifiers, its units, and what these say.

    `levels` are its own where they differ from class to class. `told` counts digests (`told_of`).
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    values: Key
    units: int
    levels: tuple[int, ...] | None = None
    told: dict[str, int] = {}

    def counts(self) -> Told:
        """What its units say; of an entry without it, only how many there are."""
        return Counter(self.told) if self.told else Counter({"": self.units})


class Exposure(BaseModel):
    """What one release shows. `levels` are those of `quasi_identifiers`, in their order; where classes
    have their own, the most general of them. `hierarchies`: digests of how values become coarser.
    `words` and `sensitive` name quasi-identifiers and sensitive columns as any dataset may spell them;
    `linked` is the card's group of datasets of the same people; `dimensions`, of a table of counts, by
    what it is cut; `decided`, when its policy was."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    quasi_identifiers: tuple[str, ...]
    levels: tuple[int, ...]
    classes: tuple[Exposed, ...]
    hierarchies: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    linked: str | None = None
    dimensions: dict[str, tuple[str, ...]] = {}
    k: int | None = None
    decided: str | None = None


class Incomparable(Exception):
    """An earlier release cannot be expressed in the new one's levels."""


def check_comparable(
    names: Sequence[str], hierarchies: Sequence[str], earlier: Sequence[Exposure]
) -> None:
    """Raises Incomparable when one had other quasi-identifiers, or other ways to make them coarser."""
    for one in earlier:
        same = not one.hierarchies or one.hierarchies == tuple(hierarchies)
        if one.quasi_identifiers != tuple(names) or not same:
            raise Incomparable


def least_levels(names: Sequence[str], earlier: Sequence[Exposure]) -> tuple[int, ...]:
    """The most specific levels that are as general as every earlier release's.

    Raises Incomparable when one had other quasi-identifiers.
    """
    if any(one.quasi_identifiers != tuple(names) for one in earlier):
        raise Incomparable
    return tuple(max((one.levels[q] for one in earlier), default=0) for q in range(len(names)))


def rolled_up(
    earlier: Exposure, levels: Sequence[int], hierarchies: Sequence[Hierarchy]
) -> dict[Key, Told]:
    """What an earlier release's classes say, counted in the classes of more general levels.

    Raises Incomparable when a value is not in the hierarchy any more, or the levels are not.
    """
    ways: dict[tuple[int, ...], list[dict[str | None, str | None]]] = {}
    counted: dict[Key, Told] = {}
    for one in earlier.classes:
        before = one.levels or earlier.levels
        if before not in ways:
            pairs = zip(hierarchies, before, levels, strict=True)
            ways[before] = [_way(hierarchy, low, high) for hierarchy, low, high in pairs]
        try:
            key = tuple(way[value] for way, value in zip(ways[before], one.values, strict=True))
        except KeyError:
            raise Incomparable from None
        counted.setdefault(key, Counter()).update(one.counts())
    return counted


def _way(hierarchy: Hierarchy, before: int, now: int) -> dict[str | None, str | None]:
    if not before <= now < hierarchy.levels:
        raise Incomparable
    pairs = zip(hierarchy.groups[before], hierarchy.groups[now], strict=True)
    return {hierarchy.labels[before][a]: hierarchy.labels[now][b] for a, b in pairs}


def as_published(earlier: Exposure) -> dict[Key, Told]:
    """What its classes say, by their published values."""
    counted: dict[Key, Told] = {}
    for one in earlier.classes:
        counted.setdefault(one.values, Counter()).update(one.counts())
    return counted


def isolated(new: Mapping[Key, Told], old: Mapping[Key, Told], k: int) -> int:
    """How many classes of two releases differ by one to k - 1 units: in number, or by who is in one
    of them alone as far as what they say tells."""
    found = 0
    for key in new.keys() | old.keys():
        here, there = new.get(key, Counter()), old.get(key, Counter())
        came, left = (here - there).total(), (there - here).total()
        found += any(0 < count < k for count in (came, left, abs(came - left)))
    return found

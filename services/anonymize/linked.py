"""Datasets of the same city that share quasi-identifiers: nobody is found by having both.

Whoever knows a person in two of them learns that what they share is true of both. So a sensitive column
that two datasets share has l values in common at least wherever their classes may hold the same person
(Ganta, Kasiviswanathan, Smith, Composition attacks and auxiliary information in data privacy, KDD
2008). And where the card says that datasets are of the same people (`linked`), one may be part of the
other: where their numbers differ, they differ by k at least.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.anonymize.exposure import Exposed, Exposure, Incomparable
from services.anonymize.k_anonymity.hierarchy import Hierarchy
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.show_units import SEPARATOR

Cell = tuple[str | None, ...]


@dataclass(frozen=True)
class Linked:
    """An earlier release of another dataset, and whether its card says that it is of the same people."""

    dataset: str
    exposure: Exposure
    same_people: bool


@dataclass(frozen=True)
class _Shared:
    """A quasi-identifier of both: its place in each, and the level at which both can be read."""

    mine: int
    other: int
    level: int
    hierarchy: Hierarchy


def isolating(
    new: Exposure,
    others: Sequence[Linked],
    hierarchies: Sequence[Hierarchy],
    asked: Protection,
) -> str | None:
    """A dataset of which a release, beside this one, gives somebody away; None if none does.

    Raises Incomparable when a dataset of the same people makes a shared quasi-identifier coarser
    another way.
    """
    for one in others:
        shared = _shared(new, one, hierarchies)
        if not shared:
            continue
        mine = _cells(new, [(s.mine, s) for s in shared])
        theirs = _cells(one.exposure, [(s.other, s) for s in shared])
        if one.same_people and _differ_by_few(mine, theirs, asked.k):
            return one.dataset
        if asked.l > 1 and _agree_on_few(new, one.exposure, mine, theirs, asked.l):
            return one.dataset
    return None


def _shared(new: Exposure, one: Linked, hierarchies: Sequence[Hierarchy]) -> list[_Shared]:
    """The quasi-identifiers of both that are made coarser the same way."""
    found = []
    theirs = one.exposure
    for mine, word in enumerate(new.words):
        if word not in theirs.words:
            continue
        other = theirs.words.index(word)
        level = max(new.levels[mine], theirs.levels[other])
        same = new.hierarchies[mine] == theirs.hierarchies[other]
        if same and level < hierarchies[mine].levels:
            shared = _Shared(mine, other, level, hierarchies[mine])
            if _readable(theirs, shared):
                found.append(shared)
                continue
        if one.same_people:
            raise Incomparable
    return found


def _readable(theirs: Exposure, shared: _Shared) -> bool:
    return all(
        one.values[shared.other] in shared.hierarchy.labels[_level(theirs, one, shared.other)]
        for one in theirs.classes
    )


def _level(exposure: Exposure, one: Exposed, place: int) -> int:
    return (one.levels or exposure.levels)[place]


def _cells(exposure: Exposure, places: Sequence[tuple[int, _Shared]]) -> dict[Cell, list[Exposed]]:
    """The classes of a release that show somebody, by what they say of the shared ones."""
    cells: dict[Cell, list[Exposed]] = {}
    for one in exposure.classes:
        if one.units:
            key = tuple(
                _at(shared, _level(exposure, one, place), one.values[place])
                for place, shared in places
            )
            cells.setdefault(key, []).append(one)
    return cells


def _at(shared: _Shared, level: int, label: str | None) -> str | None:
    hierarchy = shared.hierarchy
    leaf = list(hierarchy.groups[level]).index(hierarchy.labels[level].index(label))
    return hierarchy.labels[shared.level][int(hierarchy.groups[shared.level][leaf])]


def _differ_by_few(
    mine: Mapping[Cell, list[Exposed]], theirs: Mapping[Cell, list[Exposed]], k: int
) -> bool:
    def units(cells: Mapping[Cell, list[Exposed]]) -> Counter[Cell]:
        return Counter({key: sum(one.units for one in inside) for key, inside in cells.items()})

    here, there = units(mine), units(theirs)
    return any(0 < abs(here[key] - there[key]) < k for key in here.keys() & there.keys())


def _agree_on_few(
    new: Exposure,
    theirs: Exposure,
    mine: Mapping[Cell, list[Exposed]],
    others: Mapping[Cell, list[Exposed]],
    least: int,
) -> bool:
    """Whether two classes that may hold the same person have some, but too few, values in common."""
    for place, word in enumerate(new.sensitive):
        if word not in theirs.sensitive:
            continue
        other = theirs.sensitive.index(word)
        for key in mine.keys() & others.keys():
            here = {frozenset(_said(one, place)) for one in mine[key]}
            there = {frozenset(_said(one, other)) for one in others[key]}
            if any(0 < len(a & b) < least for a in here for b in there):
                return True
    return False


def _said(one: Exposed, place: int) -> list[str]:
    return [told.split(SEPARATOR)[place] for told in one.told]


def cut_another_way(mine: Mapping[str, Sequence[str]], others: Sequence[Linked]) -> str | None:
    """A dataset of the same people that counts them by other cuts (IRIS and grid, 0-17 and 0-18), so
    that the difference of two sums may be one person; None if none does.

    Of two tables one must be the other's sums: its dimensions among the other's, and where both have
    one, its values too.
    """
    for one in others:
        theirs = one.exposure.dimensions
        if not theirs or not one.same_people:
            continue
        nested = mine.keys() <= theirs.keys() or theirs.keys() <= mine.keys()
        both = [(set(mine[name]), set(theirs[name])) for name in mine.keys() & theirs.keys()]
        if not nested or not all(a <= b or b <= a for a, b in both):
            return one.dataset
    return None

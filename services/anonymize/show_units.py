"""Which units of a class may be shown beside what earlier releases showed of it.

All that an attacker sees of two releases is what more units say now, and what fewer do: who came and
who left. Either is nobody, or k units with l different answers at least; and so is the difference of
their numbers. Whoever stands in the way is held back until enough others have come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from services.anonymize.exposure import Told
from services.anonymize.k_anonymity.protection import Protection

SEPARATOR = "/"


def shown_units(told: Sequence[str], before: Sequence[Told], asked: Protection) -> list[bool]:
    """One answer per unit of a class: what units say is `told`, the last are held back first."""
    shown: Told = Counter(told)
    while shown and not _mended(shown, before, asked):
        pass
    if shown.total() < asked.k:
        shown = Counter()
    answers = []
    for one in told:
        answers.append(shown[one] > 0)
        shown[one] -= 1
    return answers


def _mended(shown: Told, before: Sequence[Told], asked: Protection) -> bool:
    """Takes units out of `shown` for the first earlier release that asks for it: True if none does."""
    for old in before:
        came, left = shown - old, old - shown
        if came and not _many(came, asked):
            _take(shown, came, came.total())
        elif left and not _many(left, asked):
            _take(shown, _others_first(shown & old, left), max(1, asked.k - left.total()))
        elif 0 < came.total() - left.total() < asked.k:
            _take(shown, came, came.total() - left.total())
        elif 0 < left.total() - came.total() < asked.k:
            fewer = asked.k - (left.total() - came.total())
            _take(shown, _others_first(shown & old, left) or came, fewer)
        else:
            continue
        return False
    return True


def _many(units: Told, asked: Protection) -> bool:
    """Whether so many came or left that nobody is known by it, nor what they say."""
    if units.total() < asked.k:
        return False
    if asked.l < 2:
        return True
    answers = zip(*(one.split(SEPARATOR) for one in units), strict=True)
    # The last part stands for columns that are not sensitive.
    return all(len(set(column)) >= asked.l for column in list(answers)[:-1])


def _others_first(units: Told, left: Told) -> Told:
    """Those who say what nobody who left says before those who do."""
    ordered = sorted(units.items(), key=lambda item: (item[0] in left, item[0]))
    return Counter(dict(ordered))


def _take(shown: Told, among: Told, count: int) -> None:
    """Takes so many units out, one of each answer after the other; all, if there are no more."""
    rest = Counter(among)
    taken = 0
    while taken < count and rest:
        for answer in list(rest):
            if taken == count:
                break
            shown[answer] -= 1
            rest[answer] -= 1
            taken += 1
            if not rest[answer]:
                del rest[answer]
            if not shown[answer]:
                del shown[answer]
    if taken < count and not among:
        shown.clear()

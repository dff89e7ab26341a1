"""k, l, t and the optimum by their definitions, row by row and node by node: slow, and plain to see."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

from services.anonymize.k_anonymity.hierarchy import Hierarchy
from services.anonymize.k_anonymity.protection import Protection

Row = tuple[Hashable, ...]


def groups(rows: Iterable[Row]) -> dict[Row, list[int]]:
    """The rows' numbers by what is published of them."""
    found: dict[Row, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        found[row].append(number)
    return dict(found)


def distinct_l(values: Sequence[Hashable]) -> int:
    return len(set(values))


def entropy_l(values: Sequence[Hashable]) -> float:
    shares = [times / len(values) for times in Counter(values).values()]
    return math.exp(-sum(share * math.log(share) for share in shares))


def distance(values: Sequence[Hashable], whole: Sequence[Hashable]) -> float:
    """The earth mover's distance with equal ground distance."""
    here, all_of_it = Counter(values), Counter(whole)
    return sum(abs(here[v] / len(values) - n / len(whole)) for v, n in all_of_it.items()) / 2


def protected(members: Sequence[int], asked: Protection, units: Sequence[Hashable]) -> bool:
    return len({units[one] for one in members}) >= asked.k


def generalised(leaf: int, hierarchy: Hierarchy, level: int) -> str | None:
    return hierarchy.labels[level][int(hierarchy.groups[level][leaf])]


def loss_of(leaf: int, hierarchy: Hierarchy, level: int) -> float:
    group = hierarchy.groups[level]
    under = sum(1 for other in group if other == group[leaf])
    return (under - 1) / (hierarchy.leaves - 1) if hierarchy.leaves > 1 else 0.0


def best_loss(
    rows: Sequence[tuple[int, ...]],
    hierarchies: Sequence[Hierarchy],
    asked: Protection,
    limit: int,
    units: Sequence[Hashable],
) -> float | None:
    """The least loss of any node with at most `limit` rows suppressed; None when there is no such."""
    best = None
    for node in itertools.product(*(range(one.levels) for one in hierarchies)):
        ways = list(zip(hierarchies, node, strict=True))
        made = [
            tuple(generalised(leaf, *way) for leaf, way in zip(row, ways, strict=True))
            for row in rows
        ]
        classes = groups(made).values()
        small = [one for members in classes for one in members
                 if not protected(members, asked, units)]  # fmt: skip
        if len(small) > limit:
            continue
        lost = float(len(small))
        for number in set(range(len(rows))) - set(small):
            each = zip(rows[number], ways, strict=True)
            lost += sum(loss_of(leaf, *way) for leaf, way in each) / len(hierarchies)
        loss = lost / len(rows)
        best = loss if best is None else min(best, loss)
    return best

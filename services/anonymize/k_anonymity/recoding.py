"""What an algorithm answers: a level for every quasi-identifier of every combination, or suppression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.anonymize.k_anonymity.combinations import Combinations, compact, row_loss
from services.anonymize.k_anonymity.hierarchy import IntArray
from services.anonymize.k_anonymity.protection import Measured, Protection, measure


class NotReachable(Exception):
    """Not even the most general table gives the protection asked for."""


@dataclass(frozen=True)
class Recoding:
    """`levels[c, q]`: how far combination c's quasi-identifier q is generalised. What `suppressed`
    marks is left out. `loss`: the mean over all rows, a suppressed row's being 1."""

    levels: IntArray
    suppressed: npt.NDArray[np.bool_]
    loss: float


def published(
    found: Combinations, levels: IntArray, q: int
) -> tuple[IntArray, tuple[str | None, ...]]:
    """What stands in quasi-identifier q's column: each combination's number, and the texts."""
    hierarchy = found.hierarchies[q]
    texts: dict[str | None, int] = {}
    # One number per text, whatever its level: `*` is `*`.
    table = [texts.setdefault(label, len(texts)) for part in hierarchy.labels for label in part]
    starts = np.cumsum([0, *(len(part) for part in hierarchy.labels)])
    level = levels[:, q]
    at = starts[level] + np.stack(hierarchy.groups)[level, found.leaves[:, q]]
    return np.array(table, np.int64)[at], tuple(texts)


def class_of(found: Combinations, levels: IntArray) -> tuple[IntArray, int]:
    """The class of each combination: the same published values are one class, however they came."""
    columns = [published(found, levels, q) for q in range(len(found.hierarchies))]
    return compact([numbers for numbers, _ in columns], [len(texts) for _, texts in columns])


def measure_classes(found: Combinations, classes: IntArray, count: int) -> Measured:
    """k, l and t of classes given by combination."""
    if found.units is None and not found.sensitive:
        size = np.bincount(classes, found.rows, minlength=count).astype(np.int64)
        none = np.full(count, np.iinfo(np.int64).max)
        return Measured(size, none, np.full(count, np.inf), np.zeros(count))
    return measure(classes[found.of_row], count, found.units, found.sensitive)


def void(found: Combinations, levels: IntArray) -> npt.NDArray[np.bool_]:
    """Combinations of which nothing would be left but `*`: suppressed, they make up no class."""
    tops = np.array([one.levels - 1 for one in found.hierarchies])
    empty: npt.NDArray[np.bool_] = (levels == tops).all(axis=1)
    return empty


def settle(
    found: Combinations,
    levels: IntArray,
    asked: Protection,
    left_out: npt.NDArray[np.bool_] | None = None,
) -> Recoding:
    """Suppresses what is not protected at these levels, until all that is left is.

    t compares with what is published, which changes with what is suppressed; so it is done again.
    `left_out` is suppressed from the start.
    """
    classes, count = class_of(found, levels)
    suppressed = np.zeros(len(found.rows), np.bool_) if left_out is None else left_out
    while True:
        kept = ~suppressed
        if not kept.any():
            break
        part = found if kept.all() else found.subset(kept)
        fails = measure_classes(part, classes[kept], count).fails(asked)
        bad = fails[classes] & kept
        if not bad.any():
            break
        suppressed = suppressed | bad
    loss = row_loss(found.leaves, levels, found.hierarchies)
    loss[suppressed] = 1.0
    mean = float(np.dot(loss, found.rows) / max(found.total, 1))
    return Recoding(levels, suppressed, mean)

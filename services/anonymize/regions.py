"""Levels that differ from row to row, the same way release after release.

Mondrian and local recoding publish each row in a box: levels, and values at these. Made anew each
time, boxes of two releases overlap, and a person in both is in the overlap, which may be small. So
boxes stand in an order, a row is published in the first that holds it, and later releases use the
same ones in the same order: their classes are the same parts of all possible values. What no box
holds yet gets boxes of its own, behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from services.anonymize.exposure import Exposure, Incomparable, Key
from services.anonymize.k_anonymity.combinations import Combinations, row_loss
from services.anonymize.k_anonymity.hierarchy import Hierarchy, IntArray
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.k_anonymity.recoding import NotReachable, Recoding, settle

Mask = npt.NDArray[np.bool_]
Levels = tuple[int, ...]
Box = tuple[Levels, Key]
Engine = Callable[[Combinations, Protection], Recoding]


def in_regions(
    found: Combinations, asked: Protection, engine: Engine, earlier: Sequence[Exposure]
) -> tuple[Recoding, list[Box]]:
    """The engine's recoding by boxes in an order, those of earlier releases first.

    Raises Incomparable, NotReachable, TooManyNodes.
    """
    old = list(dict.fromkeys(box for one in earlier for box in boxes_of_exposure(one)))
    levels, free = placed(found, old)
    new: list[Box] = []
    if free.any():
        part = found.subset(free)
        try:
            new = _boxes(part, engine(part, asked))
        except NotReachable:
            if not old:
                raise
    while True:
        levels, free = placed(found, [*old, *new])
        made = settle(found, levels, asked, free)
        lost = set(_boxes_of(found, levels, made.suppressed & ~free))
        # A box that shows nobody, and never did, leaves its rows to a wider one.
        useless = [box for box in new if box in lost]
        if not useless:
            break
        new = [box for box in new if box not in lost]
    if made.suppressed.all():
        raise NotReachable
    return made, [*old, *new]


def boxes_of_exposure(one: Exposure) -> Iterator[Box]:
    """The boxes of an earlier release, in its order."""
    for shown in one.classes:
        yield shown.levels or one.levels, shown.values


def _boxes(part: Combinations, made: Recoding) -> list[Box]:
    """The engine's classes, those that lose least first."""
    found = _boxes_of(part, made.levels, ~made.suppressed)
    loss = {}
    for levels in {levels for levels, _ in found}:
        wide = np.broadcast_to(np.array(levels), part.leaves.shape)
        every = row_loss(part.leaves, wide, part.hierarchies)
        loss[levels] = float(np.dot(every, part.rows) / part.total)
    return sorted(found, key=lambda box: (loss[box[0]], box[0], repr(box[1])))


def _boxes_of(found: Combinations, levels: IntArray, mask: Mask) -> set[Box]:
    boxes: set[Box] = set()
    rows = np.flatnonzero(mask)
    if not len(rows):
        return boxes
    vectors, which = np.unique(levels[rows], axis=0, return_inverse=True)
    for number, vector in enumerate(vectors):
        here = rows[which.reshape(-1) == number]
        chosen = tuple(int(level) for level in vector)
        columns = [
            [
                hierarchy.labels[level][group]
                for group in hierarchy.groups[level][found.leaves[here, q]]
            ]
            for q, (hierarchy, level) in enumerate(zip(found.hierarchies, chosen, strict=True))
        ]
        boxes |= {(chosen, key) for key in zip(*columns, strict=True)}
    return boxes


def placed(found: Combinations, boxes: Sequence[Box]) -> tuple[IntArray, Mask]:
    """Each combination's levels by the first box that holds it, and which have none (at the top).

    Raises Incomparable for a box whose levels or values the hierarchies do not have.
    """
    tops = np.array([one.levels - 1 for one in found.hierarchies])
    levels = np.broadcast_to(tops, found.leaves.shape).copy()
    free: Mask = np.ones(len(found.rows), np.bool_)
    for chosen, group in groupby(boxes, key=lambda box: box[0]):
        rows = np.flatnonzero(free)
        codes = np.zeros(len(rows), np.int64)
        wanted = [0] * len(keys) if (keys := [key for _, key in group]) else []
        for q, (hierarchy, level) in enumerate(zip(found.hierarchies, chosen, strict=True)):
            texts = _texts(hierarchy, level)
            of_group = np.array([texts[label] for label in hierarchy.labels[level]], np.int64)
            codes = codes * len(texts) + of_group[hierarchy.groups[level][found.leaves[rows, q]]]
            try:
                wanted = [
                    w * len(texts) + texts[key[q]] for w, key in zip(wanted, keys, strict=True)
                ]
            except KeyError:
                raise Incomparable from None
        hit = rows[np.isin(codes, np.array(wanted, np.int64))]
        levels[hit] = chosen
        free[hit] = False
    return levels, free


def _texts(hierarchy: Hierarchy, level: int) -> dict[str | None, int]:
    if not 0 <= level < hierarchy.levels:
        raise Incomparable
    return {label: number for number, label in enumerate(dict.fromkeys(hierarchy.labels[level]))}

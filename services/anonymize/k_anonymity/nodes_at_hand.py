"""The nodes of a lattice that were looked at last, to roll others up from."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np

from services.anonymize.k_anonymity.hierarchy import IntArray

_KEPT = 96

Made = TypeVar("Made")


class NodesAtHand(Generic[Made]):
    """What was made of the last nodes, and of the first of all, which is more specific than any."""

    def __init__(self, first: Made, width: int, classes: int) -> None:
        self._made = [first]
        self._nodes = np.zeros((1, width), np.int64)
        self._classes = np.array([classes], np.int64)

    def nearest(self, node: IntArray) -> Made:
        """Of those that are as specific as `node` or more, the one with the fewest classes."""
        below = np.flatnonzero((self._nodes <= node).all(axis=1))
        return self._made[int(below[self._classes[below].argmin()])]

    def add(self, node: IntArray, made: Made, classes: int) -> None:
        """Keeps one more; the oldest but the first makes room."""
        if len(self._made) > _KEPT:
            del self._made[1]
            self._nodes = np.delete(self._nodes, 1, axis=0)
            self._classes = np.delete(self._classes, 1)
        self._made.append(made)
        self._nodes = np.vstack([self._nodes, node])
        self._classes = np.append(self._classes, classes)

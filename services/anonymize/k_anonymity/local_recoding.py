"""Local recoding: every row is published at the least lossy levels at which others are like it.

The nodes of the lattice are taken from the least lossy to the most; at each, what forms protected
classes among the rows still left is published so. This is the iterative scheme of ARX (Prasser et al.,
Software: Practice and Experience, 2020, § 5.3) with batches as small as a class.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.anonymize.k_anonymity.combinations import Combinations, compact
from services.anonymize.k_anonymity.full_domain import Lattice
from services.anonymize.k_anonymity.hierarchy import IntArray
from services.anonymize.k_anonymity.protection import Protection, measure, shares
from services.anonymize.k_anonymity.recoding import NotReachable, Recoding, settle, void


def local_recoding(found: Combinations, asked: Protection) -> Recoding:
    """Levels by combination; what finds no like is suppressed. Raises NotReachable, TooManyNodes."""
    lattice = Lattice(found)
    by_loss = np.argsort(lattice.base, axis=None, kind="stable")
    nodes = np.stack(np.unravel_index(by_loss, lattice.shape), axis=1)
    groups = [hierarchy.groups for hierarchy in found.hierarchies]
    sizes = [[len(labels) for labels in one.labels] for one in found.hierarchies]
    protected = _Judge(found, asked)
    # Until it is published, a combination is at the top: suppressed.
    levels = np.broadcast_to(np.array(lattice.top), found.leaves.shape).copy()
    left = np.arange(len(found.rows))
    leaves, rows = found.leaves.T.copy(), found.rows
    for node in nodes[:-1]:
        columns = [groups[q][level][leaves[q]] for q, level in enumerate(node)]
        classes, count = compact(columns, [sizes[q][level] for q, level in enumerate(node)])
        large = np.bincount(classes, rows, minlength=count) >= asked.k
        if not large.any():
            continue
        good = protected(left, classes, large)[classes]
        if not good.any():
            continue
        levels[left[good]] = node
        left, leaves, rows = left[~good], leaves[:, ~good], rows[~good]
        if not len(left):
            break
    settled = settle(found, levels, asked, void(found, levels))
    if settled.suppressed.all():
        raise NotReachable
    return settled


class _Judge:
    """Which large classes are protected: all of them, unless units or sensitive values count."""

    def __init__(self, found: Combinations, asked: Protection) -> None:
        self._found, self._asked = found, asked
        self._whole = tuple(map(shares, found.sensitive))
        self._hard = found.units is not None or asked.sensitive

    def __call__(
        self, left: IntArray, classes: IntArray, large: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        if not self._hard:
            return large
        inside = np.zeros(len(self._found.rows), np.bool_)
        mine = large[classes]
        inside[left[mine]] = True
        part = self._found.subset(inside)
        of_row = classes[mine][part.of_row]
        found = measure(of_row, len(large), part.units, part.sensitive, self._whole)
        good: npt.NDArray[np.bool_] = large & ~found.fails(self._asked)
        return good

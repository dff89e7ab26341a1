"""Full-domain generalisation: one level per quasi-identifier for the whole table, the best there is.

All vectors of levels form a lattice. Two facts prune it: whoever is protected stays so when values
become more general, so that the number of rows in classes under k falls upwards; and the loss before
suppression rises upwards. Chains through what is undecided are searched by halving (Kohlmayer et al.,
Flash, PASSAT 2012), classes of a node are rolled up from those of a more specific one (LeFevre et al.,
Incognito, SIGMOD 2005), and every pair of quasi-identifiers is tried alone first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from services.anonymize.k_anonymity.combinations import Combinations, compact
from services.anonymize.k_anonymity.hierarchy import FloatArray, IntArray
from services.anonymize.k_anonymity.nodes_at_hand import NodesAtHand
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.k_anonymity.recoding import NotReachable, Recoding, settle
from services.anonymize.k_anonymity.spreads import Spreads

# Above this the optimum is not worth its time. Mondrian needs no lattice.
MAX_NODES = 2_000_000
_UNKNOWN, _FEW, _MANY = 0, 1, -1
# Two ways to the same loss differ by less.
_ROUNDING = 1e-9

Node = tuple[int, ...]


class TooManyNodes(Exception):
    """The lattice has more than MAX_NODES nodes."""


@dataclass(frozen=True)
class _Classes:
    """A node's classes: one combination of each, and their rows (in units where units count)."""

    leaf: IntArray
    rows: IntArray


class Lattice:
    """The nodes of a table's lattice, their loss before suppression, and their classes on demand."""

    def __init__(self, found: Combinations) -> None:
        self.found = found
        self.shape = tuple(one.levels for one in found.hierarchies)
        if np.prod([float(n) for n in self.shape]) > MAX_NODES:
            raise TooManyNodes
        self._width = len(self.shape)
        self._groups = [h.groups for h in found.hierarchies]
        self._sizes = [[len(labels) for labels in h.labels] for h in found.hierarchies]
        self._losses = [np.stack([h.loss(v) for v in range(h.levels)]) for h in found.hierarchies]
        self.base = self._base_loss()
        start = _Classes(found.leaves.T.copy(), found.rows)
        self._at_hand = NodesAtHand(start, self._width, len(start.rows))
        # At least this much more does one row lose when it is suppressed, as a share of all rows' loss.
        self.spare = (1 - self._greatest_loss()) / max(found.total, 1)

    @property
    def top(self) -> Node:
        return tuple(n - 1 for n in self.shape)

    def _base_loss(self) -> FloatArray:
        total: FloatArray = np.zeros(self.shape)
        for q, table in enumerate(self._losses):
            rows = np.bincount(self.found.leaves[:, q], self.found.rows, minlength=table.shape[1])
            mean = table @ rows / self.found.total
            total += mean.reshape([-1 if i == q else 1 for i in range(self._width)])
        loss: FloatArray = total / self._width
        return loss

    def _greatest_loss(self) -> FloatArray:
        total: FloatArray = np.zeros(self.shape)
        for q, table in enumerate(self._losses):
            worst = table.max(axis=1)
            total += worst.reshape([-1 if i == q else 1 for i in range(self._width)])
        loss: FloatArray = total / self._width
        return loss

    def classes(self, node: Node) -> _Classes:
        """The node's classes, rolled up from the smallest more specific ones at hand."""
        wanted = np.array(node)
        start = self._at_hand.nearest(wanted)
        columns = [self._groups[q][node[q]][start.leaf[q]] for q in range(self._width)]
        number, count = compact(columns, [self._sizes[q][node[q]] for q in range(self._width)])
        first = np.empty(count, np.int64)
        first[number] = np.arange(len(number))
        rows = np.bincount(number, start.rows, minlength=count).astype(np.int64)
        made = _Classes(start.leaf[:, first], rows)
        self._at_hand.add(wanted, made, count)
        return made

    def outcome(self, node: Node, k: int) -> tuple[int, float]:
        """(rows in classes under k, mean loss once these are suppressed)."""
        classes = self.classes(node)
        small = classes.rows < k
        rows = classes.rows[small]
        return int(rows.sum()), self.loss_without(node, classes.leaf[:, small], rows)

    def loss_without(self, node: Node, leaf: IntArray, rows: IntArray) -> float:
        """The mean loss at a node once classes with these leaves and rows are suppressed."""
        spared = 0.0
        for q in range(self._width):
            spared += float(rows @ self._losses[q][node[q]][leaf[q]])
        lost = self.base[node] * self.found.total + int(rows.sum()) - spared / self._width
        return float(lost / self.found.total)


class _Search:
    """Which nodes have few enough rows in small classes, and the best node known so far."""

    def __init__(self, lattice: Lattice, asked: Protection, limit: int) -> None:
        self.lattice, self.asked, self.limit = lattice, asked, limit
        self.state = np.zeros(lattice.shape, np.int8)
        # No node can lose less: what it loses before suppression, plus what is suppressed for certain.
        self.least = lattice.base.copy()
        self.open = np.ones(lattice.shape, np.bool_)
        self.best: tuple[float, Node] | None = None
        self._plain = lattice.found.units is None and not asked.sensitive
        # More general is never worse, also while other rows are suppressed: not so for entropy and t.
        self._rises = asked.t >= 1 and not (asked.entropy and asked.l > 1)
        self._spreads = None if self._plain else Spreads(lattice.found, asked)

    def run(self) -> None:
        """Halves chains until no node is left that could be better than the best."""
        self._try_pairs()
        while (node := self._most_promising()) is not None:
            if self.state[node] == _FEW:
                self.check(node)
                continue
            chain = self._chain(node)
            low, high = 0, len(chain) - 1
            while low <= high:
                middle = (low + high) // 2
                if self.check(chain[middle]):
                    high = middle - 1
                else:
                    low = middle + 1

    def only_above(self, least: Node) -> None:
        """Leaves out all nodes that are more specific somewhere."""
        outside = np.ones(self.lattice.shape, np.bool_)
        outside[tuple(slice(level, None) for level in least)] = False
        self.open[outside] = False
        self.state[outside] = _MANY

    def check(self, node: Node) -> bool:
        """Looks at a node, and marks every other about which that says enough."""
        self.open[node] = False
        suppressed, loss = self.lattice.outcome(node, self.asked.k)
        below = tuple(slice(0, level + 1) for level in node)
        if suppressed <= self.limit and self._spreads:
            suppressed, loss = self._settled(node, self._spreads, suppressed, loss)
        if suppressed > self.limit:
            self.state[below] = _MANY
            self.open[below] = False
            return False
        self.state[tuple(slice(level, None) for level in node)] = _FEW
        if suppressed:
            floor = self.lattice.base[below] + suppressed * self.lattice.spare[below]
            np.maximum(self.least[below], floor, out=self.least[below])
        # At the top nothing is told of anybody: no answer, though it may be the only one.
        if node != self.lattice.top and (self.best is None or (loss, node) < self.best):
            self.best = (loss, node)
        return True

    def _settled(
        self, node: Node, spreads: Spreads, suppressed: int, loss: float
    ) -> tuple[int, float]:
        """(rows suppressed, mean loss) once l, t and units count; `suppressed` and `loss` are the least,
        but for groups of one name, which are published as one class.

        A loss that cannot be the best is not reckoned, and is infinite.
        """
        enough = (np.inf if self.best is None else self.best[0]) + _ROUNDING
        if not self._rises and not spreads.namesakes and loss > enough:
            return suppressed, np.inf
        spread = spreads.at(node)
        out = spreads.suppressed(spread)
        lost = int(spread.rows[out].sum())
        told = lost if self._rises else suppressed
        if (
            lost > self.limit
            or self.lattice.loss_without(node, spread.leaf[:, out], spread.rows[out]) > enough
        ):
            return told, np.inf
        return told, settle(self.lattice.found, self._levels(node), self.asked).loss

    def _levels(self, node: Node) -> IntArray:
        wide: IntArray = np.broadcast_to(np.array(node), self.lattice.found.leaves.shape)
        return wide

    def _try_pairs(self) -> None:
        """All pairs of quasi-identifiers with nothing said of the others: cheap, and rule out most."""
        top = self.lattice.top
        for first, second in itertools.combinations(range(len(top)), 2):
            ranges = (range(top[first], -1, -1), range(top[second], -1, -1))
            for levels in itertools.product(*ranges):
                node = list(top)
                node[first], node[second] = levels
                if self.state[tuple(node)] == _UNKNOWN:
                    self.check(tuple(node))

    def _most_promising(self) -> Node | None:
        bound = np.inf if self.best is None else self.best[0]
        least = np.where(self.open, self.least, np.inf)
        flat = int(least.argmin())
        node = tuple(int(one) for one in np.unravel_index(flat, self.lattice.shape))
        return node if least[node] < bound else None

    def _chain(self, node: Node) -> list[Node]:
        """Ever more general undecided nodes from this one on, each the least lossy next step."""
        chain = [node]
        while True:
            steps = [
                (float(self.lattice.base[step]), step)
                for step in _more_general(chain[-1], self.lattice.shape)
                if self.state[step] == _UNKNOWN
            ]
            if not steps:
                return chain
            chain.append(min(steps)[1])


def _more_general(node: Node, shape: Node) -> Iterator[Node]:
    for q, level in enumerate(node):
        if level + 1 < shape[q]:
            yield (*node[:q], level + 1, *node[q + 1 :])


def full_domain(
    found: Combinations,
    asked: Protection,
    suppression: float = 0.0,
    least: Node | None = None,
) -> Recoding:
    """The levels of least loss at which at most that share of the rows (0 to 1) is suppressed.

    With `least`, levels are at least those; these very ones if they do. Raises NotReachable,
    TooManyNodes.
    """
    lattice = Lattice(found)
    limit = int(suppression * found.total + 1e-9)
    search = _Search(lattice, asked, limit)
    if least is not None:
        same = settle(found, np.broadcast_to(np.array(least), found.leaves.shape).copy(), asked)
        if least != lattice.top and int(found.rows[same.suppressed].sum()) <= limit:
            return same
        search.only_above(least)
    search.run()
    if search.best is None or not np.isfinite(search.best[0]):
        raise NotReachable
    levels = np.broadcast_to(np.array(search.best[1]), found.leaves.shape).copy()
    return settle(found, levels, asked)

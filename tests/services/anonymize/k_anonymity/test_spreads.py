"""What is rolled up from node to node says the same as the rows, bit for bit."""

from __future__ import annotations

import itertools
from unittest.mock import patch

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.anonymize.k_anonymity import full_domain as module
from services.anonymize.k_anonymity.combinations import Combinations, combine
from services.anonymize.k_anonymity.full_domain import full_domain
from services.anonymize.k_anonymity.hierarchy import Hierarchy, from_rows
from services.anonymize.k_anonymity.nodes_at_hand import NodesAtHand
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.k_anonymity.recoding import NotReachable, Recoding, settle
from services.anonymize.k_anonymity.spreads import Spreads

asked_for = st.builds(
    Protection,
    k=st.integers(1, 6),
    l=st.integers(1, 3),
    t=st.sampled_from([1.0, 0.6, 0.5, 0.3, 0.1]),
    entropy=st.booleans(),
)


@st.composite
def namesakes(draw: st.DrawFn) -> Hierarchy:
    """Leaves under labels of which two groups may have the same: « Centre » of two towns."""
    leaves = draw(st.integers(2, 6))
    labels = st.sampled_from(["a", "b", "c"])
    rows = [(f"v{n}", draw(labels), draw(labels)) for n in range(leaves)]
    return from_rows(rows, null=draw(st.booleans()))


@st.composite
def tables(draw: st.DrawFn) -> Combinations:
    ways = draw(st.lists(namesakes(), min_size=1, max_size=3))
    count = draw(st.integers(1, 60))
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    # Few values that come often, as in tables of people: some classes are large.
    columns = [
        np.minimum(seed.geometric(0.5, count) - 1, way.leaves - 1).astype(np.int64) for way in ways
    ]
    sensitive = [seed.integers(0, n, count) for n in draw(st.lists(st.integers(1, 5), max_size=2))]
    units = seed.integers(0, max(count // 2, 1), count) if draw(st.booleans()) else None
    return combine(columns, ways, units=units, sensitive=sensitive)


@settings(max_examples=80, deadline=None)
@given(found=tables(), asked=asked_for)
def test_what_is_suppressed_is_what_the_rows_say(found: Combinations, asked: Protection) -> None:
    """At every node, whichever were looked at before: the rows of the suppressed classes are those that
    `settle` suppresses by reading all rows."""
    spreads = Spreads(found, asked)
    nodes = list(itertools.product(*(range(one.levels) for one in found.hierarchies)))
    for node in nodes:
        spread = spreads.at(node)
        levels = np.broadcast_to(np.array(node), found.leaves.shape)
        by_rows = settle(found, levels, asked)
        out = spreads.suppressed(spread)
        assert int(spread.rows[out].sum()) == int(found.rows[by_rows.suppressed].sum())
        groups = [one.groups[v] for one, v in zip(found.hierarchies, node, strict=True)]
        told = {
            tuple(int(g[leaf]) for g, leaf in zip(groups, leaves, strict=True)): bool(one)
            for leaves, one in zip(spread.leaf.T, out, strict=True)
        }
        for leaves, one in zip(found.leaves, by_rows.suppressed, strict=True):
            assert told[tuple(int(g[leaf]) for g, leaf in zip(groups, leaves, strict=True))] == one


class ByRows(module._Search):
    """The search as it was: all rows are read again at every node."""

    def _settled(
        self, node: tuple[int, ...], spreads: Spreads, suppressed: int, loss: float
    ) -> tuple[int, float]:
        found = self.lattice.found
        exact = settle(found, self._levels(node), self.asked)
        lost = int(found.rows[exact.suppressed].sum())
        told = lost if self._rises else suppressed
        return told, exact.loss if lost <= self.limit else np.inf


def best(found: Combinations, asked: Protection, suppression: float) -> Recoding | None:
    try:
        return full_domain(found, asked, suppression)
    except NotReachable:
        return None


def skewed(rows: int) -> Combinations:
    """Three quasi-identifiers, and a sensitive column that leans on the first."""
    draw = np.random.default_rng(5)
    way = from_rows([(f"v{n}", f"{n // 2}", f"{n // 4}") for n in range(8)])
    columns = [np.minimum(draw.geometric(0.3, rows) - 1, 7).astype(np.int64) for _ in range(3)]
    told = (draw.random(rows) < 0.2 + 0.08 * columns[0]).astype(np.int64)
    return combine(columns, [way] * 3, sensitive=[told])


@settings(max_examples=150, deadline=None)
@given(found=tables(), asked=asked_for, suppression=st.sampled_from([0.0, 0.05, 0.3, 1.0]))
@example(found=skewed(400), asked=Protection(4, t=0.3), suppression=0.1)
@example(found=skewed(400), asked=Protection(4, l=2, entropy=True), suppression=0.1)
@example(found=skewed(400), asked=Protection(4, l=2), suppression=0.1)
def test_the_optimum_is_the_one_of_before(
    found: Combinations, asked: Protection, suppression: float
) -> None:
    """The same levels, the same suppressed combinations and the same loss to the last bit."""
    now = best(found, asked, suppression)
    with patch.object(module, "_Search", ByRows):
        before = best(found, asked, suppression)
    if now is None or before is None:
        assert now is before
        return
    assert (now.levels == before.levels).all()
    assert (now.suppressed == before.suppressed).all()
    assert now.loss == before.loss


def test_the_nearest_node_is_the_smallest_below() -> None:
    """Not the most specific, and none that is more general somewhere; the first is always there."""
    at_hand = NodesAtHand("first", 2, 100)
    at_hand.add(np.array([1, 0]), "one", 40)
    at_hand.add(np.array([1, 1]), "two", 10)
    at_hand.add(np.array([0, 2]), "other", 5)
    assert at_hand.nearest(np.array([1, 1])) == "two"
    assert at_hand.nearest(np.array([2, 0])) == "one"
    assert at_hand.nearest(np.array([0, 1])) == "first"
    for _ in range(200):
        at_hand.add(np.array([3, 3]), "many", 1)
    assert at_hand.nearest(np.array([1, 1])) == "first"

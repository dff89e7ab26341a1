"""The proof's own counting against the definitions, and against the engine's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anonymize.class_sizes import (
    classes_of,
    greatest_distance,
    least_distinct,
    least_entropy,
)
from services.anonymize.k_anonymity.protection import measure
from tests.services.anonymize.k_anonymity import oracle

value = st.sampled_from(["a", "b", None])
tables = st.lists(
    st.tuples(value, value, st.sampled_from(["x", "y", "z", None]), st.integers(0, 5)),
    min_size=1,
    max_size=40,
)


@given(tables, st.booleans())
def test_both_ways_of_counting_agree(
    rows: list[tuple[str | None, str | None, str | None, int]], by_unit: bool
) -> None:
    """k, l and t of the written table are what the definitions and the engine say."""
    q1, q2, s, u = (list(column) for column in zip(*rows, strict=True))
    table = pa.table({"q1": q1, "q2": q2, "s": s})
    units = pa.array(u) if by_unit else None
    classes = list(oracle.groups([(row[0], row[1]) for row in rows]).values())
    found = classes_of(table, ["q1", "q2"], units)
    sizes = [len({u[n] for n in members}) if by_unit else len(members) for members in classes]
    assert (found.count, found.smallest, found.units) == (len(classes), min(sizes), sum(sizes))
    assert found.uniques == sizes.count(1)
    assert found.prosecutor_max == pytest.approx(1 / min(sizes))
    assert found.marketer == pytest.approx(len(sizes) / sum(sizes))
    assert sum(found.histogram.values()) == len(classes)
    least = min(oracle.distinct_l([s[n] for n in members]) for members in classes)
    assert least_distinct(table, ["q1", "q2"], "s") == least
    entropies = [oracle.entropy_l([s[n] for n in members]) for members in classes]
    assert least_entropy(table, ["q1", "q2"], "s") == pytest.approx(min(entropies), abs=1e-9)
    farthest = max(oracle.distance([s[n] for n in members], s) for members in classes)
    assert greatest_distance(table, ["q1", "q2"], "s") == pytest.approx(farthest, abs=1e-9)
    numbers = np.empty(len(rows), np.int64)
    for number, members in enumerate(classes):
        numbers[members] = number
    codes = np.unique([str(v) for v in s], return_inverse=True)[1].astype(np.int64)
    measured = measure(numbers, len(classes), np.array(u) if by_unit else None, (codes,))
    assert (measured.size.min(), measured.l.min()) == (found.smallest, least)
    assert measured.t.max() == pytest.approx(farthest, abs=1e-9)

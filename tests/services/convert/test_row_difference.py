"""The difference between two releases: counts of rows and of changed columns, never a value."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.convert.row_difference import RowDifference, compare_rows


def compare(
    before: pa.Table, after: pa.Table, folder: Path, key: tuple[str, ...] = ("id",)
) -> RowDifference:
    old, new = folder / "old.parquet", folder / "new.parquet"
    pq.write_table(before, old)
    pq.write_table(after, new)
    return compare_rows(old, new, key, folder)


def test_rows_are_told_apart_by_their_key(tmp_path: Path) -> None:
    """Added, removed, changed, and which columns changed how often."""
    before = pa.table(
        {"id": ["a", "b", "c", "d"], "n": [1, 2, 3, None], "t": ["x", "y", "z", None]}
    )
    after = pa.table({"id": ["e", "d", "b", "a"], "n": [9, 4, 2, 5], "t": ["w", None, "q", "x"]})
    assert compare(before, after, tmp_path) == RowDifference(
        added=1,
        removed=1,
        changed=3,
        columns={"n": 2, "t": 1},
        columns_added=(),
        columns_removed=(),
    )


def test_equal_tables_do_not_differ(tmp_path: Path) -> None:
    """In another order, with nulls, NaN, moments, geometries and names that differ in case."""
    table = pa.table(
        {
            "id": ["a", "b"],
            "ID": [1.5, float("nan")],
            "moment": pa.array([dt.datetime(2026, 3, 1), None], pa.timestamp("us", "UTC")),
            "lieu": pa.array([b"\x01\x02", None]),
        }
    )
    nothing = RowDifference(0, 0, 0, {}, (), ())
    assert compare(table, table.take([1, 0]), tmp_path) == nothing
    assert compare(table, table.take([1, 0]), tmp_path, ()).added == 0


def test_columns_that_come_go_or_change_their_type(tmp_path: Path) -> None:
    """They are named; rows are compared by what both tables have."""
    before = pa.table({"id": ["a"], "gone": [1], "typed": [1]})
    after = pa.table({"id": ["a"], "typed": ["1"], "come": [True]})
    found = compare(before, after, tmp_path)
    assert (found.columns_added, found.columns_removed) == (("typed", "come"), ("gone", "typed"))
    assert (found.added, found.removed, found.changed) == (0, 0, 0)


@pytest.mark.parametrize("key", [(), ("id",), ("away",)])
def test_without_a_key_that_comes_once_they_are_multisets(
    tmp_path: Path, key: tuple[str, ...]
) -> None:
    """A row that is there twice and then once was removed once."""
    before = pa.table({"id": ["a", "a", "b"], "n": [1, 1, 2]})
    after = pa.table({"id": ["a", "b", "b"], "n": [1, 2, 3]})
    found = compare(before, after, tmp_path, key)
    assert (found.added, found.removed, found.changed) == (1, 1, None)


def test_a_wide_table_is_compared_by_its_key(tmp_path: Path) -> None:
    """4,096 columns, in the memory that the engine is given; the changed ones are named."""
    before = pa.table({"id": ["a", "b"]} | {f"c{n}": [n, None] for n in range(4095)})
    after = before.set_column(5, "c4", [[9, 9]]).set_column(4000, "c3999", [[1, None]])
    found = compare(before, after, tmp_path)
    assert (found.added, found.removed, found.changed) == (0, 0, 2)
    # Changes are counted column by column in the first 500.
    assert found.columns == {"c4": 2}


ROWS = st.lists(
    st.tuples(st.integers(0, 12) | st.none(), st.sampled_from(["x", "y", None])), max_size=12
)


@settings(max_examples=80, deadline=None)
@given(ROWS, ROWS)
def test_counts_agree_with_plain_python(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[Any, Any]],
    after: list[tuple[Any, Any]],
) -> None:
    """With a key if it comes once on both sides, as multisets otherwise."""
    folder = tmp_path_factory.mktemp("d")

    def table(rows: list[tuple[Any, Any]]) -> pa.Table:
        ids, texts = [row[0] for row in rows], [row[1] for row in rows]
        return pa.table({"id": pa.array(ids, pa.int64()), "t": pa.array(texts, pa.string())})

    found = compare(table(before), table(after), folder)
    old, new = dict(before), dict(after)
    if len(old) == len(before) and len(new) == len(after):
        changed = sum(old[one] != new[one] for one in old.keys() & new.keys())
        expected = (len(new.keys() - old.keys()), len(old.keys() - new.keys()), changed)
    else:
        more, fewer = Counter(after) - Counter(before), Counter(before) - Counter(after)
        assert found.changed is None
        expected = (more.total(), fewer.total(), None)
    assert (found.added, found.removed, found.changed) == expected

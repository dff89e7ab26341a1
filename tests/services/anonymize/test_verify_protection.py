"""The proof of a table about people: every way in which a file could break its promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.verify_protection import verify_protection
from shared.card_parts import ColumnRule
from shared.failures import Quarantined

SCHEMA = pa.schema([("age", pa.string()), ("aide", pa.string()), ("revenu", pa.int64())])
GOOD: dict[str, Any] = {
    "age": ["20-29"] * 4 + ["30-39"] * 4,
    "aide": ["APL", "APL", "RSA", "RSA"] * 2,
    "revenu": [100, 200] * 4,
}
RULES = {
    "age": ColumnRule(action="keep"),
    "aide": ColumnRule(action="keep"),
    "revenu": ColumnRule(action="round", step=100),
}


def proved(
    tmp_path: Path, table: pa.Table, units: list[int] | None = None, *, mixed: bool = False,
    **asked: Any,
) -> Any:  # fmt: skip
    out = tmp_path / "out.parquet"
    if not mixed:
        table = table.sort_by([(name, "ascending") for name in table.column_names])
    pq.write_table(table, out, store_schema=False)
    return verify_protection(
        out, SCHEMA, 8, RULES, ["age"], ["aide"],
        Protection(**({"k": 4, "l": 2, "t": 0.2} | asked)),
        pa.array(units) if units else None,
    )  # fmt: skip


def test_the_right_file_is_proved(tmp_path: Path) -> None:
    """A sorted, protected file passes, and its classes and findings are told."""
    classes, uniques, findings = proved(tmp_path, pa.table(GOOD, SCHEMA))
    assert (classes.count, classes.smallest, findings) == (2, 4, [])
    assert (uniques.units, uniques.unique) == (8, 0)
    assert proved(tmp_path, pa.table(GOOD, SCHEMA), list(range(8)))[0].smallest == 4


@pytest.mark.parametrize(
    ("changes", "asked", "units", "what"),
    [
        ({}, {"k": 5}, None, "k"),
        ({}, {}, [1, 1, 2, 3, 4, 5, 6, 7], "k"),
        ({"aide": ["APL"] * 4 + ["APL", "APL", "RSA", "RSA"]}, {}, None, "l"),
        ({"aide": ["APL", "APL", "APL", "RSA", "APL", "RSA", "RSA", "RSA"]}, {}, None, "t"),
        ({"aide": ["APL", "APL", "APL", "RSA"] * 2}, {"entropy": True, "t": 1.0}, None, "l"),
        ({"aide": ["RSA", "APL"] * 4}, {}, None, "order"),
        ({"revenu": [100, 250] * 4}, {}, None, "rules"),
    ],
    ids=["k", "k by unit", "l", "t", "entropy", "order", "rules"],
)
def test_a_broken_promise_is_named(
    tmp_path: Path,
    changes: dict[str, Any],
    asked: dict[str, Any],
    units: list[int] | None,
    what: str,
) -> None:
    """Too few, too alike, too far, in another order, or more precise than the rule."""
    table = pa.table(GOOD | changes, SCHEMA)
    with pytest.raises(Quarantined) as failure:
        proved(tmp_path, table, units, mixed=what == "order", **asked)
    assert failure.value.reasons[0].detail == what


def test_findings_are_those_of_the_file(tmp_path: Path) -> None:
    """What the scan finds in the written cells is told, with its line."""
    table = pa.table(GOOD | {"aide": ["a.b@exemple.fr", "x", "x", "x"] * 2}, SCHEMA)
    _, _, findings = proved(tmp_path, table, t=1.0)
    assert [(one.column, one.detector, one.cells) for one in findings] == [("aide", "email", 2)]

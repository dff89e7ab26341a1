"""Checks typed columns against the card's Table Schema (Data Package v2), on all rows.

Findings carry code, declared column, line and count; never a value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from shared.card_parts import SchemaField, TableSchema
from shared.messages import Reason


class Findings:
    """What was found wrong: the first of each kind by line, the rest as a count."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: dict[tuple[str, str], int] = {}
        self._first: list[Reason] = []

    def add(self, code: str, field: SchemaField, lines: list[int], **facts: Any) -> None:
        """Adds the lines where one rule of one column does not hold."""
        key = (code, field.name)
        before = self._counts.get(key, 0)
        self._counts[key] = before + len(lines)
        room = max(0, self._most - before)
        self._first += [
            Reason(code=code, column=field.name, line=line, **facts) for line in lines[:room]
        ]

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The findings, each with the count of its kind in its column."""
        return tuple(
            one.model_copy(update={"count": self._counts[one.code, one.column or ""]})
            for one in self._first
        )


class Uniqueness:
    """Whether keys come once: 64-bit hashes of all rows, compared at the end."""

    def __init__(self, field: SchemaField, code: str) -> None:
        self.field, self.code = field, code
        self._hashes: list[np.ndarray[Any, np.dtype[np.uint64]]] = []

    def see(self, columns: list[pa.Array]) -> None:
        frame = pd.DataFrame({str(n): column.to_pandas() for n, column in enumerate(columns)})
        hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
        self._hashes.append(hashes.astype(np.uint64))

    def repeated(self) -> list[int]:
        """The rows (from 0) whose key an earlier row has."""
        if not self._hashes:
            return []
        return [
            int(n) for n in np.flatnonzero(pd.Series(np.concatenate(self._hashes)).duplicated())
        ]


def uniqueness(schema: TableSchema) -> list[tuple[Uniqueness, tuple[str, ...]]]:
    """The keys that the schema asks to come once, and their columns."""
    fields = {field.name: field for field in schema.fields}
    keys: list[tuple[Uniqueness, tuple[str, ...]]] = [
        (Uniqueness(field, "not_unique"), (field.name,))
        for field in schema.fields
        if field.constraints.get("unique")
    ]
    known = tuple(name for name in schema.primary_key if name in fields)
    if known:
        keys.append((Uniqueness(fields[known[0]], "key_repeated"), known))
    return keys


def check_batch(
    column: pa.Array,
    text: pa.StringArray,
    field: SchemaField,
    line: Callable[[int], int],
    findings: Findings,
) -> None:
    """Checks one batch of a column against its field's constraints."""

    def report(code: str, bad: pa.BooleanArray, **facts: Any) -> None:
        rows = np.flatnonzero(pc.fill_null(bad, False).to_numpy(zero_copy_only=False))
        if len(rows):
            findings.add(code, field, [line(int(row)) for row in rows], **facts)

    rules = field.constraints
    if rules.get("required"):
        report("value_missing", pc.is_null(column))
    if isinstance(rules.get("enum"), list):
        allowed = pa.array([str(value) for value in rules["enum"]])
        report("not_in_list", pc.and_(pc.is_valid(text), pc.invert(pc.is_in(text, allowed))))
    if isinstance(rules.get("pattern"), str):
        report("pattern", pc.invert(_matches(text, rules["pattern"])), expected=rules["pattern"])
    if field.type == "string":
        lengths = pc.utf8_length(text)
        if isinstance(rules.get("minLength"), int):
            report("too_short", pc.less(lengths, rules["minLength"]), limit=rules["minLength"])
        if isinstance(rules.get("maxLength"), int):
            report("too_long", pc.greater(lengths, rules["maxLength"]), limit=rules["maxLength"])
    for name, compare in (("minimum", pc.less), ("maximum", pc.greater)):
        if name in rules and field.type not in ("string", "boolean"):
            bound = pa.scalar(str(rules[name])).cast(column.type)
            report(name, compare(column, bound), expected=str(rules[name]))


def _matches(text: pa.StringArray, pattern: str) -> pa.BooleanArray:
    # RE2 runs in linear time, whatever the pattern (regular expression denial of service).
    try:
        return pc.fill_null(pc.match_substring_regex(text, f"^(?:{pattern})$"), True)
    except pa.ArrowInvalid:
        return pa.array([True] * len(text))

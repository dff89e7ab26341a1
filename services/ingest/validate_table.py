"""Checks typed rows against the card's Table Schema, all of them.

Rules of Data Package v2: required, unique, enum, pattern (the whole value, RE2, so that no pattern
can run away), minimum, maximum and their exclusive forms, minLength, maxLength, primaryKey.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.column_types import GEOMETRY, Reading
from services.ingest.cross_checks import cross_checks
from services.ingest.findings import Findings
from services.ingest.geometry import are_valid
from services.ingest.header_names import NamedColumn
from services.ingest.read_limits import ReadLimits
from services.ingest.source_table import Ordinals
from services.ingest.text_forms import form_of
from services.ingest.unique_values import UniqueValues
from shared.card_parts import CrossCheck, SchemaField
from shared.failures import Quarantined

_BOUNDS: dict[str, tuple[str, Callable[[pa.Array, pa.Scalar], pa.Array]]] = {
    "minimum": ("minimum", pc.less),
    "maximum": ("maximum", pc.greater),
    "exclusiveMinimum": ("minimum", pc.less_equal),
    "exclusiveMaximum": ("maximum", pc.greater_equal),
}
_LENGTHS: dict[str, tuple[str, Callable[[pa.Array, pa.Scalar], pa.Array]]] = {
    "minLength": ("too_short", pc.less),
    "maxLength": ("too_long", pc.greater),
}


@dataclass(frozen=True, slots=True)
class _Rule:
    """`broken` gives, of typed values and their text, true where the rule is broken."""

    code: str
    expected: str | None
    broken: Callable[[pa.Array, pa.Array], pa.Array]
    limit: int | None = None


_VALID = _Rule("geometry_invalid", None, lambda v, _: pc.invert(are_valid(v)))


class TableRules:
    """The schema's rules over the columns that are there. Feed batches, then ask for the rest.

    Raises Quarantined(`constraint_unreadable`) at once for a rule that makes no sense.
    """

    def __init__(
        self,
        columns: Sequence[tuple[NamedColumn, Reading]],
        primary_key: Sequence[str],
        limits: ReadLimits,
        checks: Sequence[CrossCheck] = (),
    ) -> None:
        self._columns = columns
        self._crossed, self.unknown = cross_checks([column for column, _ in columns], checks)
        self._rules = [
            (at, _rules(column, column.field, reading))
            for at, (column, reading) in enumerate(columns)
            if column.field is not None
        ]
        self._rules += [
            (at, [_VALID]) for at, (_, reading) in enumerate(columns) if reading is GEOMETRY
        ]
        self._unique = {
            at: UniqueValues(limits.unique_rows)
            for at, (column, _) in enumerate(columns)
            if column.field is not None and column.field.constraints.get("unique") is True
        }
        places = {column.name: at for at, (column, _) in enumerate(columns) if column.declared}
        self._key = [places[name] for name in primary_key if name in places]
        self._keys = UniqueValues(limits.unique_rows) if self._key else None

    def needs_text(self, at: int) -> bool:
        """Whether a rule looks at how the column's values, other than strings, are written."""
        column, reading = self._columns[at]
        written = {"pattern", *_LENGTHS}
        return (
            column.field is not None
            and reading.type not in ("string", "geometry")
            and not written.isdisjoint(column.field.constraints)
        )

    def check(
        self,
        ordinals: Ordinals,
        values: Sequence[pa.Array],
        texts: Sequence[pa.Array | None],
        findings: Findings,
    ) -> None:
        """Adds to `findings` what breaks a rule in this batch."""
        for at, rules in self._rules:
            text = texts[at] if texts[at] is not None else values[at]
            for rule in rules:
                broken = pc.fill_null(rule.broken(values[at], text), False)
                if pc.any(broken).as_py():
                    rows = ordinals[broken.to_numpy(zero_copy_only=False)]
                    column = self._columns[at][0]
                    findings.add(rule.code, column, rows, expected=rule.expected, limit=rule.limit)
        for check in self._crossed:
            broken = check.broken([values[at] for at in check.columns])
            if pc.any(broken).as_py():
                rows = ordinals[broken.to_numpy(zero_copy_only=False)]
                first = self._columns[check.columns[0]][0]
                findings.add(check.code, first, rows, expected=check.expected)
        for at, unique in self._unique.items():
            unique.feed(ordinals, [values[at]])
        if self._keys is not None:
            self._keys.feed(ordinals, [values[at] for at in self._key])
            for at in self._key:
                empty = ordinals[pc.is_null(values[at]).to_numpy(zero_copy_only=False)]
                findings.add("value_missing", self._columns[at][0], empty, expected="primaryKey")

    def finish(self, findings: Findings) -> None:
        """Adds what only the whole table can show: values that occur twice."""
        for at, unique in self._unique.items():
            findings.add("not_unique", self._columns[at][0], unique.repeated())
        if self._keys is not None:
            column = self._columns[self._key[0]][0] if len(self._key) == 1 else None
            findings.add("key_repeated", column, self._keys.repeated())


def _rules(column: NamedColumn, field: SchemaField, reading: Reading) -> list[_Rule]:
    rules = []
    if (form := form_of(field)) is not None:
        rules.append(_Rule("form", form.name, lambda v, t: pc.invert(form.fits(v, t))))
    for name, wanted in field.constraints.items():
        try:
            rule = _rule(name, wanted, reading)
        except (TypeError, ValueError, OverflowError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise Quarantined(column.reason("constraint_unreadable", expected=name)) from None
        if rule is not None:
            rules.append(rule)
    return rules


def _rule(name: str, wanted: object, reading: Reading) -> _Rule | None:
    if name == "required":
        return _Rule("value_missing", None, lambda v, _: pc.is_null(v)) if wanted is True else None
    if name == "enum":
        if not isinstance(wanted, list | tuple):
            raise TypeError
        allowed = pa.concat_arrays([_typed(value, reading) for value in wanted])
        return _Rule(
            "not_in_list",
            None,
            lambda v, _: pc.and_(pc.is_valid(v), pc.invert(pc.is_in(v, allowed))),
        )
    if name == "pattern":
        if not isinstance(wanted, str):
            raise TypeError
        pattern = f"^(?:{wanted})$"
        pc.match_substring_regex(pa.array([""]), pattern)
        return _Rule(
            "pattern", wanted, lambda _, t: pc.invert(pc.match_substring_regex(t, pattern))
        )
    if name in _BOUNDS:
        code, beyond = _BOUNDS[name]
        bound = _typed(wanted, reading)[0]
        return _Rule(code, str(wanted), lambda v, _: beyond(v, bound))
    if name in _LENGTHS:
        code, beyond = _LENGTHS[name]
        length = int(str(wanted))
        bound = pa.scalar(length, pa.int32())
        return _Rule(code, None, lambda _, t: beyond(pc.utf8_length(t), bound), length)
    return None


def _typed(value: object, reading: Reading) -> pa.Array:
    """A value of the schema, written there as JSON, in the column's type. Raises ValueError."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    values = reading.read(pa.array([text]))
    if values is None or values.null_count:
        raise ValueError("not of the column's type")
    return values

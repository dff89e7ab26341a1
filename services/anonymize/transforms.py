"""What the policy's rules make of a column. Equal values give equal values, each worked out once."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from services.anonymize.coarser import PLACES, canonical_value, date_part
from services.anonymize.k_anonymity.hierarchy import range_text
from services.anonymize.scan_table import cells_found, is_text
from services.anonymize.snap_place import SNAPS
from shared.card_parts import ColumnRule
from shared.card_protection import Coarser
from shared.failures import Quarantined
from shared.messages import Reason

REDACTED = "[occulté]"
MASK = "***"
# Hexadecimal digits of a pseudonym: 128 bits.
PSEUDONYM_DIGITS = 32


def _numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _dated(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _wanted(rule: ColumnRule) -> tuple[str, Callable[[pa.DataType], bool]] | None:
    """The kind of column that a rule is for: a word for it, and the test."""
    if rule.action in ("round", "top_bottom", "grid"):
        return "number", _numeric
    if rule.action in ("mask", "redact", "snap"):
        return "string", is_text
    if rule.generalize and rule.generalize.date:
        return "date", _dated
    if rule.generalize and rule.generalize.ranges:
        return "number", _numeric
    if rule.generalize and rule.generalize.place:
        return "string", is_text
    return None


def written_type(name: str, rule: ColumnRule, given: pa.DataType) -> pa.DataType:
    """The Arrow type of the column once transformed. Raises Quarantined if the rule is for another."""
    wanted = _wanted(rule)
    if wanted and not wanted[1](given):
        raise Quarantined(
            Reason(code="rule_type", column=name, detail=rule.action, expected=wanted[0])
        )
    if rule.action in ("generalize", "mask", "redact", "pseudonymize", "snap"):
        return pa.string()
    return pa.float64() if rule.action == "grid" else given


def transform(name: str, rule: ColumnRule, column: pa.Array, key: bytes | None) -> pa.Array:
    """The column as it may leave. `key` is the pseudonyms'.

    Raises Quarantined(`value_unknown`) for a value that a rule has no answer to, without the value.
    """
    kind = written_type(name, rule, column.type)
    if rule.action in ("keep", "drop"):
        return column
    if rule.action == "redact":
        return _redacted(name, column)
    change = _change(rule, key, whole=pa.types.is_integer(column.type))
    coded = column.dictionary_encode()
    try:
        made = [change(value) for value in coded.dictionary.to_pylist()]
    except KeyError:
        count = _unknown(coded, change)
        raise Quarantined(Reason(code="value_unknown", column=name, count=count)) from None
    return pa.array(made, kind).take(coded.indices)


def _change(rule: ColumnRule, key: bytes | None, *, whole: bool) -> Callable[[Any], Any]:
    if rule.generalize:
        return _generalise(rule.generalize, whole=whole)
    if rule.action == "top_bottom":
        return lambda value: _within(value, rule.bottom, rule.top, whole=whole)
    if rule.action == "mask":
        return lambda value: value[: rule.shown] + MASK
    if rule.snap:
        snap = SNAPS[rule.snap]
        return lambda value: snap(canonical_value(value))
    if rule.action == "pseudonymize":
        return lambda value: pseudonym(str(value), key or b"")
    step = rule.step or 1.0
    if rule.action == "grid":
        return lambda value: (math.floor(value / step) + 0.5) * step
    return lambda value: _rounded(value, step, whole=whole)


def _generalise(way: Coarser, *, whole: bool) -> Callable[[Any], str]:
    if way.date is not None:
        part = way.date
        return lambda value: date_part(_day(value), part)
    if way.place is not None:
        place = PLACES[way.place]
        return lambda value: place(canonical_value(value))
    if way.ranges is not None:
        width = way.ranges
        return lambda value: range_text(value, width, whole=whole)
    groups = way.values or {}
    return lambda value: groups[canonical_value(str(value))]


def _day(value: Any) -> dt.date:
    return value.date() if isinstance(value, dt.datetime) else value


def _within(value: float, bottom: float | None, top: float | None, *, whole: bool) -> float:
    if math.isnan(value):
        raise KeyError
    low = value if bottom is None else max(value, bottom)
    inside = low if top is None else min(low, top)
    return int(inside) if whole else inside


def _rounded(value: float, step: float, *, whole: bool) -> float:
    if not math.isfinite(value):
        raise KeyError
    # Half away from zero, as people round; not to the even neighbour.
    rounded = math.copysign(math.floor(abs(value) / step + 0.5) * step, value)
    return int(rounded) if whole and float(step).is_integer() else rounded


def pseudonym(value: str, key: bytes) -> str:
    """HMAC-SHA-256 (RFC 2104) of the value's one spelling, cut to 128 bits. Still a personal datum."""
    if len(key) < 32:
        raise Quarantined(Reason(code="pseudonym_key_missing"))
    made = hmac.new(key, canonical_value(value).encode(), hashlib.sha256)
    return made.hexdigest()[:PSEUDONYM_DIGITS]


def _redacted(name: str, column: pa.Array) -> pa.Array:
    """Every cell in which any detector finds anything, replaced as a whole."""
    coded = column.dictionary_encode()
    found = cells_found(name, coded.dictionary)
    shown = pc.if_else(found, REDACTED, coded.dictionary)
    return shown.take(coded.indices)


def _unknown(coded: pa.DictionaryArray, change: Callable[[Any], Any]) -> int:
    def lost(value: Any) -> bool:
        try:
            change(value)
        except KeyError:
            return True
        return False

    bad = pa.array([lost(value) for value in coded.dictionary.to_pylist()], pa.bool_())
    return int(pc.sum(bad.take(coded.indices), min_count=0).as_py())

"""Whether written cells are what a rule allows: told from the cells alone, not by applying it again."""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.compute as pc

from services.anonymize.geography import NO_EPCI
from services.anonymize.snap_place import SNAPPED
from services.anonymize.transforms import MASK, PSEUDONYM_DIGITS
from shared.card_parts import ColumnRule
from shared.card_protection import Coarser

_DATES = {
    "month": r"^-?\d{4}-(?:0[1-9]|1[0-2])$",
    "year": r"^-?\d{4}$",
    "five_years": r"^-?\d{3}[05]-\d{3}[49]$",
}
_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = rf"^(?:-?\d+|-?\d+--?\d+|\[{_NUMBER};{_NUMBER}\[)$"
_PLACES = {"departement": r"^(?:\d{2}|2[AB]|9[78]\d)$", "epci": rf"^(?:\d{{9}}|{NO_EPCI})$"}


def obeys(rule: ColumnRule, column: pa.Array) -> bool:
    """Whether no cell shows more than the rule lets through. Of `redact`, the scan tells."""
    cells = column.drop_null()
    if not len(cells):
        return True
    if rule.generalize:
        return _coarse(rule.generalize, cells)
    if rule.action == "top_bottom":
        low, high = (pc.min_max(cells)[end].as_py() for end in ("min", "max"))
        return (rule.bottom is None or low >= rule.bottom) and (
            rule.top is None or high <= rule.top
        )
    if rule.action == "mask":
        return _matches(cells, rf"(?s)^.{{0,{rule.shown}}}{_quoted(MASK)}$")
    if rule.snap:
        return _matches(cells, SNAPPED[rule.snap])
    if rule.action == "pseudonymize":
        return _matches(cells, rf"^[0-9a-f]{{{PSEUDONYM_DIGITS}}}$")
    if rule.action in ("round", "grid") and rule.step:
        values = [float(value) for value in pc.unique(cells).to_pylist()]
        shift = 0.5 if rule.action == "grid" else 0.0
        return all(_whole(value / rule.step - shift) for value in values)
    return rule.action in ("keep", "redact")


def _coarse(way: Coarser, cells: pa.Array) -> bool:
    if way.date is not None:
        return _matches(cells, _DATES[way.date])
    if way.place is not None:
        return _matches(cells, _PLACES[way.place])
    if way.ranges is not None:
        return _matches(cells, _RANGE)
    return set(pc.unique(cells).to_pylist()) <= set((way.values or {}).values())


def _matches(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(cells, pattern), min_count=0).as_py())


def _quoted(text: str) -> str:
    return "".join(f"[{character}]" for character in text)


def _whole(value: float) -> bool:
    return math.isfinite(value) and abs(value - round(value)) <= 1e-6 * max(1.0, abs(value))

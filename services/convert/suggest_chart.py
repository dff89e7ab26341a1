"""Which picture suits a table, by the types and profiles of its columns: a suggestion for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_BARS = 25


def suggest_chart(
    types: Mapping[str, str],
    profile: Mapping[str, Mapping[str, Any]],
    key: Sequence[str],
    rows: int,
) -> dict[str, Any] | None:
    """`{"type": "map" | "line" | "bar" | "histogram", "x": column, "y": column or None}`, or None.

    Places are drawn on a map; measures over time as a line; a column of few values as bars, of a
    measure or of the number of rows; a lone measure by its distribution.
    """
    told = {name: profile[name] for name in types if name in profile}
    if place := next((name for name in told if types[name] == "geojson"), None):
        return {"type": "map", "x": place, "y": None}
    measures = [
        name
        for name in told
        if types[name] in ("number", "integer")
        and name not in key
        and not _is_code(told[name], rows)
    ]
    measure = measures[0] if measures else None
    moment = next((name for name in told if types[name] in ("date", "datetime")), None)
    if moment and measure:
        return {"type": "line", "x": moment, "y": measure}
    groups = [
        name
        for name in told
        if types[name] in ("string", "boolean") and 2 <= told[name].get("distinct", 0) <= MOST_BARS
    ]
    if groups:
        # A row for each value: its measure; else how many rows each value has.
        alone = told[groups[0]]["distinct"] == rows
        return {"type": "bar", "x": groups[0], "y": measure if alone else None}
    if measure:
        return {"type": "histogram", "x": measure, "y": None}
    return None


def _is_code(profile: Mapping[str, Any], rows: int) -> bool:
    """Whether numbers are no measure: a single value, or a running number."""
    if profile.get("distinct") == 1 or "max" not in profile:
        return True
    span = profile["max"] - profile["min"] + 1
    return isinstance(span, int) and span == rows > 1 and profile["nulls"] == 0

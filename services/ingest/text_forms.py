"""Forms of text that a Table Schema can ask for: its types and formats that go on as text.

Data Package v2, Table Schema: string formats, geopoint, yearmonth, duration, object, array, year.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from shared.card_parts import SchemaField

_LONGITUDE = r"[+-]?(?:180(?:\.0*)?|(?:1[0-7]\d|0*\d{1,2})(?:\.\d*)?)"
_LATITUDE = r"[+-]?(?:90(?:\.0*)?|0*[0-8]?\d(?:\.\d*)?)"
_PATTERNS: dict[tuple[str, str], str] = {
    ("string", "email"): r"^[^@\s]+@[^@\s]+\.[^@\s.]+$",
    ("string", "uri"): r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s]+$",
    ("string", "uuid"): r"(?i)^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$",
    ("string", "binary"): r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
    ("geopoint", "default"): rf"^\s*{_LONGITUDE}\s*,\s*{_LATITUDE}\s*$",
    ("geopoint", "array"): rf"^\s*\[\s*{_LONGITUDE}\s*,\s*{_LATITUDE}\s*\]\s*$",
    ("yearmonth", "default"): r"^\d{4}-(?:0[1-9]|1[0-2])$",
    ("duration", "default"): (
        r"^-?P(?:(?:\d+Y)?(?:\d+M)?(?:\d+D)?T(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?"
        r"|(?:\d+Y)?(?:\d+M)?(?:\d+D)|(?:\d+Y)(?:\d+M)?|\d+M|\d+W)$"
    ),
}


@dataclass(frozen=True, slots=True)
class Form:
    """`fits` says, of values and their text, which have the form; null where there is none."""

    name: str
    fits: Callable[[pa.Array, pa.Array], pa.Array]


def form_of(field: SchemaField) -> Form | None:
    """The form that a field's type and format ask for, None where any value of its type has it."""
    kind = field.kind or field.type
    format_ = field.format or "default"
    pattern = _PATTERNS.get((kind, format_))
    if pattern is not None:
        name = format_ if kind == "string" else kind
        return Form(name, lambda _, text: pc.match_substring_regex(text, pattern))
    if kind == "year":
        return Form(
            kind, lambda years, _: pc.and_(pc.greater_equal(years, 0), pc.less(years, 10_000))
        )
    wanted = {"object": dict, "array": list}.get(kind)
    if wanted is not None:
        return Form(kind, lambda _, text: _each(text, lambda cell: isinstance(_json(cell), wanted)))
    if (kind, format_) == ("geopoint", "object"):
        return Form(kind, lambda _, text: _each(text, _is_position))
    return None


def _each(text: pa.Array, fits: Callable[[str], bool]) -> pa.Array:
    coded = text.dictionary_encode()
    found = [None if cell is None else fits(cell) for cell in coded.dictionary.to_pylist()]
    return pa.array(found, pa.bool_()).take(coded.indices)


def _json(text: str) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found


def _is_position(text: str) -> bool:
    found = _json(text)
    if not isinstance(found, dict) or set(found) != {"lon", "lat"}:
        return False
    lon, lat = found["lon"], found["lat"]
    if not isinstance(lon, int | float) or not isinstance(lat, int | float):
        return False
    return abs(lon) <= 180 and abs(lat) <= 90

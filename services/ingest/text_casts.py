"""Casts: text exactly as programs write it, to Arrow values; None when one value does not fit.

Arrow does the reading. What it takes beyond the forms meant here (hexadecimal, `inf`, an hour
without minutes, 31 February as 3 March in `strptime`) is guarded against or not used. An array
given to a cast holds at least one value.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.text_tidying import turned

Cast = Callable[[pa.Array], pa.Array | None]
MAX_DIGITS = 18
# Below this float64 keeps every whole number, and prints 15 digits as they came.
WHOLE = 1e15
_EPOCH = "1970-01-01T"


def _try_cast(text: pa.Array, type_: pa.DataType) -> pa.Array | None:
    try:
        # A cast that fails costs forty times one that works: most fail on the first values.
        pc.cast(text.slice(0, 8), type_)
        return pc.cast(text, type_)
    except pa.ArrowInvalid:
        return None


def _matches_any(text: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())


def _starts_any(text: pa.Array, start: str) -> pa.Array | None:
    """The values that start so, None if there are none."""
    mask = pc.starts_with(text, start)
    return text.filter(mask) if pc.any(mask).as_py() else None


def _has_any(text: pa.Array, characters: bytes) -> bool:
    """Whether an ASCII character occurs anywhere: one search through the column's bytes, far
    cheaper than one per value. A slice may be told yes for what lies outside it."""
    data = text.buffers()[2]
    if data is None:
        return False
    content = data.to_pybytes()
    return any(content.find(character) >= 0 for character in characters)


def _coded(text: pa.Array) -> bool:
    """Whether a value has leading zeros: a code, of which a number would lose a part."""
    for start, pattern in (("0", r"^0\d"), ("-0", r"^-0\d")):
        found = _starts_any(text, start)
        if found is not None and _matches_any(found, pattern):
            return True
    return False


def cast_integer(text: pa.Array) -> pa.Array | None:
    values = _try_cast(text, pa.int64())
    if values is None:
        return None
    # Arrow reads 0x1F as well, and 19 digits where they happen to fit.
    hexadecimal = _starts_any(text, "0")
    if hexadecimal is not None and _matches_any(hexadecimal, "(?i)x"):
        return None
    most = pc.max(pc.binary_length(text)).as_py()
    return None if most > MAX_DIGITS and _matches_any(text, rf"\d{{{MAX_DIGITS + 1}}}") else values


def cast_plain_integer(text: pa.Array) -> pa.Array | None:
    values = cast_integer(text)
    return None if values is None or _coded(text) else values


def cast_number(text: pa.Array) -> pa.Array | None:
    values = _cast_finite(text)
    if values is not None and _has_any(text, b"eE") and _vanishes(text, values):
        return None
    return values


def _vanishes(text: pa.Array, values: pa.Array) -> bool:
    """Whether a number is so small, as 1E-400 is, that float64 makes it 0."""
    return _matches_any(text.filter(pc.equal(values, 0)), r"^[^eE]*[1-9]")


def _cast_finite(text: pa.Array) -> pa.Array | None:
    values = _try_cast(text, pa.float64())
    if values is None or not pc.all(pc.is_finite(values)).as_py():
        return None
    if pc.max(pc.abs(values)).as_py() >= WHOLE and _matches_any(text, r"^[+-]?\d{16,}"):
        return None
    return values


def cast_plain_number(text: pa.Array) -> pa.Array | None:
    values = _cast_finite(text)
    if values is None or _coded(text):
        return None
    if _has_any(text, b"+") and _starts_any(text, "+") is not None:
        return None
    # 2E4 is a code; 1.5E3 and 1E-05 are how programs write numbers.
    if _has_any(text, b"eE"):
        coded = _matches_any(text, r"^-?\d+[eE]\d+$")
        return None if coded or _vanishes(text, values) else values
    return values


def with_comma(
    cast: Cast,
) -> Cast:
    def comma(text: pa.Array) -> pa.Array | None:
        if _has_any(text, b".") and pc.any(pc.match_substring(text, ".")).as_py():
            return None
        return cast(pc.replace_substring(text, ",", "."))

    return comma


def cast_any_decimal(text: pa.Array) -> pa.Array | None:
    """Numbers with either mark. One that has both is none, nor one with a comma twice."""
    values = cast_number(text)
    if values is not None or not _has_any(text, b","):
        return values
    return cast_number(pc.replace_substring(text, ",", "."))


def cast_words(true: tuple[str, ...], false: tuple[str, ...]) -> Cast:
    yes, no = pa.array(true), pa.array(false)
    longest = max(map(len, true + false))

    def cast(text: pa.Array) -> pa.Array | None:
        if pc.max(pc.binary_length(text)).as_py() > longest:
            return None
        lower = pc.utf8_lower(text)
        truth = pc.if_else(pc.is_null(lower), pa.scalar(None, pa.bool_()), pc.is_in(lower, yes))
        fits = pc.or_(pc.fill_null(truth, True), pc.is_in(lower, no))
        return truth if pc.all(fits).as_py() else None

    return cast


def _from_year_one(values: pa.Array | None) -> pa.Array | None:
    """None for the year 0000, which Arrow has and neither Python nor Parquet's readers do."""
    if values is None or values.null_count == len(values):
        return values
    first = pc.min(pc.year(values)).as_py()
    return values if first >= 1 else None


def cast_iso_date(text: pa.Array) -> pa.Array | None:
    return _from_year_one(_try_cast(text, pa.date32()))


def cast_date(text: pa.Array) -> pa.Array | None:
    values = cast_iso_date(text)
    if values is not None:
        return values
    moved = turned(text)
    return None if moved is None else cast_iso_date(moved)


def cast_datetime(type_: pa.DataType, shortest: int) -> Cast:
    def cast(text: pa.Array) -> pa.Array | None:
        # Arrow takes a date, or a date and an hour, for a moment.
        if pc.min(pc.binary_length(text)).as_py() < shortest:
            return None
        return _from_year_one(_try_cast(text, type_))

    return cast


def cast_time(text: pa.Array) -> pa.Array | None:
    lengths = pc.min_max(pc.binary_length(text)).as_py()
    if lengths["min"] < 5 or lengths["max"] > 15:
        return None
    moments = _try_cast(pc.binary_join_element_wise(_EPOCH, text, ""), pa.timestamp("us"))
    if moments is None:
        return None
    try:
        return pc.cast(pc.cast(moments, pa.time64("us")), pa.time32("ms"))
    except pa.ArrowInvalid:
        return None

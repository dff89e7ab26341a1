"""Readings: how the text of a column becomes typed values.

A `Reading` takes text to one Arrow type, all values or none; `read_each` takes what fits and says
which values do not. Each has a fast path on text as programs write it, and a second look, on the
distinct values only, at text as people write it.

Numbers are float64, not decimals: every reader of Parquet and JSON knows doubles, up to 15
significant digits print back as they came, and a column of mixed scales needs no common one. What
float64 would round silently (an integer part of more than 15 digits) is not a number here.

Dates are ISO 8601, or day, month, year as the French write them; month first is never guessed. Two
digits of a year count as POSIX has it, 69 to 99 of the last century; the report warns of them.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.text_casts import (
    MAX_DIGITS,
    Cast,
    cast_any_decimal,
    cast_date,
    cast_datetime,
    cast_integer,
    cast_iso_date,
    cast_number,
    cast_plain_integer,
    cast_plain_number,
    cast_time,
    cast_words,
    with_comma,
)
from services.ingest.text_tidying import (
    tidy_any_decimal,
    tidy_date,
    tidy_date_markers,
    tidy_declared,
    tidy_plain,
    tidy_time,
    to_iso,
    trim,
    trim_markers,
    ungroup,
)
from shared.card_parts import ColumnType, SchemaField

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "time": pa.time32("ms"),
    "geometry": pa.binary(),
}
UTC = pa.timestamp("us", "UTC")
Decimal = Literal[",", "."]

BOOLEAN_WORDS = (("vrai", "faux"), ("true", "false"), ("oui", "non"))
_TIME = r"\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?"
_ISO_DATE = r"^\d{4}-\d{2}-\d{2}$"
_ISO_DATETIME = rf"^\d{{4}}-\d{{2}}-\d{{2}}[T ]{_TIME}$"
_ISO_UTC = rf"^\d{{4}}-\d{{2}}-\d{{2}}[T ]{_TIME} ?(?:Z|[+-]\d{{2}}(?::?\d{{2}})?)$"


@dataclass(frozen=True, slots=True)
class Reading:
    """`pattern` (RE2) is what a value looks like once `tidy` has rewritten it; `cast` reads an
    array of such values, or gives None when one of them does not fit after all."""

    type: ColumnType
    arrow: pa.DataType
    cast: Cast
    tidy: Callable[[pa.Array], pa.Array]
    pattern: str

    def read(self, text: pa.Array) -> pa.Array | None:
        """`text` (strings, null where empty) as values, or None if any of them does not fit."""
        values = self.values(text)
        if values is not None:
            return values
        coded = text.dictionary_encode()
        distinct = self.values(self.tidy(coded.dictionary))
        return None if distinct is None else distinct.take(coded.indices)

    def values(self, text: pa.Array) -> pa.Array | None:
        """As `read`, of text that needs no tidying."""
        if text.null_count == len(text):
            return pa.nulls(len(text), self.arrow)
        return self.cast(text)


def read_each(reading: Reading, text: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """`text` as values, null where one does not fit, and which those are (None: there are none)."""
    values = reading.read(text)
    if values is not None:
        return values, None
    coded = text.dictionary_encode()
    tidied = reading.tidy(coded.dictionary)
    fits = pc.fill_null(pc.match_substring_regex(tidied, reading.pattern), True)
    likely = pc.if_else(fits, tidied, pa.scalar(None, pa.string()))
    distinct = _cast_apart(reading, likely)
    bad = pc.and_(pc.is_valid(tidied), pc.is_null(distinct)).take(coded.indices)
    return distinct.take(coded.indices), pc.fill_null(bad, False)


def _cast_apart(reading: Reading, text: pa.Array) -> pa.Array:
    """`cast`, with null for what looks right and is not, such as 30 February."""
    values = reading.values(text)
    if values is not None:
        return values
    if len(text) == 1:
        return pa.nulls(1, reading.arrow)
    half = len(text) // 2
    return pa.concat_arrays(
        [_cast_apart(reading, text.slice(0, half)), _cast_apart(reading, text.slice(half))]
    )


_DIGITS = rf"^-?\d{{1,{MAX_DIGITS}}}$"
_DOT = r"^-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_COMMA = _DOT.replace(r"\.", ",")


def _blank_to_null(text: pa.Array) -> pa.Array:
    blank = pc.or_(pc.utf8_is_space(text), pc.equal(pc.binary_length(text), 0))
    if not pc.any(blank).as_py():
        return text
    return pc.if_else(blank, pa.scalar(None, pa.string()), text)


STRING = Reading("string", pa.string(), _blank_to_null, trim, "")
# A column of nulls and null markers alone.
NOTHING = Reading("string", pa.string(), trim_markers, trim, "")
INTEGER = Reading("integer", pa.int64(), cast_plain_integer, tidy_plain, _DIGITS)
NUMBER_DOT = Reading("number", pa.float64(), cast_plain_number, tidy_plain, _DOT)
NUMBER_COMMA = Reading("number", pa.float64(), with_comma(cast_plain_number), tidy_plain, _COMMA)
DATE = Reading("date", pa.date32(), cast_date, tidy_date_markers, _ISO_DATE)
DATETIME = Reading(
    "datetime", pa.timestamp("us"), cast_datetime(pa.timestamp("us"), 16), tidy_date_markers,
    _ISO_DATETIME,
)  # fmt: skip
DATETIME_UTC = Reading("datetime", UTC, cast_datetime(UTC, 17), tidy_date_markers, _ISO_UTC)
TIME = Reading("time", pa.time32("ms"), cast_time, trim_markers, rf"^{_TIME}$")
BOOLEANS = tuple(
    Reading("boolean", pa.bool_(), cast_words((yes,), (no,)), trim_markers, f"(?i)^(?:{yes}|{no})$")
    for yes, no in BOOLEAN_WORDS
)

# Read by `geometry.GeometryColumn`, which knows the reference system.
GEOMETRY = Reading("geometry", pa.binary(), lambda _: None, trim, "")

_TRUE = (*(yes for yes, _ in BOOLEAN_WORDS), "1")
_FALSE = (*(no for _, no in BOOLEAN_WORDS), "0")
_DECLARED: dict[ColumnType, Reading] = {
    "string": STRING,
    "integer": Reading("integer", pa.int64(), cast_integer, tidy_declared, _DIGITS),
    "number": Reading("number", pa.float64(), cast_any_decimal, tidy_any_decimal, _DOT),
    "boolean": Reading(
        "boolean", pa.bool_(), cast_words(_TRUE, _FALSE), trim,
        f"(?i)^(?:{'|'.join(_TRUE + _FALSE)})$",
    ),
    "date": replace(DATE, tidy=tidy_date),
    "datetime": replace(DATETIME, tidy=tidy_date),
    "time": replace(TIME, tidy=tidy_time),
    "geometry": GEOMETRY,
}  # fmt: skip


def declared_reading(field: SchemaField, decimal: Decimal | None) -> Reading:
    """How a column is read whose type the schema declares.

    More is taken for a value than where the type must be guessed: leading zeros and units of
    numbers, 0 and 1 of booleans, 14h30. A `format` such as %d/%m/%Y admits that form alone.
    Raises ValueError when that format is none.
    """
    if field.type in ("date", "datetime", "time") and (field.format or "").startswith("%"):
        return _formatted(field.type, field.format or "")
    reading = _DECLARED[field.type]
    decimal = field.decimal_char or decimal
    if field.type == "boolean" and (field.true_values or field.false_values):
        return _booleans(field)
    if field.type == "number" and decimal == ",":
        reading = replace(reading, cast=with_comma(cast_number), tidy=tidy_declared, pattern=_COMMA)
    elif field.type == "number" and decimal == ".":
        reading = replace(reading, cast=cast_number, tidy=tidy_declared)
    if field.group_char and field.type in ("number", "integer"):
        return _grouped(reading, field.group_char)
    return reading


def _booleans(field: SchemaField) -> Reading:
    """The words that the schema lists, as they are written there, and no other."""
    yes, no = field.true_values or ("true", "1"), field.false_values or ("false", "0")
    words = "|".join(re.escape(word) for word in yes + no)

    def cast(text: pa.Array) -> pa.Array | None:
        known = pc.is_in(text, pa.array(yes + no))
        if not pc.all(pc.or_(known, pc.is_null(text))).as_py():
            return None
        truth = pc.is_in(text, pa.array(yes))
        return pc.if_else(pc.is_null(text), pa.scalar(None, pa.bool_()), truth)

    return Reading("boolean", pa.bool_(), cast, trim, f"^(?:{words})$")


def _grouped(reading: Reading, mark: str) -> Reading:
    at = re.escape(mark)
    # Before three digits of the whole part, and nowhere else: 1.5 is not 15.
    groups = rf"^\D*\d{{1,3}}(?:{at}\d{{3}})+(?:\D.*)?$"
    elsewhere = rf"^(?:\D*\d{{1,3}}(?:{at}\d{{3}})+\D.*|\D*){at}"

    def tidy(text: pa.Array) -> pa.Array:
        grouped = pc.match_substring_regex(text, groups)
        right = pc.and_not(grouped, pc.match_substring_regex(text, elsewhere))
        return reading.tidy(pc.if_else(right, pc.replace_substring(text, mark, ""), text))

    # Without tidying, 1.234 could pass for a number with decimals.
    def cast(text: pa.Array) -> pa.Array | None:
        return None if pc.any(pc.match_substring(text, mark)).as_py() else reading.cast(text)

    return replace(reading, cast=cast, tidy=tidy)


def with_zone(reading: Reading) -> Reading:
    """The same for moments that name their offset from UTC, kept in UTC."""
    return replace(reading, arrow=UTC, cast=cast_datetime(UTC, 17), pattern=_ISO_UTC)


def _formatted(type_: ColumnType, form: str) -> Reading:
    _moment(dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=dt.UTC).strftime(form), form)
    if (type_, form) == ("date", "%Y-%m-%d"):
        return replace(DATE, cast=cast_iso_date, tidy=trim)
    arrow = UTC if type_ == "datetime" and "%z" in form else ARROW_TYPES[type_]

    def cast(text: pa.Array) -> pa.Array | None:
        coded = text.dictionary_encode()
        try:
            moments = [
                None if value is None else _moment(value, form)
                for value in coded.dictionary.to_pylist()
            ]
        except ValueError:
            return None
        if any(m is not None and _says_more(m, type_) for m in moments):
            return None
        part = {"date": dt.datetime.date, "time": dt.datetime.time}.get(type_)
        values = [part(m) if part and m else m for m in moments]
        return pa.array(values, arrow).take(coded.indices)

    return Reading(type_, arrow, cast, trim, "")


def _says_more(moment: dt.datetime, type_: ColumnType) -> bool:
    """Whether a date has a time of day, or a time a zone or parts of a millisecond: `type_` would
    lose them."""
    if type_ == "date":
        return moment.tzinfo is not None or moment.time() != dt.time()
    return type_ == "time" and (moment.tzinfo is not None or moment.microsecond % 1000 != 0)


def _moment(text: str, form: str) -> dt.datetime:
    return dt.datetime.strptime(text, form)  # noqa: DTZ007 - local time stays local


_CLASSES = (
    ("integer", _DIGITS),
    ("long_integer", r"^-?\d+$"),
    ("number", _DOT),
    ("number", _COMMA),
    ("date", _ISO_DATE),
    ("datetime", _ISO_DATETIME),
    ("datetime_with_zone", _ISO_UTC),
    ("time", rf"^{_TIME}$"),
    ("boolean", f"(?i)^(?:{'|'.join(_TRUE[:-1] + _FALSE[:-1])})$"),
)


# 31 February, 25:00: they look right and are not.
_NONE_SUCH = {
    "date": (DATE, "no_such_date"),
    "datetime": (DATETIME, "no_such_date"),
    "datetime_with_zone": (DATETIME_UTC, "no_such_date"),
    "time": (TIME, "no_such_time"),
}


def classes(text: pa.Array) -> list[str]:
    """The class of each value, for reports: what it looks like, never what it is."""
    tidied = to_iso(ungroup(trim(text)))
    found = ["text"] * len(text)
    for name, pattern in reversed(_CLASSES):
        for at, matches in enumerate(pc.match_substring_regex(tidied, pattern).to_pylist()):
            if matches:
                found[at] = name
    for name, (reading, none) in _NONE_SUCH.items():
        if name in found:
            _, bad = read_each(reading, tidied)
            for at, lost in enumerate(bad.to_pylist() if bad is not None else []):
                found[at] = none if lost and found[at] == name else found[at]
    return found

"""The days that a column's cells say, whatever its type: dates, midnights, texts, numbers."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.anonymize.header_lexicon import kind
from services.anonymize.k_anonymity.hierarchy import IntArray
from services.anonymize.scan_table import is_text, normalised_cells

_EPOCH = dt.date(1970, 1, 1)
# Days are looked for from 1900 to 2099. The second bound also stands for « no day ».
FIRST, LAST = (dt.date(1900, 1, 1) - _EPOCH).days, (dt.date(2100, 1, 1) - _EPOCH).days
_DAY_SECONDS = 86_400
# A spreadsheet counts days from 1899-12-30.
_SERIAL_ZERO = (dt.date(1899, 12, 30) - _EPOCH).days
# Numbers that are no dates prove that the others are none either.
_LEAST_SHARE = 0.9
# How names of months begin, in French and English.
_MONTHS = (
    ("jan", 1), ("fev", 2), ("feb", 2), ("mar", 3), ("avr", 4), ("apr", 4), ("mai", 5), ("may", 5),
    ("juin", 6), ("jun", 6), ("juil", 7), ("jul", 7), ("aou", 8), ("aug", 8), ("sep", 9), ("oct", 10),
    ("nov", 11), ("dec", 12),
)  # fmt: skip
# RE2: what may be a date and nothing else.
_DATED = (
    r"^\s*(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?:[T ]00:00(?::00)?(?:\.0+)?Z?)?"
    r"|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ](?:[0-9]{4}|[0-9]{2})"
    r"|[0-9]{1,2}(?:er)? \p{L}{3,9}\.? [0-9]{4}|(?:19|20)[0-9]{6})\s*$"
)
_LONGEST = 64  # bytes
_PARTS = re.compile(r"[0-9]+|[a-z]+")


def may_hold_days(name: str, given: pa.DataType) -> bool:
    """Whether a column can hold days, by its type and, of numbers, by its name."""
    if pa.types.is_integer(given):
        return kind(name) in ("time", "unknown")
    return is_text(given) or pa.types.is_date(given) or pa.types.is_timestamp(given)


def days_of_cells(name: str, cells: pa.Array) -> tuple[IntArray, IntArray]:
    """The cells that are days, counted from 1970-01-01, and their rows in the batch."""
    rows = _numbers(pc.indices_nonzero(cells.is_valid()))
    filled = cells.drop_null()
    if pa.types.is_date(cells.type):
        return _numbers(filled.cast(pa.date32()).cast(pa.int32())), rows
    if pa.types.is_timestamp(cells.type):
        local = pc.local_timestamp(filled) if cells.type.tz else filled
        seconds = _numbers(local.cast(pa.timestamp("s"), safe=False).cast(pa.int64()))
        midnight = seconds % _DAY_SECONDS == 0
        return seconds[midnight] // _DAY_SECONDS, rows[midnight]
    if pa.types.is_integer(cells.type):
        numbers = _numbers(filled.cast(pa.int64(), safe=False))
        return _of_numbers(numbers, rows, time=kind(name) == "time")
    coded = filled.dictionary_encode()
    # A sentence is no date, and long to bring to one form.
    short = pc.less_equal(pc.binary_length(coded.dictionary), _LONGEST)
    texts = normalised_cells(pc.if_else(short, coded.dictionary, pa.scalar("", cells.type)))
    dated = pc.match_substring_regex(texts, _DATED).to_pylist()
    told = zip(texts.to_pylist(), dated, strict=True)
    days = np.array([_day(text) if one else LAST for text, one in told], np.int64)
    return _dated(days[_numbers(coded.indices)], rows)


def days_of_parts(day: pa.Array, month: pa.Array, year: pa.Array) -> tuple[IntArray, IntArray]:
    """The same of three columns of whole numbers or of their texts."""
    parts = [_whole(column) for column in (day, month, year)]
    there = (parts[0] > 0) & (parts[0] <= 31) & (parts[1] > 0) & (parts[1] <= 12)
    there &= (parts[2] >= 1900) & (parts[2] < 2100)
    rows = np.flatnonzero(there)
    days = [
        _day(f"{y:04}-{m:02}-{d:02}")
        for d, m, y in zip(*(part[rows].tolist() for part in parts), strict=True)
    ]
    return _dated(np.array(days, np.int64), rows)


def _whole(column: pa.Array) -> IntArray:
    """Whole numbers; 0 for what is none."""
    if is_text(column.type):
        texts = pc.utf8_trim_whitespace(column)
        number = pc.match_substring_regex(texts, r"^[0-9]{1,4}$").fill_null(False)
        column = pc.if_else(number, texts, "0").cast(pa.int64())
    elif not pa.types.is_integer(column.type):
        return np.zeros(len(column), np.int64)
    return _numbers(column.cast(pa.int64()).fill_null(0))


def _of_numbers(numbers: IntArray, rows: IntArray, *, time: bool) -> tuple[IntArray, IntArray]:
    """19560312; under a header that says time a spreadsheet's serials too, and seconds of midnights."""
    days = np.full(len(numbers), LAST)
    written = (numbers >= 19_000_101) & (numbers < 21_000_000)
    days[written] = [_day(str(one)) for one in numbers[written]]
    if time:
        seconds = ~written & (numbers % _DAY_SECONDS == 0)
        days[seconds] = numbers[seconds] // _DAY_SECONDS
        serial = (numbers > 0) & (numbers < LAST - _SERIAL_ZERO)
        days[serial] = numbers[serial] + _SERIAL_ZERO
    if np.count_nonzero(days < LAST) < _LEAST_SHARE * len(numbers):
        return days[:0], rows[:0]
    return _dated(days, rows)


def _dated(days: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    return days[days < LAST], rows[days < LAST]


def _numbers(column: pa.Array) -> IntArray:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.int64)


def _day(text: str) -> int:
    """The day that a text says; LAST for none. Two figures of a year are of the hundred up to 2030."""
    plain = unicodedata.normalize("NFKD", text).lower().replace("1er", "1")
    parts = _PARTS.findall("".join(c for c in plain if not unicodedata.combining(c)))[:3]
    if len(parts) == 1:
        parts = [parts[0][:4], parts[0][4:6], parts[0][6:]]
    elif parts and len(parts[0]) < 4:
        parts.reverse()
    with suppress(ValueError, StopIteration):
        year, month, day = parts
        number = int(month) if month.isdigit() else _month(month)
        full = int(year) if len(year) > 2 else int(year) + (2000 if int(year) <= 30 else 1900)
        return (dt.date(full, number, int(day)) - _EPOCH).days
    return LAST


def _month(name: str) -> int:
    return next(number for begins, number in _MONTHS if name.startswith(begins))

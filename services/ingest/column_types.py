"""The types of columns: chosen from all rows, or declared; and the parsing of text into them.

A code keeps its leading zeros: what starts with 0, names itself a code, or has more than 18 digits
stays text. Dates are day first, as in France; an empty cell is null and nothing else is.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from shared.card_parts import ColumnType

_GROUPS = "[ \\x{00a0}\\x{202f}]"
_WHOLE = f"(0|[1-9]\\d*|[1-9]\\d{{0,2}}({_GROUPS}\\d{{3}})+)"
# SIREN and SIRET: numbers in form, codes in use, whatever the header says.
ESTABLISHMENT = "^(\\d{9}|\\d{14})$"
INTEGER = "^[+-]?(0|[1-9]\\d{0,17})$"
GROUPED = f"^[+-]?[1-9]\\d{{0,2}}({_GROUPS}\\d{{3}}){{1,5}}$"
POINT = f"^[+-]?({_WHOLE}(\\.\\d+)?|\\.\\d+)([eE][+-]?\\d{{1,3}})?$"
COMMA = f"^[+-]?({_WHOLE}(,\\d+)?)$"
BOOLEAN = "^(?i)(vrai|faux|true|false|oui|non)$"
TRUE = "^(?i)(vrai|true|oui|1)$"
ISO_DATE = "^\\d{4}-\\d{2}-\\d{2}$"
FR_DATE = "^\\d{1,2}[/.-]\\d{1,2}[/.-](\\d{4}|\\d{2})$"
DATETIME = "^\\d{4}-\\d{2}-\\d{2}[T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,6})?)?(Z|[+-]\\d{2}:?\\d{2})?$"
FR_DATETIME = "^\\d{1,2}[/.-]\\d{1,2}[/.-]\\d{4}[ T]\\d{1,2}[:h]\\d{2}(:\\d{2})?$"
TIME = "^\\d{1,2}:\\d{2}(:\\d{2})?$"

_CODE_WORDS = re.compile(
    r"(^|[^a-z])(code|codes|insee|siren|siret|cp|postal|telephone|tel|fax|finess|uai|rna|nic|ape|naf"
    r"|iris|epci|num(ero)?com|num(ero)?dep|numepci|matricule|reference|ref|id|identifiant|cog)"
    r"([^a-z]|$)|^code|insee|siret|siren"
)


@dataclass(frozen=True)
class Reading:
    """How the text of a column is read: its type and, for numbers and dates, which form."""

    type: ColumnType
    arrow: pa.DataType
    form: str


STRING = Reading("string", pa.string(), "")
READINGS: tuple[Reading, ...] = (
    Reading("integer", pa.int64(), INTEGER),
    Reading("integer", pa.int64(), GROUPED),
    Reading("number", pa.float64(), POINT),
    Reading("number", pa.float64(), COMMA),
    Reading("boolean", pa.bool_(), BOOLEAN),
    Reading("date", pa.date32(), ISO_DATE),
    Reading("date", pa.date32(), FR_DATE),
    Reading("datetime", pa.timestamp("us"), DATETIME),
    Reading("datetime", pa.timestamp("us"), FR_DATETIME),
    Reading("time", pa.time32("s"), TIME),
)
_FORMS: dict[str, str] = {
    "integer": f"{INTEGER}|{GROUPED}",
    "number": f"{POINT}|{COMMA}",
    "boolean": "^(?i)(vrai|faux|true|false|oui|non|0|1)$",
    "date": f"{ISO_DATE}|{FR_DATE}",
    "datetime": f"{DATETIME}|{FR_DATETIME}|{ISO_DATE}|{FR_DATE}",
    "time": TIME,
}


class TypeChoice:
    """Narrows what a column can be, batch after batch."""

    def __init__(self, name: str) -> None:
        self._left = [] if looks_like_code(name) else list(READINGS)
        self._any = False
        self._establishment = True

    def see(self, column: pa.StringArray) -> None:
        """Takes one batch of trimmed text into account."""
        if not self._left or column.null_count == len(column):
            return
        self._any = True
        if self._establishment:
            matches = pc.match_substring_regex(column, ESTABLISHMENT)
            self._establishment = bool(pc.all(matches, min_count=0).as_py())
        self._left = [one for one in self._left if _fits(column, one)]

    @property
    def reading(self) -> Reading:
        """What the whole column is: the narrowest reading that every value fits."""
        if not self._left or not self._any or self._establishment:
            return STRING
        return self._left[0]


def _fits(column: pa.StringArray, reading: Reading) -> bool:
    if not pc.all(pc.match_substring_regex(column, reading.form), min_count=0).as_py():
        return False
    if reading.type in ("date", "datetime", "time"):
        return not bool(pc.any(parse(column, reading)[1], min_count=0).as_py())
    return True


def looks_like_code(name: str) -> bool:
    """Whether a header announces a code, whose digits are not a quantity."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return bool(_CODE_WORDS.search(plain))


def declared_reading(kind: ColumnType) -> Reading:
    """The reading of a declared type, in any of its forms."""
    if kind == "string":
        return STRING
    arrow = next(one.arrow for one in READINGS if one.type == kind)
    return Reading(kind, arrow, _FORMS[kind])


def trimmed(column: pa.StringArray) -> pa.StringArray:
    """The text without white space around it; what is then empty is null."""
    text = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def parse(column: pa.StringArray, reading: Reading) -> tuple[pa.Array, pa.BooleanArray]:
    """The typed column, and which of its values do not fit (those are null in it)."""
    if reading.type == "string":
        return column, pa.array([False] * len(column))
    matches = pc.fill_null(pc.match_substring_regex(column, reading.form), True)
    fitting = pc.if_else(matches, column, pa.scalar(None, pa.string()))
    try:
        typed = _PARSERS[reading.type](fitting).cast(reading.arrow)
    except pa.ArrowInvalid:
        # A date such as 31/02: the batch is read value by value to find it.
        typed = pa.array([_one(value, reading) for value in fitting.to_pylist()], reading.arrow)
    bad = pc.and_(pc.is_valid(column), pc.is_null(typed))
    return typed, bad


def _one(value: str | None, reading: Reading) -> object:
    if value is None:
        return None
    try:
        return _PARSERS[reading.type](pa.array([value])).cast(reading.arrow)[0].as_py()
    except pa.ArrowInvalid:
        return None


def _numbers(column: pa.StringArray) -> pa.Array:
    bare = pc.replace_substring_regex(column, f"{_GROUPS}|^\\+", "")
    return pc.replace_substring(bare, ",", ".")


def _booleans(column: pa.StringArray) -> pa.Array:
    return pc.match_substring_regex(column, TRUE)


def _iso_dates(column: pa.StringArray) -> pa.Array:
    """Text that starts with a date, that date in ISO form."""
    text = pc.replace_substring_regex(column, r"^(\d)([/.-])", r"0\1\2")
    text = pc.replace_substring_regex(text, r"^(\d\d)([/.-])(\d)([/.-])", r"\1\2" + r"0\3\4")
    text = pc.replace_substring_regex(text, r"^(\d\d)[/.-](\d\d)[/.-](\d{4})", r"\3-\2-\1")
    century = str(dt.date.today().year // 100)  # noqa: DTZ011 - the century is enough
    text = pc.replace_substring_regex(
        text, r"^(\d\d)[/.-](\d\d)[/.-]([0-6]\d)$", rf"{century}\3-\2-\1"
    )
    return pc.replace_substring_regex(text, r"^(\d\d)[/.-](\d\d)[/.-]([7-9]\d)$", r"19\3-\2-\1")


def _dates(column: pa.StringArray) -> pa.Array:
    return _iso_dates(column).cast(pa.date32())


def _datetimes(column: pa.StringArray) -> pa.Array:
    text = pc.replace_substring_regex(_iso_dates(column), r"^(\S{10})[ T](\d):", r"\1 0\2:")
    text = pc.replace_substring_regex(text, r"(\d)h(\d)", r"\1:\2")
    zoned = pc.match_substring_regex(text, r"(Z|[+-]\d{2}:?\d{2})$")
    if pc.any(zoned, min_count=0).as_py() and not pc.all(zoned, min_count=0).as_py():
        raise pa.ArrowInvalid("some have a time zone, some have none")
    if pc.any(zoned, min_count=0).as_py():
        return text.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    return text.cast(pa.timestamp("us"))


def _times(column: pa.StringArray) -> pa.Array:
    text = pc.replace_substring_regex(column, r"^(\d):", r"0\1:")
    return pc.replace_substring_regex(text, r"^(\d\d:\d\d)$", r"\1:00").cast(pa.time32("s"))


_PARSERS: dict[str, Callable[[pa.StringArray], pa.Array]] = {
    "integer": _numbers,
    "number": _numbers,
    "boolean": _booleans,
    "date": _dates,
    "datetime": _datetimes,
    "time": _times,
}

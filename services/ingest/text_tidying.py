"""Tidying: text as people write it, rewritten as programs would, before it is cast.

Each function takes distinct values and leaves what it does not know as it is.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# What programs write for "no value". Null only in a column that is otherwise of one type: alone it
# may be a name (Null), a country (NA) or a word. Marks that mean something ("nc", "nd", "s" for
# statistical secrecy) are never among them, nor is any in a column whose type the schema declares.
NULL_MARKERS = ("NULL", "null", "Null", "NA", "N/A", "n/a", "NaN", "nan", "#N/A", "None", "\\N")
_SPACE = r"[ \x{00a0}\x{202f}\x{2009}]"
_GROUPED = rf"^([+-]?\d{{1,3}})((?:{_SPACE}\d{{3}})+)([.,]\d+)?$"
_AFFIX = rf"^(?:€|\$|£|EUR|%){_SPACE}*|{_SPACE}*(?:€|\$|£|EUR|%|‰)$"
_UNITS = (("€", "EUR"), ("$",), ("£",), ("%",), ("‰",))
_SHORT_YEAR = r"^\s*\d{1,2}[/-]\d{1,2}[/-]\d{2}($|[T ])"
_SEPARATORS = np.frombuffer(b"/-.", np.uint8)
_DATE_ENDS = np.frombuffer(b" T", np.uint8)


def trim(text: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def trim_markers(text: pa.Array) -> pa.Array:
    trimmed = trim(text)
    marked = pc.is_in(trimmed, pa.array(NULL_MARKERS))
    return pc.if_else(marked, pa.scalar(None, pa.string()), trimmed)


def ungroup(text: pa.Array) -> pa.Array:
    """1 234 567,5 without its spaces (also non-breaking and narrow ones)."""
    grouped = pc.match_substring_regex(text, _GROUPED)
    return pc.if_else(grouped, pc.replace_substring_regex(text, _SPACE, ""), text)


def tidy_plain(text: pa.Array) -> pa.Array:
    return ungroup(trim_markers(text))


def tidy_declared(text: pa.Array) -> pa.Array:
    """A number that the schema announces may carry its unit: 12 %, 1 500,00 €, +3."""
    bare = pc.replace_substring_regex(trim(text), _AFFIX, "")
    return ungroup(pc.replace_substring_regex(bare, r"^\+", ""))


def tidy_any_decimal(text: pa.Array) -> pa.Array:
    return pc.replace_substring(tidy_declared(text), ",", ".")


def turned(text: pa.Array) -> pa.Array | None:
    """`to_iso` by moving bytes, where every value has the same length and the form dd/mm/yyyy,
    alone or before a time; else None."""
    lengths = pc.min_max(pc.binary_length(text)).as_py()
    width = lengths["min"]
    if text.null_count or text.offset or width is None or not 10 <= width == lengths["max"]:
        return None
    _, starts, data = text.buffers()
    size = len(text) * width
    if starts is None or data is None or np.frombuffer(starts, np.int32, 1)[0] != 0:
        return None
    old = np.frombuffer(data, np.uint8, size).reshape(len(text), width)
    separators = np.isin(old[:, 2], _SEPARATORS) & np.isin(old[:, 5], _SEPARATORS)
    if (
        not separators.all()
        or old.max() > 127
        or (width > 10 and not np.isin(old[:, 10], _DATE_ENDS).all())
    ):
        return None
    new = old.copy()
    new[:, 0:4], new[:, 5:7], new[:, 8:10] = old[:, 6:10], old[:, 3:5], old[:, 0:2]
    new[:, 4] = new[:, 7] = ord("-")
    offsets = np.arange(0, size + 1, width, dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), len(text), [None, pa.py_buffer(offsets), pa.py_buffer(new)]
    )


def to_iso(text: pa.Array) -> pa.Array:
    """Dates, and the dates of moments, in the order and with the zeros of ISO 8601."""
    moved = turned(text)
    if moved is not None:
        return moved
    end = r"($|[T ])"
    for pattern, order in (
        (r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})" + end, r"\1-\2-\3\4"),
        (r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})" + end, r"\3-\2-\1\4"),
        (r"^(\d{1,2})[/-](\d{1,2})[/-]((?:69|[7-9]\d))" + end, r"19\3-\2-\1\4"),
        (r"^(\d{1,2})[/-](\d{1,2})[/-](\d{2})" + end, r"20\3-\2-\1\4"),
        (r"^(\d{4})-(\d)-", r"\1-0\2-"),
        (r"^(\d{4}-\d\d)-(\d)" + end, r"\1-0\2\3"),
        (r"^(\d{4}-\d\d-\d\d[T ])(\d):", r"\10\2:"),
    ):
        text = pc.replace_substring_regex(text, pattern, order)
    return text


def tidy_date(text: pa.Array) -> pa.Array:
    return to_iso(trim(text))


def tidy_date_markers(text: pa.Array) -> pa.Array:
    return to_iso(trim_markers(text))


def tidy_time(text: pa.Array) -> pa.Array:
    """14h30 and 9:05 as 14:30 and 09:05."""
    colon = pc.replace_substring_regex(trim(text), r"^(\d{1,2}) ?[hH] ?(\d{2})$", r"\1:\2")
    return pc.replace_substring_regex(colon, r"^(\d):", r"0\1:")


def units(text: pa.Array) -> frozenset[str]:
    """The units that numbers carry, which `tidy_declared` takes off."""
    return frozenset(
        names[0]
        for names in _UNITS
        if any(pc.any(pc.match_substring(text, name)).as_py() for name in names)
    )


def short_years(text: pa.Array) -> int:
    """How many dates write their year with two digits, whose century is a convention."""
    if text.null_count == len(text) or pc.min(pc.binary_length(text)).as_py() >= 16:
        return 0
    return int(pc.sum(pc.match_substring_regex(text, _SHORT_YEAR)).as_py() or 0)

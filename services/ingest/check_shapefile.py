"""Checks a shapefile's parts before GDAL reads them: what it cannot read there it gives as null, as 0
or as 1 January 1970, without a word.

ESRI Shapefile Technical Description (1998), main file header; dBASE III, header and records.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from services.ingest.column_types import DATE, read_each
from shared.failures import Quarantined
from shared.messages import Reason

_HEADER = 32
_ROWS = 20_000
_DELETED = ord("*")
_KINDS = {"C": "string", "N": "number", "F": "number", "D": "date", "L": "boolean"}
# Of what is true or false; a blank is « not said » and GDAL takes it for false.
_TRUTHS, _BLANK, _UNSAID = np.frombuffer(b"TtYyFfNn?", np.uint8), ord(" "), b"?"
# GDAL cuts a column without decimals to whole numbers.
_WHOLE = r"^(?:[+-]?\d+(?:\.0*)?|\*+)$"
# Asterisks, and NaN, are how programs write that there is no number.
_NUMBER = r"(?i)^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|\*+|-?nan)$"
# What programs write for no date.
_NO_DATE = ("00000000", "0")


class _Field(NamedTuple):
    position: int
    kind: str
    whole: bool
    begin: int
    end: int


def check_shapefile(shapes: Path) -> None:
    """Raises Quarantined: `geo_unreadable` for a part shorter than it says, `column_unreadable` for a
    kind of column that GDAL does not know, and with the column's position and the record's rank
    `type_mismatch` for what is no number, date or truth, `nul_character`.

    The table's blank truths are written anew, as not said.
    """
    for part in (shapes, shapes.with_suffix(".shx")):
        with part.open("rb") as file:
            # In words of 16 bits, the most significant byte first.
            said = int.from_bytes(file.read(28)[24:], "big") * 2
        if said > part.stat().st_size:
            raise Quarantined(Reason(code="geo_unreadable"))
    table = shapes.with_suffix(".dbf")
    with table.open("r+b") as file:
        head = file.read(_HEADER)
        rows, begin, width = (
            int.from_bytes(head[at:end], "little") for at, end in ((4, 8), (8, 10), (10, 12))
        )
        if begin + rows * width > table.stat().st_size:
            raise Quarantined(Reason(code="geo_unreadable"))
        fields = [one for one in _fields(file.read(max(0, begin - _HEADER))) if one.end <= width]
        file.seek(begin)
        for first in range(0, rows if fields else 0, _ROWS):
            count = min(_ROWS, rows - first)
            place = file.tell()
            records = np.frombuffer(file.read(count * width), np.uint8).reshape(count, width)
            for one in fields:
                _check(one, records, first)
            truths = [one.begin for one in fields if one.kind == "boolean"]
            for row, at in np.argwhere(records[:, truths] == _BLANK).tolist():
                file.seek(place + row * width + truths[at])
                file.write(_UNSAID)
            file.seek(place + count * width)


def _fields(described: bytes) -> Iterator[_Field]:
    """Of 32 bytes each; a carriage return ends them."""
    begin = 1
    for position, at in enumerate(range(0, len(described) - _HEADER + 1, _HEADER), 1):
        if described[at] == 0x0D:
            return
        kind, size, decimals = chr(described[at + 11]), described[at + 16], described[at + 17]
        if kind not in _KINDS:
            raise Quarantined(Reason(code="column_unreadable", position=position))
        if kind == "C":
            # Of long texts it is the size's second byte.
            size += decimals << 8
        yield _Field(position, _KINDS[kind], kind == "N" and not decimals, begin, begin + size)
        begin += size


def _check(field: _Field, records: NDArray[np.uint8], first: int) -> None:
    cells = records[:, field.begin : field.end].copy()
    there = records[:, 0] != _DELETED
    if field.kind == "string":
        found = np.flatnonzero(_cut(cells) & there)
        if len(found):
            line = first + int(found[0]) + 1
            raise Quarantined(Reason(code="nul_character", position=field.position, line=line))
        return
    wrong = _no_truth(cells) if field.kind == "boolean" else _no_value(cells, field)
    found = np.flatnonzero(wrong & there)
    if len(found):
        raise Quarantined(
            Reason(
                code="type_mismatch", position=field.position, line=first + int(found[0]) + 1,
                count=len(found), expected="integer" if field.whole else field.kind, found="text",
            )
        )  # fmt: skip


def _cut(cells: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which texts go on after a NUL, where GDAL ends."""
    ended = np.logical_or.accumulate(cells == 0, axis=1)
    found: NDArray[np.bool_] = (ended & (cells != 0) & (cells != _BLANK)).any(axis=1)
    return found


def _no_truth(cells: NDArray[np.uint8]) -> NDArray[np.bool_]:
    known = np.isin(cells, _TRUTHS) | (cells == _BLANK) | (cells == 0)
    found: NDArray[np.bool_] = ~known.all(axis=1)
    return found


def _no_value(cells: NDArray[np.uint8], field: _Field) -> NDArray[np.bool_]:
    cells[cells > 0x7F] = ord("?")
    size = field.end - field.begin
    raw = pa.Array.from_buffers(pa.binary(size), len(cells), [None, pa.py_buffer(cells)])
    text = pc.utf8_trim(raw.cast(pa.binary()).cast(pa.string()), " \x00\t")
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    if field.kind == "date":
        return _no_date(text)
    return _true(pc.invert(pc.match_substring_regex(text, _WHOLE if field.whole else _NUMBER)))


def _no_date(text: pa.Array) -> NDArray[np.bool_]:
    given = pc.if_else(pc.is_in(text, pa.array(_NO_DATE)), pa.scalar(None, pa.string()), text)
    iso = pc.replace_substring_regex(given, r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3")
    _, bad = read_each(DATE, iso)
    other = _true(pc.invert(pc.match_substring_regex(given, r"^\d{8}$")))
    return other if bad is None else other | _true(bad)


def _true(mask: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return found

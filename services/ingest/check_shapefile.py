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
_KINDS = {"N": "number", "F": "number", "D": "date"}
# Asterisks, and NaN, are how programs write that there is no number.
_NUMBER = r"(?i)^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|\*+|-?nan)$"
# What programs write for no date.
_NO_DATE = ("00000000", "0")


class _Field(NamedTuple):
    position: int
    kind: str
    begin: int
    end: int


def check_shapefile(shapes: Path) -> None:
    """Raises Quarantined: `geo_unreadable` for a part shorter than it says, `type_mismatch` with the
    column's position and the record's rank for what is no number or no date."""
    for part in (shapes, shapes.with_suffix(".shx")):
        with part.open("rb") as file:
            # In words of 16 bits, the most significant byte first.
            said = int.from_bytes(file.read(28)[24:], "big") * 2
        if said > part.stat().st_size:
            raise Quarantined(Reason(code="geo_unreadable"))
    table = shapes.with_suffix(".dbf")
    with table.open("rb") as file:
        head = file.read(_HEADER)
        rows, begin, width = (
            int.from_bytes(head[at:end], "little") for at, end in ((4, 8), (8, 10), (10, 12))
        )
        if begin + rows * width > table.stat().st_size:
            raise Quarantined(Reason(code="geo_unreadable"))
        fields = [one for one in _fields(file.read(max(0, begin - _HEADER))) if one.end <= width]
        for first in range(0, rows if fields else 0, _ROWS):
            count = min(_ROWS, rows - first)
            records = np.frombuffer(file.read(count * width), np.uint8).reshape(count, width)
            for one in fields:
                _check(one, records, first)


def _fields(described: bytes) -> Iterator[_Field]:
    """The fields of numbers and dates; 32 bytes describe one, a carriage return ends them."""
    begin = 1
    for position, at in enumerate(range(0, len(described) - _HEADER + 1, _HEADER), 1):
        if described[at] == 0x0D:
            return
        kind, size = chr(described[at + 11]), described[at + 16]
        if kind in _KINDS:
            yield _Field(position, _KINDS[kind], begin, begin + size)
        begin += size


def _check(field: _Field, records: NDArray[np.uint8], first: int) -> None:
    cells = np.ascontiguousarray(records[:, field.begin : field.end])
    cells[cells > 0x7F] = ord("?")
    size = field.end - field.begin
    raw = pa.Array.from_buffers(pa.binary(size), len(cells), [None, pa.py_buffer(cells)])
    text = pc.utf8_trim(raw.cast(pa.binary()).cast(pa.string()), " \x00\t")
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    wrong = _no_number(text) if field.kind == "number" else _no_date(text)
    found = np.flatnonzero(wrong & (records[:, 0] != _DELETED))
    if len(found):
        raise Quarantined(
            Reason(
                code="type_mismatch", position=field.position, line=first + int(found[0]) + 1,
                count=len(found), expected=field.kind, found="text",
            )
        )  # fmt: skip


def _no_number(text: pa.Array) -> NDArray[np.bool_]:
    return _true(pc.invert(pc.match_substring_regex(text, _NUMBER)))


def _no_date(text: pa.Array) -> NDArray[np.bool_]:
    given = pc.if_else(pc.is_in(text, pa.array(_NO_DATE)), pa.scalar(None, pa.string()), text)
    iso = pc.replace_substring_regex(given, r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3")
    _, bad = read_each(DATE, iso)
    return np.zeros(len(text), np.bool_) if bad is None else _true(bad)


def _true(mask: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return found

"""Which records of a shapefile have a geometry: GDAL gives none for a record that is damaged, and ends
at the shorter of table and index, without a word.

ESRI Shapefile Technical Description (1998), index file and main file record contents.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.failures import Quarantined
from shared.messages import Reason

_HEADER, _RECORD_HEADER = 100, 8
_DELETED = ord("*")
_NONE = 0
# Kinds that count their positions, and where in a record's content: after its box, and its parts.
_COUNTED = ((36, (8, 18, 28)), (40, (3, 5, 13, 15, 23, 25, 31)))


def shapes_there(shapes: Path) -> NDArray[np.bool_]:
    """Of each record that is not deleted, in order, whether it has a geometry with positions.

    Raises Quarantined(`geo_unreadable`): table and index of other lengths, an index that leads out
    of the file or to one record twice.
    """
    index = np.fromfile(shapes.with_suffix(".shx"), ">i4", offset=_HEADER)
    starts = index[: len(index) // 2 * 2 : 2].astype(np.int64) * 2 + _RECORD_HEADER
    kept = _kept(shapes.with_suffix(".dbf"))
    if len(starts) != len(kept):
        raise Quarantined(Reason(code="geo_unreadable", count=abs(len(starts) - len(kept))))
    if not len(starts):
        return kept
    content = np.memmap(shapes, np.uint8, "r")
    out = (starts < _HEADER) | (starts + 4 > len(content))
    if out.any() or len(np.unique(starts)) != len(starts):
        raise Quarantined(Reason(code="geo_unreadable"))
    kinds = _numbers(content, starts)
    there: NDArray[np.bool_] = kinds != _NONE
    for at, counted in _COUNTED:
        some = np.flatnonzero(np.isin(kinds, counted))
        there[some] = _numbers(content, starts[some] + at) != 0
    return there[kept]


def _kept(table: Path) -> NDArray[np.bool_]:
    with table.open("rb") as file:
        head = file.read(12)
    rows, begin, width = (
        int.from_bytes(head[at:end], "little") for at, end in ((4, 8), (8, 10), (10, 12))
    )
    if not rows:
        return np.zeros(0, dtype=bool)
    records = np.memmap(table, np.uint8, "r", begin, (rows, width))
    found: NDArray[np.bool_] = records[:, 0] != _DELETED
    return found


def _numbers(content: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """The integers of 32 bits there; 1 where the file ends before, of which GDAL makes nothing."""
    within = at + 4 <= len(content)
    found = np.ones(len(at), np.int64)
    cells = content[at[within, None] + np.arange(4)]
    found[within] = np.ascontiguousarray(cells).view("<i4")[:, 0]
    return found

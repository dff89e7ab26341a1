"""NUL, which is no character of any text: XML cannot hold it, and readers of CSV end there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.failures import Quarantined
from shared.messages import Reason

Lines = Callable[[Sequence[int]], dict[int, int]]


def refuse_nul(columns: Sequence[pa.Array], first: int, lines: Lines) -> None:
    """Raises Quarantined(`nul_character`) with the position and the line of the first text that
    holds one, as CSV's are refused. `first` is the ordinal of the columns' first row."""
    for position, column in enumerate(columns, 1):
        if pa.types.is_string(column.type) and _holds_zero(column):
            held = pc.fill_null(pc.match_substring(column, "\0"), False)
            if (at := held.index(True).as_py()) >= 0:
                line = lines([first + at])[first + at]
                raise Quarantined(Reason(code="nul_character", position=position, line=line))


def _holds_zero(text: pa.Array) -> bool:
    """Whether a zero byte is there at all: one look at the bytes, far cheaper than one per value."""
    _, offsets, data = text.buffers()
    if data is None or not len(text):
        return False
    begin, end = np.frombuffer(offsets, np.int32)[[text.offset, text.offset + len(text)]]
    there = np.frombuffer(data, np.uint8)[begin:end]
    return bool(len(there)) and not there.min()

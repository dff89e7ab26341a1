"""Notices a text column that would hold numbers or dates but for a few values.

It stays text, since every value counts; but who keeps the file should know which lines make it so.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.column_types import (
    DATE,
    NUMBER_COMMA,
    NUMBER_DOT,
    STRING,
    Reading,
    classes,
    read_each,
)
from services.ingest.findings import Findings, Lines
from services.ingest.infer_types import names_a_code
from services.ingest.settle_types import ReadColumn
from services.ingest.source_table import Ordinals
from shared.messages import Reason

_READINGS = (NUMBER_COMMA, NUMBER_DOT, DATE)
_HEAD = 64
# So many values that do not fit are a slip; more in so long a column; never one in five.
_FEW, _OF_MANY, _SHARE = 3, 50, 5
_SHOWN = 3


class NearlyTyped:
    """What one column would be. Feed it every batch, then ask."""

    def __init__(self, column: ReadColumn) -> None:
        self._named = column.named
        free = column.named.field is None and column.reading is STRING
        self._open = free and not names_a_code(column.named.name)
        self._reading: Reading | None = None
        self._findings = Findings(_SHOWN)
        self._values = self._misfits = 0

    def feed(self, ordinals: Ordinals, raw: pa.Array) -> None:
        """Takes a batch of the column into account: its text, and its rows' ordinals."""
        if not self._open or not pa.types.is_string(raw.type) or raw.null_count == len(raw):
            return
        if self._reading is None:
            head = raw.drop_null().slice(0, _HEAD)
            likely = [
                reading for reading in _READINGS if _misfits(reading, head) * _SHARE <= len(head)
            ]
            if not likely:
                self._open = False
                return
            self._reading = min(likely, key=lambda reading: _misfits(reading, raw))
        _, bad = read_each(self._reading, raw)
        self._values += len(raw) - raw.null_count
        if bad is None or not bad.true_count:
            return
        lost = raw.filter(bad)
        self._misfits += len(lost)
        # Digits alone that are no number are codes: what begins with 0.
        codes = pc.any(pc.match_substring_regex(lost, r"^\s*\d+\s*$")).as_py()
        self._open = not codes and self._misfits <= max(_FEW, self._values // _SHARE)
        self._findings.add(
            "type_nearly",
            self._named,
            ordinals[bad.to_numpy(zero_copy_only=False)],
            expected=self._reading.type,
            found=lambda n: map(_class, classes(lost.slice(0, n))),
        )

    def reasons(self, lines: Lines) -> Sequence[Reason]:
        """The first values that do not fit, each with its line, where they are few."""
        few = self._misfits <= max(_FEW, self._values // _OF_MANY)
        if not self._open or not few or self._misfits * _SHARE > self._values:
            return ()
        return self._findings.reasons(lines)


def _class(found: str) -> str:
    """A number that does not fit among numbers has another decimal sign, or a currency's."""
    return "number_otherwise" if found in ("integer", "number") else found


def _misfits(reading: Reading, text: pa.Array) -> int:
    _, bad = read_each(reading, text)
    return bad.true_count if bad is not None else 0

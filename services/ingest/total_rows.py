"""Leaves out the line of totals under a table, and says so.

It is the last row, its first cell says « Total », and none of the many rows above says the same: a
table whose rows are totals keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.column_types import Reading
from services.ingest.source_table import NO_HINTS, Batch, Dropped, SourceFacts, SourceTable

_TOTAL = r"(?i)^\s*(?:total|totaux|sous-total)(?:\s+g[ée]n[ée]ral|\s+général)?\s*:?\s*$"


class WithoutTotals:
    """A table without its line of totals. See `SourceTable`."""

    def __init__(self, table: SourceTable) -> None:
        self._table = table
        self.headers = table.headers
        self.facts: SourceFacts = table.facts
        self.warnings = table.warnings
        self.typed = table.typed
        self.crs = table.crs

    @property
    def dropped(self) -> Dropped:
        return self._table.dropped

    def batches(self, plain: Mapping[int, Reading] = NO_HINTS) -> Iterator[Batch]:
        """All rows but that one."""
        # Where a total stands, a column of numbers holds a word: its text must be seen.
        hints = NO_HINTS if self.dropped.totals else plain
        self.dropped.totals = 0
        before: Batch | None = None
        held: Batch | None = None
        for batch in self._table.batches(hints):
            if held is not None:
                yield held
            before, held = held, batch
        if held is None:
            return
        last = held.rows - 1
        if (
            last > 0
            and _is_total(held, last)
            and not _says_total(held, last)
            and (before is None or not _says_total(before, before.rows))
        ):
            held = Batch(held.ordinals[:last], tuple(c.slice(0, last) for c in held.columns))
            self.dropped.totals = 1
        yield held

    def lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        return self._table.lines(ordinals)


def _is_total(batch: Batch, row: int) -> bool:
    cells = [column[row].as_py() for column in batch.columns]
    filled = [cell for cell in cells if cell not in (None, "")]
    return len(filled) > 1 and isinstance(filled[0], str) and bool(re.match(_TOTAL, filled[0]))


def _says_total(batch: Batch, rows: int) -> bool:
    """Whether one of the first rows has the word in a cell of its own."""
    return any(
        pc.any(pc.match_substring_regex(column.slice(0, rows), _TOTAL)).as_py()
        for column in batch.columns
        if pa.types.is_string(column.type)
    )

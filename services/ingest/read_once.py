"""Makes the table in one reading of its source where types hold from early on, else in two.

A type is settled on all rows, and most are what the first rows say: so the table is written under
those types while the rest is looked at. One value that says otherwise, and what was written is
dropped: the source is then read to its end for the types alone, and once more for the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from services.ingest.draft_table import TableDraft
from services.ingest.parallel_columns import ahead
from services.ingest.read_limits import MIB
from services.ingest.settle_types import ReadColumn, Settling
from services.ingest.source_table import Batch, SourceTable

# So much is looked at before anything is written: columns that are empty or whole at first are many.
HELD_BYTES = 16 * MIB

Start = Callable[[Sequence[ReadColumn]], AbstractContextManager[TableDraft]]


class _TypesChanged(Exception):
    """A reading that the draft is made under holds no longer."""


def read_once(table: SourceTable, settling: Settling, start: Start) -> TableDraft:
    """The whole table, written. Raises those of `table.batches` and of `TableDraft`."""
    batches = ahead(table.batches())
    held = _held(batches, settling)
    try:
        with start(settling.columns()) as draft:
            while held:
                draft.take(held.pop(0))
            for batch in batches:
                settling.feed(batch)
                if settling.readings() != draft.readings:
                    raise _TypesChanged
                draft.take(batch, settling.values)
        return draft
    except _TypesChanged:
        for batch in batches:
            settling.feed(batch)
    with start(settling.columns()) as draft:
        for batch in ahead(table.batches(settling.plain())):
            draft.take(batch)
    return draft


def _held(batches: Iterator[Batch], settling: Settling) -> list[Batch]:
    """The first batches, as many as settle all readings or fill what may be held."""
    held: list[Batch] = []
    room = HELD_BYTES
    while not settling.settled and room > 0 and (batch := next(batches, None)) is not None:
        settling.feed(batch)
        held.append(batch)
        room -= sum(column.nbytes for column in batch.columns)
    return held

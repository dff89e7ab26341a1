"""A source as a table of raw columns that can be read more than once, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from services.ingest.column_types import Reading
from shared.messages import Reason

Ordinals = NDArray[np.int64]
NO_HINTS: Mapping[int, Reading] = {}


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, in source order.

    `ordinals` number the rows as they stand in the source, from 0 after the header, dropped rows
    counted. `columns` are text as written (CSV) or cells by their type (the others), geometries as
    well-known binary; empty is null.
    """

    ordinals: Ordinals
    columns: tuple[pa.Array, ...]

    @property
    def rows(self) -> int:
        return len(self.ordinals)


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """How the source was read, for the quality report. Never a name or a value."""

    format: str
    header_line: int | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: int | None = None


@dataclass(slots=True)
class Dropped:
    """Rows that are no rows: wholly empty ones, the header written again, the line of totals."""

    empty: int = 0
    header: int = 0
    totals: int = 0


class SourceTable(Protocol):
    """What the readers of each format give.

    `typed` says that the format has numbers of its own, so that a text is no number; `crs` names
    the reference system of its geometries, None for WGS 84 (longitude first).
    """

    @property
    def headers(self) -> tuple[str, ...]: ...
    @property
    def facts(self) -> SourceFacts: ...
    @property
    def warnings(self) -> tuple[Reason, ...]: ...
    @property
    def dropped(self) -> Dropped: ...
    @property
    def typed(self) -> bool: ...
    @property
    def crs(self) -> str | None: ...

    def batches(self, plain: Mapping[int, Reading] = NO_HINTS) -> Iterator[Batch]:
        """All rows from the first on, at each call. Raises Quarantined when they cannot be read.

        Columns of `plain` (by position, from 1) are known to hold text that their reading takes as
        it stands: a source may then give their values at once.
        """
        ...

    def lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        """Ordinal → line in the source, from 1. Only after `batches` has run to its end."""
        ...


@dataclass(slots=True)
class RowSieve:
    """Takes out of each batch the rows that are no rows, and counts them."""

    headers: tuple[str, ...]
    dropped: Dropped = field(default_factory=Dropped)

    def sift(self, first: int, columns: Sequence[pa.Array], rows: int) -> Batch:
        ordinals = np.arange(first, first + rows, dtype=np.int64)
        keep = np.ones(rows, dtype=bool)
        if all(column.null_count for column in columns):
            empty = _all(pc.is_null(column) for column in columns)
            self.dropped.empty += int(empty.sum())
            keep &= ~empty
        again = self._header_again(columns)
        if again is not None:
            self.dropped.header += int(again.sum())
            keep &= ~again
        if keep.all():
            return Batch(ordinals, tuple(columns))
        mask = pa.array(keep)
        return Batch(ordinals[keep], tuple(column.filter(mask) for column in columns))

    def _header_again(self, columns: Sequence[pa.Array]) -> NDArray[np.bool_] | None:
        """Rows that repeat the whole header, as files put end to end do; None when there is none.

        A table of one column is left alone: there the header's word can be a value.
        """
        if len(columns) < 2 or any(not pa.types.is_string(c.type) for c in columns):
            return None
        equal = []
        for column, header in zip(columns, self.headers, strict=True):
            same = pc.fill_null(pc.equal(column, header), not header)
            if not pc.any(same).as_py():
                return None
            equal.append(same)
        return _all(equal)


def _all(masks: Iterable[pa.Array]) -> NDArray[np.bool_]:
    found = [mask.to_numpy(zero_copy_only=False) for mask in masks]
    all_true: NDArray[np.bool_] = np.logical_and.reduce(found)
    return all_true

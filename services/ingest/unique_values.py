"""Which values occur more than once, over any number of batches, in bounded memory.

Each row leaves eight bytes, a 64-bit hash of its value. Two different values share one in a table
of ten million rows with a probability of 3 in a million; the price would be a row called a
duplicate that is none, never a duplicate let through.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from services.ingest.source_table import Ordinals
from shared.failures import Quarantined
from shared.messages import Reason

_PARTS = 16


class UniqueValues:
    """Of one column, or of several taken together. A row with a null in any of them is left out,
    as in SQL: whether null is allowed is another rule's matter."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows = 0
        self._hashes: list[NDArray[np.int64]] = []
        self._ordinals: list[Ordinals] = []

    def feed(self, ordinals: Ordinals, columns: Iterable[pa.Array]) -> None:
        """Raises Quarantined(`unique_too_large`) past the limit of rows."""
        # As text: Python gives the numbers -1 and -2 the same hash.
        values = [pc.cast(column, pa.string()).to_pylist() for column in columns]
        keys: Iterable[object] = values[0] if len(values) == 1 else zip(*values, strict=True)
        hashes = np.fromiter(map(hash, keys), np.int64, len(ordinals))
        valid = np.ones(len(ordinals), dtype=bool)
        for column in values:
            valid &= np.fromiter((value is not None for value in column), bool, len(column))
        self._rows += int(valid.sum())
        if self._rows > self._limit:
            raise Quarantined(Reason(code="unique_too_large", limit=self._limit))
        self._hashes.append(hashes[valid])
        self._ordinals.append(ordinals[valid])

    def repeated(self) -> Ordinals:
        """Rows whose value an earlier row has already, in order."""
        if not self._hashes:
            return np.empty(0, dtype=np.int64)
        found = []
        for part in range(_PARTS):
            chosen = [(hashes & (_PARTS - 1)) == part for hashes in self._hashes]
            hashes = np.concatenate([h[c] for h, c in zip(self._hashes, chosen, strict=True)])
            order = np.argsort(hashes, kind="stable")
            again = order[1:][hashes[order][1:] == hashes[order][:-1]]
            if len(again):
                rows = [o[c] for o, c in zip(self._ordinals, chosen, strict=True)]
                found.append(np.concatenate(rows)[again])
        return np.sort(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)

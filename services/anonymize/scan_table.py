"""Scans every cell of every published column. One hit in a hundred thousand cells counts.

Vectorised: each detector's pattern runs over whole columns; only what matches is checked one by one.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from services.anonymize.detectors import (
    DETECTORS,
    Detector,
    header_is_personal,
    number_is_phone,
)
from services.anonymize.normalise import NEEDS_WORK, fold_header, normalise


@dataclass
class Hits:
    """Cells of one column in which one detector found something."""

    count: int
    first_row: int


class Scan:
    """The findings of a table, batch after batch. `cells` is how many were looked at."""

    def __init__(self) -> None:
        self.cells = 0
        self._rows = 0
        self.found: dict[tuple[str, str], Hits] = {}

    def header(self, name: str) -> None:
        """Looks at a column's name."""
        plain = unicodedata.normalize("NFKD", fold_header(name)).encode("ascii", "ignore").decode()
        if header_is_personal(plain):
            self.found[name, "header"] = Hits(1, 0)

    def batch(self, batch: pa.RecordBatch) -> None:
        """Looks at every cell of a batch."""
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            self.cells += len(column)
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                self._text(name, column)
            elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
                self._numbers(name, column)
        self._rows += batch.num_rows

    def _text(self, name: str, column: pa.Array) -> None:
        odd = pc.fill_null(pc.match_substring_regex(column, NEEDS_WORK), False)
        plain = column
        if pc.any(odd, min_count=0).as_py():
            # Dictionary first: a column says the same thing many times.
            coded = pc.filter(column, odd).dictionary_encode()
            mended = pa.array([normalise(t) for t in coded.dictionary.to_pylist()], pa.string())
            plain = pc.replace_with_mask(column, odd, mended.take(coded.indices))
        for detector in DETECTORS:
            self._check(name, plain, detector)

    def _check(self, name: str, column: pa.Array, detector: Detector) -> None:
        candidate = pc.fill_null(pc.match_substring_regex(column, detector.pattern), False)
        if not pc.any(candidate, min_count=0).as_py():
            return
        rows = pc.indices_nonzero(candidate)
        coded = column.take(rows).dictionary_encode()
        verdicts = pa.array([detector.check(text) for text in coded.dictionary.to_pylist()])
        hits = rows.filter(verdicts.take(coded.indices))
        if len(hits):
            self._add(name, detector.name, len(hits), hits[0].as_py())

    def _numbers(self, name: str, column: pa.Array) -> None:
        whole = column
        if pa.types.is_floating(column.type):
            finite = pc.and_(pc.is_finite(column), pc.less(pc.abs(column), 1e16))
            kept = pc.if_else(pc.and_(finite, pc.equal(column, pc.floor(column))), column, None)
            whole = kept.cast(pa.int64())
        large = pc.fill_null(pc.greater_equal(whole, 100_000_000), False)
        if not pc.any(large, min_count=0).as_py():
            return
        rows = pc.indices_nonzero(large)
        values = whole.take(rows).to_pylist()
        self._number_hits(name, "nir", rows, [_number_is_nir(value) for value in values])
        # One in ten numbers has the SIREN's checksum by chance: a column of them has it throughout.
        phones = [number_is_phone(value) for value in values]
        if sum(phones) * 2 > len(values):
            self._number_hits(name, "phone", rows, phones)

    def _number_hits(self, name: str, kind: str, rows: pa.Array, verdicts: list[bool]) -> None:
        hits = rows.filter(pa.array(verdicts, pa.bool_()))
        if len(hits):
            self._add(name, kind, len(hits), hits[0].as_py())

    def _add(self, name: str, kind: str, count: int, row: int) -> None:
        hits = self.found.setdefault((name, kind), Hits(0, self._rows + row))
        hits.count += count


def _number_is_nir(value: int) -> bool:
    """15 digits with the right key: one number in 97 by chance, so the ranges must hold as well."""
    digits = str(value)
    nir = next(detector for detector in DETECTORS if detector.name == "nir")
    return len(digits) in (13, 15) and nir.check(digits)

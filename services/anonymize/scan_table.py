"""Scans every cell of every published column, and the columns' names. One hit is enough.

Vectorised: a detector's pattern runs over whole columns, and only what matches is normalised or
checked one by one, equal texts once. Nothing is sampled and no share of clean cells excuses a hit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from services.anonymize import header_lexicon
from services.anonymize.detector import Detector
from services.anonymize.email_detector import EMAIL
from services.anonymize.nir_detector import NIR
from services.anonymize.normalise import NEEDS_WORK, normalise
from services.anonymize.number_detectors import Hits, NumberTally
from services.anonymize.phone_detector import PHONE, PHONE_IN_PHONE_COLUMN

# Eight digits with little between them: without that there is neither a telephone nor a NIR.
_DIGITS = r"[0-9](?:[^0-9A-Za-z]{0,4}[0-9]){7}|2[ABab][^0-9A-Za-z]{0,4}[0-9]"
# One number and nothing else; a decimal part of zeros is what a float left of a whole number.
_BARE = r"^\s*-?[1-9][0-9]{7,16}(?:[.,]0+)?\s*$"
_POWER = r"^\s*[+-]?[1-9](?:[.,][0-9]+)?[eE]\+?(?:0?[78]|1[0-4])\s*$"
_BLURRED_NIR = re.compile(r"[12][0-9]{2}(?:0[1-9]|1[0-2])(?!00)[0-9]{8}(?:[0-9]{2})?")


@dataclass(frozen=True)
class Finding:
    """Cells of one column in which one detector found something; `line` is the first one's.

    Lines count from 1 in the source, whose header is line 1. `chance` marks right keys among so
    many wrong ones that they prove nothing: recorded, and no reason to stop.
    """

    column: str
    detector: str
    cells: int
    line: int | None = None
    chance: bool = False


class ColumnScan:
    """One column's findings, batch after batch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._kind = header_lexicon.kind(name)
        self._phone = PHONE_IN_PHONE_COLUMN if self._kind == "phone" else PHONE
        self._hits = {"email": Hits(), "phone": Hits(), "nir": Hits()}
        self._numbers = NumberTally(self._kind)

    def see(self, column: pa.Array, first_row: int) -> None:
        """Looks at every cell of one batch, whose first cell stands in `first_row` (from 0)."""
        rows = pc.add(pc.indices_nonzero(column.is_valid()).cast(pa.int64()), first_row)
        cells = column.drop_null()
        if not len(cells):
            return
        if is_text(column.type):
            self._see_text(cells, rows)
        elif pa.types.is_integer(column.type):
            self._numbers.cells(len(cells))
            self._see_whole(cells.cast(pa.int64(), safe=False), rows)
        elif pa.types.is_floating(column.type):
            self._see_floats(cells.cast(pa.float64()), rows)

    def _see_floats(self, cells: pa.DoubleArray, rows: pa.Int64Array) -> None:
        finite = pc.and_(pc.is_finite(cells), pc.less(pc.abs(cells), 1e16))
        whole = pc.and_(finite, pc.equal(cells, pc.floor(cells)))
        fractions = pc.any(pc.and_not(finite, whole), min_count=0).as_py()
        self._numbers.cells(len(cells), fractions)
        self._see_whole(cells.filter(whole).cast(pa.int64()), rows.filter(whole))

    def _see_whole(self, numbers: pa.Int64Array, rows: pa.Int64Array) -> None:
        self._numbers.see(pc.abs(numbers), rows)

    def _see_text(self, cells: pa.StringArray, rows: pa.Int64Array) -> None:
        cells = _normalised(cells)
        self._numbers.cells(len(cells))
        self._check(EMAIL, cells, rows)
        self._see_powers(cells, rows)
        digits = pc.match_substring_regex(cells, _DIGITS)
        if not pc.any(digits, min_count=0).as_py():
            return
        cells, rows = cells.filter(digits), rows.filter(digits)
        bare = pc.match_substring_regex(cells, _BARE)
        plain = pc.replace_substring_regex(cells.filter(bare), r"[.,]0+\s*$|[\s-]", "")
        self._numbers.see(plain.cast(pa.int64()), rows.filter(bare))
        other = pc.invert(bare)
        cells, rows = cells.filter(other), rows.filter(other)
        self._check(self._phone, cells, rows)
        self._check(NIR, cells, rows)

    def _see_powers(self, cells: pa.StringArray, rows: pa.Int64Array) -> None:
        """Numbers that a spreadsheet wrote as powers of ten: `6.12E+08`, `2.95109912611E+14`."""
        power = pc.match_substring_regex(cells, _POWER)
        if not pc.any(power, min_count=0).as_py():
            return
        cells, rows = cells.filter(power), rows.filter(power)
        texts = [text.strip().replace(",", ".") for text in cells.to_pylist()]
        numbers = [int(abs(Decimal(text))) for text in texts]
        # Its last digits are lost, the key with them: the ranges must do.
        blurred = pa.array([bool(_BLURRED_NIR.fullmatch(str(n))) for n in numbers], pa.bool_())
        self._hits["nir"].add(rows.filter(blurred))
        others = pc.invert(blurred)
        self._numbers.see(pa.array(numbers, pa.int64()).filter(others), rows.filter(others))

    def _check(self, detector: Detector, cells: pa.StringArray, rows: pa.Int64Array) -> None:
        candidate = pc.match_substring_regex(cells, detector.pattern)
        if not pc.any(candidate, min_count=0).as_py():
            return
        coded = cells.filter(candidate).dictionary_encode()
        verdicts = pa.array([detector.check(text) for text in coded.dictionary.to_pylist()])
        self._hits[detector.name].add(rows.filter(candidate).filter(verdicts.take(coded.indices)))

    def findings(self) -> list[Finding]:
        """What the whole column holds, its name included."""
        found = []
        if header_lexicon.is_personal(self.name):
            found.append(Finding(self.name, "header", 0))
        numbers = self._numbers.verdict()
        more = {"phone": numbers.phone, "nir": numbers.nir}
        for detector, in_text in self._hits.items():
            hits = in_text.and_more(more.get(detector, Hits()))
            if hits.cells:
                found.append(Finding(self.name, detector, hits.cells, hits.first_row + 2))
        if numbers.chance.cells:
            line = numbers.chance.first_row + 2
            found.append(Finding(self.name, "nir", numbers.chance.cells, line, chance=True))
        return found


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _normalised(cells: pa.StringArray) -> pa.StringArray:
    odd = pc.match_substring_regex(cells, NEEDS_WORK)
    if not pc.any(odd, min_count=0).as_py():
        return cells
    coded = cells.filter(odd).dictionary_encode()
    mended = pa.array([normalise(text) for text in coded.dictionary.to_pylist()], cells.type)
    return pc.replace_with_mask(cells, odd, mended.take(coded.indices))

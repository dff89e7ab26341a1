"""Scans every cell of every published column, and the columns' names. One hit is enough.

Vectorised: a detector's pattern runs over whole columns, and only what matches is normalised or
checked one by one, equal texts once. Nothing is sampled and no share of clean cells excuses a hit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.anonymize import header_lexicon
from services.anonymize.code_detectors import CARD, IBAN, IP, MAC, PLATE
from services.anonymize.detector import Detector
from services.anonymize.email_detector import EMAIL
from services.anonymize.life_detectors import HOME, SPECIAL
from services.anonymize.name_detector import NAME
from services.anonymize.nir_detector import NIR
from services.anonymize.normalise import NEEDS_WORK, normalise
from services.anonymize.number_detectors import Hits, NumberTally
from services.anonymize.phone_detector import PHONE, PHONE_IN_PHONE_COLUMN
from services.anonymize.text_tally import HASH, TextTally

IntArray = npt.NDArray[np.int64]
# Eight digits with little between them: without that there is neither a telephone nor a NIR.
_DIGITS = r"[0-9](?:[^0-9A-Za-z]{0,4}[0-9]){7}|2[ABab][^0-9A-Za-z]{0,4}[0-9]"
# One number and nothing else; a decimal part of zeros is what a float left of a whole number.
_BARE = r"^\s*-?[1-9][0-9]{7,16}(?:[.,]0+)?\s*$"
_POWER = r"^\s*[+-]?[1-9](?:[.,][0-9]+)?[eE]\+?(?:0?[78]|1[0-4])\s*$"
_BLURRED_NIR = re.compile(r"[12][0-9]{2}(?:0[1-9]|1[0-2])(?!00)[0-9]{8}(?:[0-9]{2})?")


_OF_WORDS = (EMAIL, NAME, SPECIAL)
_OF_CODES = (IBAN, CARD, PLATE, IP, MAC, HOME)


def _any_of(*patterns: str) -> str:
    return "|".join(f"(?:{one})" for one in patterns)


# Most columns hold nothing that anyone would look at closely: one pattern says so for all.
_ANY_WORD = _any_of(*(one.pattern for one in _OF_WORDS))
_ANY_CODE = _any_of(*(one.pattern for one in _OF_CODES))
_LIKELY = _any_of(_ANY_WORD, _ANY_CODE, _POWER, _DIGITS)
TEXT_DETECTORS = tuple(one.name for one in (*_OF_WORDS, PHONE, NIR, *_OF_CODES))


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

    def __init__(self, name: str, hits: Callable[[], Hits] = Hits) -> None:
        self.name = name
        self._kind = header_lexicon.kind(name)
        self._phone = PHONE_IN_PHONE_COLUMN if self._kind == "phone" else PHONE
        self._hits = {detector: hits() for detector in TEXT_DETECTORS}
        self._numbers = NumberTally(self._kind)
        self._texts = TextTally(name)

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
        self._numbers.cells(len(cells))
        # Equal cells are looked at once: most columns have far fewer texts than rows.
        coded = cells.dictionary_encode()
        texts = _Texts(normalised_cells(coded.dictionary), coded.indices, rows)
        self._texts.see(texts.unique, texts.rows_of)
        likely = texts.matching(_LIKELY)
        if not len(likely):
            return
        self._check(_OF_WORDS, texts, texts.matching(_ANY_WORD, likely))
        self._see_powers(texts, texts.matching(_POWER, likely))
        codes = texts.matching(_ANY_CODE, likely)
        self._check(_OF_CODES, texts, texts.matching("[0-9]", codes))
        digits = texts.matching(_DIGITS, likely)
        bare = texts.matching(_BARE, digits)
        cells, here = texts.cells_at(bare)
        plain = pc.replace_substring_regex(cells, r"[.,]0+\s*$|[\s-]", "")
        self._numbers.see(plain.cast(pa.int64()), here)
        other = np.setdiff1d(digits, bare, assume_unique=True)
        self._check((self._phone, NIR), texts, other)

    def _see_powers(self, texts: _Texts, places: IntArray) -> None:
        """Numbers that a spreadsheet wrote as powers of ten: `6.12E+08`, `2.95109912611E+14`."""
        if not len(places):
            return
        cells, rows = texts.cells_at(places)
        written = [text.strip().replace(",", ".") for text in cells.to_pylist()]
        numbers = [int(abs(Decimal(text))) for text in written]
        # Its last digits are lost, the key with them: the ranges must do.
        blurred = pa.array([bool(_BLURRED_NIR.fullmatch(str(n))) for n in numbers], pa.bool_())
        self._hits["nir"].add(rows.filter(blurred))
        others = pc.invert(blurred)
        self._numbers.see(pa.array(numbers, pa.int64()).filter(others), rows.filter(others))

    def _check(self, detectors: Sequence[Detector], texts: _Texts, among: IntArray) -> None:
        """Runs detectors over the texts in these places."""
        for detector in detectors:
            places = texts.matching(detector.pattern, among)
            hit = [detector.check(text) for text in texts.unique.take(places).to_pylist()]
            if any(hit):
                self._hits[detector.name].add(texts.rows_at(places[hit]))

    def findings(self) -> list[Finding]:
        """What the whole column holds, its name included."""
        found = []
        if header_lexicon.is_personal(self.name):
            found.append(Finding(self.name, "header", 0))
        numbers = self._numbers.verdict()
        more = {"phone": numbers.phone, "nir": numbers.nir, **self._texts.verdict()}
        for detector in dict.fromkeys((*self._hits, *more)):
            hits = self._hits.get(detector, Hits()).and_more(more.get(detector, Hits()))
            if hits.cells:
                found.append(Finding(self.name, detector, hits.cells, hits.first_row + 2))
        if numbers.chance.cells:
            line = numbers.chance.first_row + 2
            found.append(Finding(self.name, "nir", numbers.chance.cells, line, chance=True))
        return found


@dataclass
class _EachHit(Hits):
    """Hits that remember every row."""

    rows: list[int] = field(default_factory=list)

    def add(self, rows: pa.Array) -> None:
        super().add(rows)
        self.rows += rows.to_pylist()


def scan_column(name: str, column: pa.ChunkedArray) -> list[Finding]:
    """What a whole column's cells and its name show."""
    scan, row = ColumnScan(name), 0
    for chunk in column.chunks:
        scan.see(chunk, row)
        row += len(chunk)
    return scan.findings()


def scan_table(table: pa.Table) -> list[Finding]:
    """The same of every column."""
    return [found for name in table.column_names for found in scan_column(name, table.column(name))]


def cells_found(name: str, column: pa.StringArray) -> pa.BooleanArray:
    """Which cells of a text column any detector finds something in, whatever the others hold.

    A cell that is one number, or one hash, is judged by its column elsewhere: here it counts.
    """
    hits: list[_EachHit] = []

    def remembered() -> Hits:
        hits.append(_EachHit())
        return hits[-1]

    scan = ColumnScan(name, remembered)
    scan.see(column, 0)
    found = np.zeros(len(column), np.bool_)
    for one in hits:
        found[one.rows] = True
    plain = normalised_cells(column)
    for pattern in (_BARE, _POWER, HASH):
        found |= pc.match_substring_regex(plain, pattern).fill_null(False).to_numpy(False)
    return pa.array(found)


@dataclass(frozen=True)
class _Texts:
    """The different texts of a batch, and which of them each of its rows has."""

    unique: pa.StringArray
    indices: pa.Int32Array
    rows: pa.Int64Array

    def matching(self, pattern: str, among: IntArray | None = None) -> IntArray:
        """The places of the texts that match, in order; among those in some places only."""
        if among is None:
            return _places(pc.match_substring_regex(self.unique, pattern))
        if not len(among):
            return among
        matched: IntArray = among[
            _places(pc.match_substring_regex(self.unique.take(pa.array(among)), pattern))
        ]
        return matched

    def rows_of(self, mask: pa.BooleanArray) -> pa.Int64Array:
        """The rows whose text the mask marks."""
        return self.rows.filter(mask.take(self.indices))

    def rows_at(self, places: IntArray) -> pa.Int64Array:
        """The rows whose text stands in these places."""
        return self.rows_of(self._mask(places))

    def cells_at(self, places: IntArray) -> tuple[pa.StringArray, pa.Int64Array]:
        """The same cells and their rows."""
        here = self._mask(places).take(self.indices)
        return self.unique.take(self.indices.filter(here)), self.rows.filter(here)

    def _mask(self, places: IntArray) -> pa.BooleanArray:
        mask = np.zeros(len(self.unique), np.bool_)
        mask[places] = True
        return pa.array(mask)


def _places(mask: pa.BooleanArray) -> IntArray:
    places: IntArray = pc.indices_nonzero(mask).to_numpy(zero_copy_only=False).astype(np.int64)
    return places


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def normalised_cells(cells: pa.StringArray) -> pa.StringArray:
    """The cells in the form that detectors read."""
    odd = pc.match_substring_regex(cells, NEEDS_WORK)
    if not pc.any(odd, min_count=0).as_py():
        return cells
    coded = cells.filter(odd).dictionary_encode()
    mended = pa.array([normalise(text) for text in coded.dictionary.to_pylist()], cells.type)
    return pc.replace_with_mask(cells, odd, mended.take(coded.indices))

"""Telephone numbers and NIR that a table holds as numbers: lost zeros, floats, powers of ten.

Nine digits are a telephone number without its zero, and a SIREN, an IRIS or FINESS code, an amount
as well. So cells are counted and the column decides:

- a header that says telephone: every number of 8 to 15 digits is one;
- at least 90 % of the nine-digit numbers have the SIREN's checksum (Luhn): they are SIREN, none is;
- ten or more mobile-like numbers that all begin with the same two digits: codes of one département;
- a header that says code, amount or time, or a column with fractions: only if 90 % look like mobiles;
- a header that says identifier: only if half of the column looks like mobiles;
- any other header: one mobile-like number (6 or 7 first) is enough, and all nine-digit numbers
  count once 80 % of the column has nine digits.

A NIR of 15 digits has a key, right by chance in one number of 97: among a hundred or more numbers of
15 digits, under 5 % right keys are chance, recorded and passed. 13 digits have none: at least half
of those in the column must be in a NIR's ranges, and they must not be EAN or SIRET by checksum.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from services.anonymize.header_lexicon import Kind

VERSION = 1


@dataclass
class Hits:
    """Cells in which something was found, and the first one's row (from 0)."""

    cells: int = 0
    first_row: int = -1

    def add(self, rows: pa.Array) -> None:
        """Takes the rows of further cells, in ascending order."""
        if len(rows):
            first = int(rows[0].as_py())
            self.first_row = first if self.first_row < 0 else min(first, self.first_row)
            self.cells += len(rows)

    def and_more(self, other: Hits) -> Hits:
        rows = [hits.first_row for hits in (self, other) if hits.cells]
        return Hits(self.cells + other.cells, min(rows, default=-1))


@dataclass
class Verdict:
    """What a column's numbers are: `phone`, `nir`, and right keys that are chance."""

    phone: Hits = field(default_factory=Hits)
    nir: Hits = field(default_factory=Hits)
    chance: Hits = field(default_factory=Hits)


class NumberTally:
    """Counts one column's numbers, batch after batch; `verdict` at the end."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._cells = 0
        self._fractions = False
        self._mobile, self._fixed, self._abroad = Hits(), Hits(), Hits()
        self._dialable = Hits()
        self._nine = self._siren = 0
        self._prefixes: set[int] = set()
        self._fifteen, self._right_key = 0, Hits()
        self._thirteen, self._in_range = 0, Hits()
        self._ean = self._siret = 0

    def cells(self, count: int, fractions: bool = False) -> None:
        """Takes note of `count` cells that are not null, whatever they hold."""
        self._cells += count
        self._fractions |= fractions

    def see(self, numbers: pa.Int64Array, rows: pa.Int64Array) -> None:
        """Counts whole numbers (no nulls) that stand in `rows`."""
        large = pc.greater_equal(numbers, 10_000_000)
        if not pc.any(large, min_count=0).as_py():
            return
        numbers, rows = numbers.filter(large), rows.filter(large)
        self._dialable.add(rows.filter(pc.less(numbers, 10**15)))
        self._see_nine(*_between(numbers, rows, 10**8, 10**9))
        self._abroad.add(_between(numbers, rows, 33_600_000_000, 33_800_000_000)[1])
        self._see_thirteen(*_between(numbers, rows, 10**12, 10**13))
        self._see_fifteen(*_between(numbers, rows, 10**14, 10**15))

    def _see_nine(self, numbers: pa.Int64Array, rows: pa.Int64Array) -> None:
        if not len(numbers):
            return
        self._nine += len(numbers)
        self._siren += _count(luhn(numbers, 9))
        mobile = pc.and_(pc.greater_equal(numbers, 6 * 10**8), pc.less(numbers, 8 * 10**8))
        self._mobile.add(rows.filter(mobile))
        self._fixed.add(rows.filter(pc.invert(mobile)))
        if len(self._prefixes) < 2:
            self._prefixes |= set(pc.unique(pc.divide(numbers.filter(mobile), 10**7)).to_pylist())

    def _see_thirteen(self, numbers: pa.Int64Array, rows: pa.Int64Array) -> None:
        if not len(numbers):
            return
        self._thirteen += len(numbers)
        self._ean += _count(ean13(numbers))
        self._siret += _count(luhn(numbers, 13))
        month = _modulo(pc.divide(numbers, 10**8), 100)
        fits = [
            pc.less(numbers, 3 * 10**12),
            pc.and_(pc.greater_equal(month, 1), pc.less_equal(month, 12)),
            pc.greater(_modulo(pc.divide(numbers, 10**6), 100), 0),
            pc.greater(_modulo(numbers, 1000), 0),
        ]
        self._in_range.add(rows.filter(_all(fits)))

    def _see_fifteen(self, numbers: pa.Int64Array, rows: pa.Int64Array) -> None:
        if len(numbers):
            self._fifteen += len(numbers)
            self._right_key.add(rows.filter(nir15(numbers)))

    def verdict(self) -> Verdict:
        """What the numbers are, now that the whole column was seen."""
        found = Verdict(phone=self._phones())
        if self._fifteen >= 100 and self._right_key.cells * 20 < self._fifteen:
            found.chance = self._right_key
        else:
            found.nir = self._right_key
        other = max(self._ean, self._siret) * 10 >= self._thirteen * 9 and self._thirteen >= 3
        known = self._kind in ("code", "time", "quantity")
        if self._in_range.cells * 2 >= self._thirteen and not other and not known:
            found.nir = found.nir.and_more(self._in_range)
        return found

    def _phones(self) -> Hits:
        if self._kind == "phone":
            return self._dialable
        likely = self._abroad
        one_place = self._mobile.cells >= 10 and len(self._prefixes) == 1
        siren = self._nine >= 3 and self._siren * 10 >= self._nine * 9
        if not one_place and not siren:
            likely = likely.and_more(self._mobile)
        if self._fractions or self._kind in ("code", "quantity", "time"):
            enough = likely.cells >= 3 and likely.cells * 10 >= self._cells * 9
            return likely if enough else Hits()
        if self._kind == "identifier":
            return likely if likely.cells * 2 >= self._cells else Hits()
        if not siren and self._nine >= 3 and self._nine * 10 >= self._cells * 8 and not one_place:
            return likely.and_more(self._fixed)
        return likely


def nir15(numbers: pa.Int64Array) -> pa.BooleanArray:
    """Which numbers of 15 digits are in a NIR's ranges with the right key (97 - body mod 97)."""
    first = pc.divide(numbers, 10**14)
    month = _modulo(pc.divide(numbers, 10**10), 100)
    key = pc.subtract(97, _modulo(pc.divide(numbers, 100), 97))
    return _all(
        [
            pc.is_in(first, value_set=pa.array([1, 2, 3, 4, 7, 8], pa.int64())),
            pc.is_in(month, value_set=_MONTHS),
            pc.greater(_modulo(pc.divide(numbers, 10**8), 100), 0),
            pc.equal(key, _modulo(numbers, 100)),
        ]
    )


def luhn(numbers: pa.Int64Array, digits: int) -> pa.BooleanArray:
    """Which numbers have the checksum of SIREN and SIRET (ISO/IEC 7812-1, annex B)."""
    total: pa.Int64Array | int = 0
    for place in range(digits):
        digit = _modulo(pc.divide(numbers, 10**place), 10)
        if place % 2:
            digit = pc.multiply(digit, 2)
            digit = pc.subtract(digit, pc.if_else(pc.greater(digit, 9), 9, 0))
        total = pc.add(total, digit)
    return pc.equal(_modulo(total, 10), 0)


def ean13(numbers: pa.Int64Array) -> pa.BooleanArray:
    """Which numbers have the checksum of an EAN-13 (GS1 General Specifications, 7.9)."""
    total: pa.Int64Array | int = 0
    for place in range(13):
        digit = _modulo(pc.divide(numbers, 10**place), 10)
        total = pc.add(total, pc.multiply(digit, 3 if place % 2 else 1))
    return pc.equal(_modulo(total, 10), 0)


_MONTHS = pa.array([*range(1, 13), *range(20, 43), *range(50, 100)], pa.int64())


def _between(
    numbers: pa.Int64Array, rows: pa.Int64Array, low: int, high: int
) -> tuple[pa.Int64Array, pa.Int64Array]:
    inside = pc.and_(pc.greater_equal(numbers, low), pc.less(numbers, high))
    return numbers.filter(inside), rows.filter(inside)


def _modulo(numbers: pa.Int64Array, by: int) -> pa.Int64Array:
    return pc.subtract(numbers, pc.multiply(pc.divide(numbers, by), by))


def _all(conditions: list[pa.BooleanArray]) -> pa.BooleanArray:
    result, *rest = conditions
    for one in rest:
        result = pc.and_(result, one)
    return result


def _count(mask: pa.BooleanArray) -> int:
    return int(pc.sum(mask, min_count=0).as_py())

"""Number formats of workbooks that show a day: what a number in such a cell is meant to be."""

from __future__ import annotations

import re

# Formats without a code of their own (ECMA-376 part 1, 18.8.30), with a day or a year.
_BUILT_IN = frozenset({*range(14, 18), 22, *range(27, 32), 36, *range(50, 55), 57, 58})
_LITERAL = re.compile(r"\"[^\"]*\"?|\\.|_.|\*.|\[[^\]]*\]")
_DAY = re.compile(r"[dy]", re.IGNORECASE)


def shows_day(number: int, codes: dict[int, str]) -> bool:
    """Whether the format of this number does: `codes` are those that the workbook defines."""
    if number not in codes:
        return number in _BUILT_IN
    positive = _LITERAL.sub("", codes[number]).split(";")[0]
    return _DAY.search(positive) is not None

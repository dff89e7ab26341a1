"""Cells whose quotes are not as RFC 4180 has them: `"Le "Petit" Bar"`, text after a closing quote.

Readers differ in what they make of such a cell, and each loses some of it. Whether a file can have
one is told by the quotes' neighbours, block by block; only then is it walked through.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_QUOTE = ord('"')
_BLANKS = " \t"


class QuoteWatch:
    """Feed it UTF-8 rows in order. `odd` says that some quote has no place where it stands.

    In a file without one, quotes open and close in turn: what comes before an opening one is a
    delimiter or a line end, what comes after a closing one likewise, and a quote written twice is
    one that closes and one that opens.
    """

    def __init__(self, delimiter: str) -> None:
        written = delimiter.encode()
        self._before, self._after = _among(written[-1]), _among(written[0])
        self._seen = 0
        # The two last bytes: the second waits for what comes after it.
        self._tail = b"\n"
        self.odd = False

    def feed(self, block: bytes) -> None:
        if self.odd or not block:
            return
        if b'"' not in block and not self._tail.endswith(b'"'):
            self._tail = (self._tail + block[-2:])[-2:]
            return
        seen = self._tail + block
        self._tail = seen[-2:]
        data = np.frombuffer(seen, np.uint8)
        at = np.flatnonzero(data[1:-1] == _QUOTE) + 1
        opens, closes = at[self._seen % 2 :: 2], at[1 - self._seen % 2 :: 2]
        self._seen += len(at)
        rightly_opened = self._before[data[opens - 1]].all()
        self.odd = not (rightly_opened and self._after[data[closes + 1]].all())


def _among(delimiter: int) -> NDArray[np.bool_]:
    """Of each byte, whether it may stand beside a quote outside the cell."""
    bytes_ = np.zeros(256, np.bool_)
    bytes_[[delimiter, *b'"\r\n']] = True
    return bytes_


class Place(NamedTuple):
    """A cell's physical line among those given, from 0, and its position in the row, from 1."""

    line: int
    position: int


def misquoted(lines: Iterable[str], delimiter: str) -> Place | None:
    """The first cell in which text follows the closing quote; blanks there are let pass."""
    place = Place(0, 1)
    quoted = False
    for number, line in enumerate(lines):
        at = 0
        if not quoted:
            place = Place(number, 1)
        while True:
            if not quoted and line.startswith('"', at):
                quoted, at = True, at + 1
            if quoted:
                end = _closing(line, at)
                if end < 0:
                    break
                quoted, at = False, end + 1
                cut = line.find(delimiter, at)
                rest = line[at:] if cut < 0 else line[at:cut]
                if rest.rstrip("\r\n").strip(_BLANKS):
                    return place
            cut = line.find(delimiter, at)
            if cut < 0:
                break
            at = cut + len(delimiter)
            place = Place(number, place.position + 1)
    return None


def _closing(line: str, at: int) -> int:
    """Where the quote is that closes the cell, -1 if the line holds none."""
    while (end := line.find('"', at)) >= 0:
        if not line.startswith('"', end + 1):
            return end
        at = end + 2
    return -1

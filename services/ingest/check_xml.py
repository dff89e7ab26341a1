"""A look at XML bytes as they stream by, before a parser reads them.

No parser yet: it would cost as much as the real one. Block by block the bytes are searched for what
must not be there, and counted where only an attack goes past the limit.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from services.ingest.read_limits import ReadLimits
from shared.failures import Quarantined
from shared.messages import Reason

_OVERLAP = 32
_WINDOW = 2048
_FORBIDDEN = re.compile(rb"<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_INCLUDE = b"http://www.w3.org/2001/XInclude"
_REFERENCE = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{2,8})[0-9]{1,12}["']""")
_ROW = re.compile(rb"""\sr\s*=\s*["']([0-9]{1,12})""")
_ERROR = b't="e"'
# A cell whose formula has no value saved with it; one that gives an empty text has its type.
_UNCOMPUTED = re.compile(
    rb"""<c\b(?![^>]*\bt=["']str)[^>]*>\s*<f\b(?:[^>]*/>|[^>]*>[^<]*</f>)\s*(?:</c>|<v\s*/>|<v>\s*</v>)"""
)
_FORMULA, _CELL_END = ord("f"), b"</c>"
_OPEN, _SLASH, _CLOSE, _BANG, _QUERY = b"</>!?"
_EQUALS, _R, _T, _E, _NINE, _SPACE = b"=rte9 "
_LETTERS, _BEFORE_A, _UPPER = 26, ord("A") - 1, 0xDF
# So many letters make a column far past any limit.
_MOST_LETTERS = 8
# What follows an attribute's `=` for as long as it matters; less than what blocks overlap by.
_AHEAD = 24
# A longer cell is a text's, which has no formula.
_MOST_CELL = 1 << 16


class XmlCheck:
    """Feed it an XML part's bytes in order. Raises Quarantined at once.

    `error_cells` counts a sheet's cells such as #N/A, `uncomputed` its formulas that no program has
    calculated: both reach a reader as empty.
    """

    def __init__(self, limits: ReadLimits, *, sheet: bool) -> None:
        self._limits = limits
        self._sheet = sheet
        self._tail = b""
        self._held = b""
        self._token = b""
        self._depth = 0
        self._first = True
        self._declared = False
        self._last_row = 0
        self._last_column = _LETTERS
        self.error_cells = self.uncomputed = 0
        self._cell = b""

    def feed(self, chunk: bytes) -> None:
        if not chunk:
            return
        if self._first:
            self._first = False
            # The workbook reader knows UTF-8 alone; another encoding would hide from this check.
            if chunk[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in chunk[:4]:
                raise Quarantined(Reason(code="xml_encoding"))
        seen = self._tail + chunk
        declared = self._nesting(chunk)
        # One that began in the block before may say only here what it declares.
        if (declared or self._declared) and (found := _FORBIDDEN.search(seen)):
            entity = b"<!ENTITY" in seen[found.start() :].upper()
            raise Quarantined(Reason(code="xml_entity" if entity else "xml_dtd"))
        self._declared = declared
        if _INCLUDE in seen:
            raise Quarantined(Reason(code="xml_entity"))
        self._tokens(chunk)
        if self._sheet:
            self._extent(seen)
            self._formulas(chunk)
        self._tail = seen[-_OVERLAP:]

    def _nesting(self, chunk: bytes) -> bool:
        """Depth at the end of each block: an attack of many thousand levels spans several. Whether
        there is a declaration in it."""
        block = self._held + chunk
        # What is cut at the block's edge waits for its other half.
        self._held = block[-1:] if block.endswith((b"<", b"/")) else b""
        data = np.frombuffer(block, np.uint8)[: len(block) - len(self._held)]
        opens, slashes, closes = data == _OPEN, data == _SLASH, data == _CLOSE
        before, after = opens[:-1], data[1:]
        declarations = _count(before & (after == _BANG))
        deeper = _count(opens) - declarations - _count(before & (after == _QUERY))
        closing, empty = _count(before & slashes[1:]), _count(slashes[:-1] & closes[1:])
        self._depth = max(0, self._depth + deeper - 2 * closing - empty)
        if self._depth > self._limits.xml_depth:
            raise Quarantined(Reason(code="xml_depth", limit=self._limits.xml_depth))
        return declarations > 0

    def _tokens(self, chunk: bytes) -> None:
        """Tags and texts longer than a window: rare, and looked at closely."""
        if len(self._token) < _WINDOW and _all_short(chunk):
            self._token = chunk[chunk.rfind(b">") + 1 :]
            return
        for start in range(0, len(chunk), _WINDOW):
            window = chunk[start : start + _WINDOW]
            end = window.find(b">")
            if end < 0:
                self._token += window
                if len(self._token) > self._limits.xml_token_bytes:
                    raise Quarantined(Reason(code="xml_token", limit=self._limits.xml_token_bytes))
                continue
            if len(self._token) >= _WINDOW:
                self._token += window[:end]
                tag = self._token[self._token.rfind(b"<") :]
                if tag.count(b"=") > self._limits.xml_attributes:
                    raise Quarantined(
                        Reason(code="xml_attributes", limit=self._limits.xml_attributes)
                    )
            self._token = window[window.rfind(b">") + 1 :]

    def _extent(self, seen: bytes) -> None:
        """Bounds of the grid that a reader would lay out, from the cells' own references; and cells
        that hold an error. Both are attributes, so only what stands about a `=` is looked at, once
        all of it is there."""
        data = np.frombuffer(seen, np.uint8)
        first, last = max(2, len(self._tail) - _AHEAD), max(2, len(seen) - _AHEAD)
        at = np.flatnonzero(data[first:last] == _EQUALS) + first
        name, value = data[at - 1], data[at + 2]
        errors = at[(name == _T) & (value == _E)].tolist()
        self.error_cells += sum(seen.startswith(_ERROR, place - 1) for place in errors)
        if _any((name <= _SPACE) | (data[at + 1] <= _SPACE)):
            self._grow(_ROW.findall(seen), _REFERENCE.findall(seen))
        at = at[(name == _R) & (data[at - 2] <= _SPACE)]
        rows = at[data[at + 2] <= _NINE].tolist()
        wide = at[(data[at + 2] > _NINE) & (data[at + 3] > _NINE)]
        wider = wide[_columns(data, wide) > self._last_column].tolist()
        self._grow(
            [found[1] for place in rows if (found := _ROW.match(seen, place - 2))],
            [found[1] for place in wider if (found := _REFERENCE.match(seen, place - 2))],
        )

    def _formulas(self, chunk: bytes) -> None:
        """Only whole cells are looked at: what is left of the last one waits."""
        end = chunk.rfind(_CELL_END)
        cells, rest = (
            (self._cell + chunk[:end] + _CELL_END, chunk[end:]) if end >= 0 else (b"", b"")
        )
        if _begins(cells, _FORMULA):
            self.uncomputed += len(_UNCOMPUTED.findall(cells))
        self._cell = rest if end >= 0 else (self._cell + chunk)[-_MOST_CELL:]

    def _grow(self, rows: list[bytes], letters: list[bytes]) -> None:
        limits = self._limits
        self._last_row = max(self._last_row, *map(int, rows), 0)
        self._last_column = max(self._last_column, *map(_column_number, set(letters)), 0)
        if self._last_row > limits.sheet_rows or self._last_column > limits.sheet_columns:
            raise Quarantined(Reason(code="sheet_too_large", limit=limits.sheet_rows))
        if self._last_row * self._last_column > limits.sheet_cells:
            raise Quarantined(Reason(code="sheet_too_large", limit=limits.sheet_cells))


def _columns(data: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of columns that the letters, from two bytes after each of `at`, would be."""
    number = np.zeros(len(at), np.int64)
    if not len(at):
        return number
    more = np.ones(len(at), np.bool_)
    for place in range(2, 2 + _MOST_LETTERS):
        byte = data[at + place]
        more &= byte > _NINE
        number = np.where(more, number * _LETTERS + (byte & _UPPER) - _BEFORE_A, number)
    return number


def _begins(block: bytes, letter: int) -> bool:
    """Whether a tag of the block begins with the letter."""
    data = np.frombuffer(block, np.uint8)
    return _any((data[:-1] == _OPEN) & (data[1:] == letter))


def _count(mask: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))


def _any(mask: NDArray[np.bool_]) -> bool:
    return bool(mask.any())


def _all_short(chunk: bytes) -> bool:
    """Whether every half window has an end of a tag, so that nothing is as long as a window."""
    half = _WINDOW // 2
    if len(chunk) < half:
        return False
    whole = len(chunk) - len(chunk) % half
    ends = np.frombuffer(chunk, np.uint8, whole).reshape(-1, half) == _CLOSE
    return bool(ends.any(axis=1).all())


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * _LETTERS + letter - ord("A") + 1
    return number

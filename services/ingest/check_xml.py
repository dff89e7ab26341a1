"""A look at XML bytes as they stream by, before a parser reads them.

No parser yet: it would cost as much as the real one. Block by block the bytes are searched for what
must not be there, and counted where only an attack goes past the limit.
"""

from __future__ import annotations

import re

import numpy as np

from services.ingest.read_limits import ReadLimits
from shared.failures import Quarantined
from shared.messages import Reason

_OVERLAP = 32
_WINDOW = 2048
_FORBIDDEN = re.compile(rb"<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_INCLUDE = b"http://www.w3.org/2001/XInclude"
_WIDE = re.compile(rb"""r=["'][A-Za-z]{2}""")
_REFERENCE = re.compile(rb"""\sr=["']([A-Za-z]{2,8})([0-9]{1,12})["']""")
_ROW = re.compile(rb"""<row\s[^>]*?\br=["']([0-9]{1,12})""")
_PREFIXED_ROW = re.compile(rb"""<\w+:row\s[^>]*?\br=["']([0-9]{1,12})""")
_OPEN, _SLASH, _CLOSE = b"</>"
_LETTERS = 26


class XmlCheck:
    """Feed it an XML part's bytes in order. Raises Quarantined at once.

    `error_cells` counts a sheet's cells such as #N/A, which reach a reader as empty.
    """

    def __init__(self, limits: ReadLimits, *, sheet: bool) -> None:
        self._limits = limits
        self._sheet = sheet
        self._tail = b""
        self._held = b""
        self._token = b""
        self._depth = 0
        self._first = True
        self._last_row = 0
        self._last_column = _LETTERS
        self.error_cells = 0

    def feed(self, chunk: bytes) -> None:
        if self._first and chunk:
            self._first = False
            # The workbook reader knows UTF-8 alone; another encoding would hide from this check.
            if chunk[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in chunk[:4]:
                raise Quarantined(Reason(code="xml_encoding"))
        seen = self._tail + chunk
        if b"<!" in seen and (found := _FORBIDDEN.search(seen)):
            entity = b"<!ENTITY" in seen[found.start() :].upper()
            raise Quarantined(Reason(code="xml_entity" if entity else "xml_dtd"))
        if _INCLUDE in seen:
            raise Quarantined(Reason(code="xml_entity"))
        self._nesting(chunk)
        self._tokens(chunk)
        if self._sheet:
            self.error_cells += seen.count(b't="e"', max(0, len(self._tail) - 4))
            self._extent(seen)
        self._tail = seen[-_OVERLAP:]

    def _nesting(self, chunk: bytes) -> None:
        """Depth at the end of each block: an attack of many thousand levels spans several."""
        block = self._held + chunk
        # What is cut at the block's edge waits for its other half.
        self._held = block[-1:] if block.endswith((b"<", b"/")) else b""
        block = block.removesuffix(self._held)
        data = np.frombuffer(block, np.uint8)
        opens, slashes, closes = data == _OPEN, data == _SLASH, data == _CLOSE
        deeper = int(opens.sum()) - block.count(b"<?") - block.count(b"<!")
        closing = int((opens[:-1] & slashes[1:]).sum())
        empty = int((slashes[:-1] & closes[1:]).sum())
        self._depth = max(0, self._depth + deeper - 2 * closing - empty)
        if self._depth > self._limits.xml_depth:
            raise Quarantined(Reason(code="xml_depth", limit=self._limits.xml_depth))

    def _tokens(self, chunk: bytes) -> None:
        """Tags and texts longer than a window: rare, and looked at closely."""
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
        """Bounds of the grid that a reader would lay out, from the cells' own references."""
        limits = self._limits
        rows = _ROW.findall(seen) + (_PREFIXED_ROW.findall(seen) if b":row" in seen else [])
        self._last_row = max(self._last_row, *map(int, rows), 0)
        if _WIDE.search(seen):
            letters = {found[0] for found in _REFERENCE.findall(seen)}
            self._last_column = max(self._last_column, *map(_column_number, letters), 0)
        if self._last_row > limits.sheet_rows or self._last_column > limits.sheet_columns:
            raise Quarantined(Reason(code="sheet_too_large", limit=limits.sheet_rows))
        if self._last_row * self._last_column > limits.sheet_cells:
            raise Quarantined(Reason(code="sheet_too_large", limit=limits.sheet_cells))


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * _LETTERS + letter - ord("A") + 1
    return number

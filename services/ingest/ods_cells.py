"""Cells of an OpenDocument sheet of which its reader loses something: merged ones, and texts with tabs,
line breaks or CDATA, whose parts it joins or leaves out (ODF 1.3 part 3, 6.1.4, 6.1.5, 19.676).

Few sheets have any: their marks are counted while the archive is checked (`ods_extent`), and only
where there are some is the sheet walked through, to the last of them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from services.ingest.cell_text import Cell
from shared.failures import Quarantined
from shared.messages import Reason

_BLOCK = 1 << 18
_CELLS = ("table:table-cell", "table:covered-table-cell")
_LOST = {"text:tab": "\t", "text:line-break": "\n"}
# Nothing repeated so often is anything but empty.
_MOST_REPEATS = 10_000

Ranges = dict[tuple[int, int], tuple[int, int]]
Texts = dict[tuple[int, int], str]


class OdsCells(NamedTuple):
    """Merged cells: top left → bottom right; and texts as they are written, by row and column, all
    from 0 in the sheet."""

    merged: Ranges
    texts: Texts


def find_cells(source: Path, sheet: int, marks: int) -> OdsCells:
    """Of the sheet (from 0), the file holding so many `marks`. Raises
    Quarantined(`workbook_unreadable`)."""
    walk = _Walk(sheet)
    try:
        with zipfile.ZipFile(source) as archive, archive.open("content.xml") as file:
            while walk.sheet <= sheet and (walk.marks < marks or walk.open):
                block = file.read(_BLOCK)
                walk.parser.Parse(block, not block)
                if not block:
                    break
    except (expat.ExpatError, zipfile.BadZipFile, OSError, ValueError, LookupError):
        raise Quarantined(Reason(code="workbook_unreadable")) from None
    return walk.found


def put_texts(
    rows: Iterator[list[Cell]], texts: Mapping[tuple[int, int], str], left: int
) -> Iterator[list[Cell]]:
    """The sheet's rows, whose first column is `left`, with the texts as they are written."""
    lines = {row for row, _ in texts}
    for at, row in enumerate(rows):
        yield [texts.get((at, left + i), c) for i, c in enumerate(row)] if at in lines else row


class _Walk:
    def __init__(self, wanted: int) -> None:
        self.found = OdsCells({}, {})
        self.marks = 0
        self.sheet = -1
        self.open = False
        self._wanted = wanted
        self._row = self._column = 0
        self._rows = self._columns = 1
        self._parts: list[str] = []
        self._paragraphs = 0
        self._lost = False
        self._said = False
        self._aside = 0
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartCdataSectionHandler = self._cdata
        self.parser = parser

    def _start(self, name: str, told: dict[str, str]) -> None:
        if name == "table:table":
            self.sheet += 1
            self._row = 0
        elif name == "table:table-row":
            self._rows = int(told.get("table:number-rows-repeated", 1))
            self._column = 0
        elif name in _CELLS:
            self._begin(told)
        elif name == "office:annotation":
            self._aside += 1
        elif name in ("text:p", "text:h") and not self._aside:
            self._parts += ["\n"] * (self._paragraphs > 0)
            self._paragraphs += 1
        elif name == "text:s":
            self._text(" " * min(int(told.get("text:c", 1)), _MOST_REPEATS))
        elif name in _LOST:
            self.marks += 1
            self._lost = self._lost or not self._aside
            self._text(_LOST[name])

    def _begin(self, told: dict[str, str]) -> None:
        self._columns = int(told.get("table:number-columns-repeated", 1))
        self._parts, self._paragraphs, self._lost, self.open = [], 0, False, True
        self._said = told.get("office:value-type") != "string" or "office:string-value" in told
        if "table:number-columns-spanned" not in told:
            return
        self.marks += 1
        wide = int(told["table:number-columns-spanned"])
        tall = int(told.get("table:number-rows-spanned", 1))
        if self.sheet == self._wanted and min(wide, tall) > 0 and wide * tall > 1:
            last = (self._row + tall - 1, self._column + wide - 1)
            self.found.merged[self._row, self._column] = last

    def _cdata(self) -> None:
        self.marks += 1
        self._lost = self._lost or not self._aside

    def _text(self, text: str) -> None:
        if self.open and not self._aside:
            self._parts.append(text)

    def _end(self, name: str) -> None:
        if name == "table:table-row":
            self._row += self._rows
        elif name == "office:annotation":
            self._aside -= 1
        elif name in _CELLS:
            if self._lost and not self._said and self.sheet == self._wanted:
                text = "".join(self._parts)
                for row in range(self._row, self._row + min(self._rows, _MOST_REPEATS)):
                    for column in range(min(self._columns, _MOST_REPEATS)):
                        self.found.texts[row, self._column + column] = text
            self._column += self._columns
            self.open = False

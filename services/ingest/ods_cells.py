"""Cells of an OpenDocument sheet of which its reader loses something: merged ones, texts with tabs, line
breaks or CDATA, whose parts it joins or leaves out, and those of `ods_values` (ODF 1.3 part 3, 6.1.4,
6.1.5, 19.387, 19.676).

Few sheets have any: their marks are counted while the archive is checked (`ods_extent`), and only
where there are some is the sheet walked through, to the last of them.
"""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from services.ingest.cell_text import Cell, as_text
from services.ingest.ods_values import SHOWN_ERROR
from shared.failures import Quarantined
from shared.messages import Reason

_BLOCK = 1 << 18
_CELLS = ("table:table-cell", "table:covered-table-cell")
_LOST = {"text:tab": "\t", "text:line-break": "\n"}
# Of spaces: nobody writes so many.
_MOST_SPACES = 10_000
_VALUES = ("office:value", "office:date-value", "office:time-value", "office:string-value")
_TRUTHS = ("true", "TRUE", "false", "FALSE")
_OTHER_TRUTHS = {"1": "true", "True": "true", "0": "false", "False": "false"}
_TRUTH, _TIME = "office:boolean-value", "office:time-value"
_DURATION = re.compile(
    r"(-?)P(?:(\d{1,6})D)?(?:T(?:(\d{1,8})H)?(?:(\d{1,8})M)?(?:(\d{1,9}(?:\.\d+)?)S)?)?"
)

Ranges = dict[tuple[int, int], tuple[int, int]]
# Row → column → what the cell holds.
Texts = Mapping[int, Mapping[int, str]]


class OdsCells(NamedTuple):
    """Merged cells: top left → bottom right; and texts in place of what the reader gives, by row and
    column; all from 0 in the sheet, which is the first wanted one that holds some, or the last."""

    sheet: int
    merged: Ranges
    texts: Texts


def find_cells(source: Path, sheets: Collection[int], marks: int) -> OdsCells:
    """Of the first of the sheets (from 0, in order) that has texts, else of the last; the file holds so
    many `marks`, or fewer. Raises Quarantined(`workbook_unreadable`)."""
    walk = _Walk(sheets)
    last = max(sheets)
    try:
        with zipfile.ZipFile(source) as archive, archive.open("content.xml") as file:
            while walk.sheet <= last and (walk.marks < marks or walk.open):
                block = file.read(_BLOCK)
                walk.parser.Parse(block, not block)
                if not block:
                    break
    except (expat.ExpatError, zipfile.BadZipFile, OSError, ValueError, LookupError):
        raise Quarantined(Reason(code="workbook_unreadable")) from None
    found = next((at for at in sorted(sheets) if walk.texts.get(at)), last)
    return OdsCells(found, walk.merged.get(found, {}), walk.texts.get(found, {}))


def first_column(texts: Texts, left: int | None) -> int:
    """The first that holds something: `left` is that of what the reader has found, None for nothing."""
    firsts = [min(row) for row in texts.values()] + ([] if left is None else [left])
    return min(firsts, default=0)


def put_texts(rows: Iterator[list[Cell]], texts: Texts, left: int | None) -> Iterator[list[Cell]]:
    """The sheet's rows with the texts as they are written; the reader's begin with the column `left`,
    these with `first_column`. Texts may stand beyond what the reader has found."""
    first = first_column(texts, left)
    before: list[Cell] = [""] * ((first if left is None else left) - first)
    width = max((max(row) for row in texts.values()), default=first - 1) + 1 - first
    at = -1
    for at, row in enumerate(rows):
        wide = before + row
        wide += [""] * (width - len(wide))
        for column, text in texts.get(at, {}).items():
            wide[column - first] = text
        width = len(wide)
        yield wide
    for below in range(at + 1, max(texts, default=-1) + 1):
        told = texts.get(below, {})
        yield [told.get(first + column, "") for column in range(width)]


class _Walk:
    def __init__(self, wanted: Collection[int]) -> None:
        self.merged: dict[int, Ranges] = {}
        self.texts: dict[int, dict[int, dict[int, str]]] = {}
        self.marks = 0
        self.sheet = -1
        self.open = False
        self._wanted = wanted
        self._row = self._column = 0
        self._rows = self._columns = 1
        self._told: dict[str, str] = {}
        self._of_row: dict[int, str] = {}
        self._parts: list[str] = []
        self._paragraphs = 0
        self._lost = self._said = False
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
            self._of_row = {}
        elif name in _CELLS:
            self._begin(told)
        elif name.startswith("draw:"):
            self.marks += 1
            self._lost = self._lost or self.open
            self._aside += 1
        elif name == "office:annotation":
            self._aside += 1
        elif name.startswith("text:"):
            self._part(name, told)

    def _part(self, name: str, told: dict[str, str]) -> None:
        if name.startswith("text:p") and self.open and not self._said:
            self.marks += 1
        if name in ("text:p", "text:h") and not self._aside:
            self._parts += ["\n"] * (self._paragraphs > 0)
            self._paragraphs += 1
        elif name == "text:s":
            self._text(" " * min(int(told.get("text:c", 1)), _MOST_SPACES))
        elif name in _LOST:
            self.marks += 1
            self._lost = self._lost or not self._aside
            self._text(_LOST[name])

    def _begin(self, told: dict[str, str]) -> None:
        self._columns = int(told.get("table:number-columns-repeated", 1))
        self._parts, self._paragraphs, self._lost, self.open = [], 0, False, True
        self._told = told
        self._said = told.get("office:value-type") == "string" or any(
            name in told for name in (*_VALUES, _TRUTH)
        )
        self.marks += _is_odd(told)
        if "table:number-columns-spanned" not in told:
            return
        self.marks += 1
        wide = int(told["table:number-columns-spanned"])
        tall = int(told.get("table:number-rows-spanned", 1))
        if self.sheet in self._wanted and min(wide, tall) > 0 and wide * tall > 1:
            last = (self._row + tall - 1, self._column + wide - 1)
            self.merged.setdefault(self.sheet, {})[self._row, self._column] = last

    def _cdata(self) -> None:
        self.marks += 1
        self._lost = self._lost or not self._aside

    def _text(self, text: str) -> None:
        if self.open and not self._aside:
            self._parts.append(text)

    def _end(self, name: str) -> None:
        if name == "table:table-row":
            if self._of_row:
                rows = self.texts.setdefault(self.sheet, {})
                rows.update(dict.fromkeys(range(self._row, self._row + self._rows), self._of_row))
            self._row += self._rows
        elif name == "office:annotation" or name.startswith("draw:"):
            self._aside -= 1
        elif name in _CELLS:
            if self.sheet in self._wanted and (text := self._value()) is not None:
                places = range(self._column, self._column + self._columns)
                self._of_row.update(dict.fromkeys(places, text))
            self._column += self._columns
            self.open = False

    def _value(self) -> str | None:
        """What the cell holds, where its reader gives something else."""
        told = self._told
        text = "".join(self._parts)
        if "table:formula" in told and SHOWN_ERROR.fullmatch(text):
            return ""
        if _is_odd(told):
            truth = told.get(_TRUTH)
            return _duration(told[_TIME]) if truth is None else _OTHER_TRUTHS.get(truth, truth)
        if not self._said:
            return text or None
        lost = self._lost and not any(name in told for name in (*_VALUES, _TRUTH))
        return text if lost else None


def _is_odd(told: dict[str, str]) -> bool:
    """Whether it says a truth or a time that its reader does not know."""
    truth, time = told.get(_TRUTH), told.get(_TIME)
    if truth is not None and truth not in _TRUTHS:
        return True
    return time is not None and not re.match(r"PT(?:[01]\d|2[0-3])H", time)


def _duration(text: str) -> str:
    """A duration (XML Schema 1.1 part 2, 3.3.6) to the millisecond, as those of other workbooks."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return text
    sign, days, hours, minutes, seconds = found.groups(default="0")
    took = dt.timedelta(int(days), float(seconds), 0, 0, int(minutes), int(hours))
    took = dt.timedelta(milliseconds=round(took / dt.timedelta(milliseconds=1)))
    return as_text(-took if sign == "-" else took)

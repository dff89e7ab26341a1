"""Dates of a spreadsheet that are none: what its reader makes of them is put back as the number.

A date in Office Open XML is a count of days (ECMA-376 part 1, 18.17.4). Before the first day of its
epoch there is none, and the reader gives what is left of a day as a time, as it does for a time of
day that is formatted as a date (« 00/01/1900 »); day 60 of the epoch of 1900 is a 29 February that
never was, and becomes the 28th. As numbers they are seen for what they are, and they are told.
"""

from __future__ import annotations

import datetime as dt
import posixpath
import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.parsers import expat

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.cell_text import Cell
from services.ingest.day_formats import shows_day
from shared.failures import Quarantined
from shared.messages import Reason

_BLOCK = 1 << 18
_BOOK = "xl/workbook.xml"
_MARCH = dt.date(1900, 3, 1)
_LEAP_DAY = 60.0
_DATES = {dt.date, dt.datetime}
_ROW_END = re.compile(rb"</(?:\w+:)?row>")
_ROW = re.compile(rb"<(?:\w+:)?row(?=[\s/>])([^>]*)>")
_CELL = re.compile(rb"<(?:\w+:)?c(?=[\s/>])([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_PLACE = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]*)([0-9]+)""")
_STYLE = re.compile(rb"""\ss\s*=\s*["']([0-9]{1,9})["']""")
_VALUE = re.compile(
    rb"<(?:\w+:)?v>\s*(-[0-9.eE+-]+|60(?:\.[0-9]*)?|0?(?:\.[0-9]*)?|[0-9.]+[eE]-[0-9]+)\s*</"
)
_LETTERS, _BEFORE_A = 26, ord("A") - 1
# Row and column of the sheet, from 0 → the number that is written there.
Numbers = Mapping[tuple[int, int], float]
# What kinds of cells came together in a part of a column.
Kinds = Collection[frozenset[type]]


def may_be_none(kinds: Kinds, parts: Iterable[pa.Array]) -> bool:
    """Whether some of the cells can come from a number that is no date: there is a time, a date
    before March 1900, or a date among texts."""
    if any(dt.time in some or (some & _DATES and some - _DATES) for some in kinds):
        return True
    dates = (p for p in parts if pa.types.is_date(p.type) or pa.types.is_timestamp(p.type))
    firsts = (pc.min(part).as_py() for part in dates)
    return any(first is not None and _day(first) < _MARCH for first in firsts)


def numbers_of(source: Path, sheet: int) -> Numbers:
    """The numbers of a workbook's sheet (from 0) that are no date, were they meant as one.

    Raises Quarantined(`workbook_unreadable`) where its parts do not name one another.
    """
    try:
        with zipfile.ZipFile(source) as archive, archive.open(_part(archive, sheet)) as file:
            days = _day_styles(archive)
            return dict(_found(iter(lambda: file.read(_BLOCK), b""), days))
    except (zipfile.BadZipFile, OSError, ValueError, LookupError, zlib.error, expat.ExpatError):
        raise Quarantined(Reason(code="workbook_unreadable")) from None


def _part(archive: zipfile.ZipFile, sheet: int) -> str:
    ids = [told for name, told in _elements(archive, _BOOK) if name == "sheet"]
    [key] = [value for name, value in ids[sheet].items() if name.endswith(" id")]
    [path] = [told["Target"] for told in _related(archive) if told["Id"] == key]
    return _entry(archive, path)


def _related(archive: zipfile.ZipFile) -> list[dict[str, str]]:
    relations = _elements(archive, "xl/_rels/workbook.xml.rels")
    return [told for name, told in relations if name == "Relationship"]


def _entry(archive: zipfile.ZipFile, target: str) -> str:
    path = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
    return {name.lower(): name for name in archive.namelist()}[path.lower()]


def _day_styles(archive: zipfile.ZipFile) -> Collection[int]:
    """The styles of cells that show a day."""
    paths = [told["Target"] for told in _related(archive) if told["Type"].endswith("/styles")]
    if not paths:
        return ()
    codes: dict[int, str] = {}
    formats: list[int] = []
    within = False
    for name, told in _elements(archive, _entry(archive, paths[0])):
        # Named styles have formats of their own.
        within = within or name == "cellXfs"
        within = within and name != "cellStyles"
        if name == "numFmt":
            codes.setdefault(int(told["numFmtId"]), told["formatCode"])
        elif name == "xf" and within:
            formats.append(int(told.get("numFmtId", 0)))
    return {at for at, number in enumerate(formats) if shows_day(number, codes)}


def put_back(
    rows: Iterator[list[Cell]], numbers: Numbers, left: int, told: list[tuple[int, int]]
) -> Iterator[list[Cell]]:
    """The sheet's rows, whose first column is `left`, with the numbers in place of what the reader
    made of them; where that is, as row and column from there, is `told`."""
    lines = {row for row, _ in numbers}
    for at, row in enumerate(rows):
        if at not in lines:
            yield row
            continue
        right = [_right(c, numbers.get((at, left + i))) for i, c in enumerate(row)]
        told += [(at, i) for i, c in enumerate(row) if right[i] is not c]
        yield right


def refuse_times(rows: Iterable[Sequence[Cell]], line: int) -> None:
    """Of a legacy workbook, whose numbers are not at hand: a time among dates may be what its reader
    has left of a number that is none. The first of the rows is the sheet's `line`.

    Raises Quarantined(`dates_unsure`) with each such column, its first time and how many it has.
    """
    dated: set[int] = set()
    times: dict[int, list[int]] = {}
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            if type(cell) is dt.time:
                times.setdefault(column, []).append(at)
            elif type(cell) in _DATES:
                dated.add(column)
    reasons = [
        Reason(code="dates_unsure", position=at + 1, line=line + times[at][0], count=len(times[at]))
        for at in sorted(dated & set(times))
    ]
    if reasons:
        raise Quarantined(*reasons)


def _right(cell: Cell, number: float | None) -> Cell:
    if number is None:
        return cell
    if number < 1 and type(cell) is dt.time:
        return number
    early = type(cell) in _DATES and number >= _LEAP_DAY and _day(cell) < _MARCH
    return number if early else cell


def _day(moment: object) -> dt.date:
    if isinstance(moment, dt.datetime):
        return moment.date()
    return moment if isinstance(moment, dt.date) else _MARCH


def _elements(archive: zipfile.ZipFile, path: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda name, told: found.append((name.split(" ")[-1], told))
    parser.Parse(archive.read(path), True)
    return found


def _found(
    blocks: Iterator[bytes], days: Collection[int]
) -> Iterator[tuple[tuple[int, int], float]]:
    held, row = b"", 0
    for block in blocks:
        *whole, held = _ROW_END.split(held + block)
        for text in whole:
            for tag in _ROW.finditer(text):
                place = _PLACE.search(tag[1])
                row = int(place[2]) if place else row + 1
            if _VALUE.search(text):
                yield from _of_row(text, row - 1, days)


def _of_row(
    text: bytes, row: int, days: Collection[int]
) -> Iterator[tuple[tuple[int, int], float]]:
    column = -1
    for cell in _CELL.finditer(text):
        place = _PLACE.search(b" " + cell[1])
        column = _column(place[1]) if place else column + 1
        if cell[2] and (value := _VALUE.search(cell[2])) and value[1].strip(b"."):
            number, style = float(value[1]), _STYLE.search(b" " + cell[1])
            # A time of day is one, unless its cell shows the day.
            if not 0 <= number < 1 or (style and int(style[1]) in days):
                yield (row, column), number


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * _LETTERS + letter - _BEFORE_A
    return number - 1

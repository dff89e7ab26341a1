"""Cells of an OpenDocument sheet whose value its reader does not give, counted as the bytes stream by.

What a cell holds is an attribute's to say, or its text's where its type says that it is one (ODF 1.3
part 3, 19.387). Programs that write the text alone are common, and spreadsheet programs show it; the
reader gives nothing. Nor does it know a duration of more than a day, or a truth that is written
`True`. Errors are shown as such by programs that say 0, or an empty text, is their value.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Words = NDArray[np.uint64]
BYTE, THREE, HALF, SIX, SEVEN = (np.uint64((1 << 8 * size) - 1) for size in (1, 3, 4, 6, 7))
_SPACES = "(?: |\u00a0|\u202f)?"
# An error as programs show it, in English and in French.
SHOWN_ERROR = re.compile(
    rf"(?:#(?:DIV/0|N/[AD]|REF|NAME|NOM|VALUE|VALEUR|NUM|NOMBRE|NULL|NUL){_SPACES}[!?]?"
    rf"|Err{_SPACES}:\d{{3}})"
)
_SHOWN = re.compile(rb"<text:p>" + SHOWN_ERROR.pattern.encode() + rb"</")
# How LibreOffice writes a cell such as #N/A.
ERROR = b'calcext:value-type="error"'
FORMULA = b"table:formula"
# Written as XML allows and few do.
SPACED = re.compile(rb"(?:time|boolean)-value(?:\s+=|=\s)")


def word(text: bytes) -> np.uint64:
    """Eight bytes, or less, as they are compared."""
    return np.uint64(int.from_bytes(text, "little"))


# What the next tag is of a cell that holds nothing.
_END, _CELL = word(b"</table:"), word(b"<table:t")
_FRAME = np.uint64(0xFF_00_00_FF_FF)
_HOURS = word(b"PT\0\0H")
# 00 and 24 as two digits of text.
_NONE, _DAY = (ord(tens) * 10 + ord(ones) for tens, ones in ("00", "24"))
_TRUTHS = tuple(word(text) for text in (b"true", b"TRUE", b"fals", b"FALS"))
_VALUES = tuple(word(end) for end in (b"ce:value", b"te-value", b"ng-value"))


class Tags(NamedTuple):
    """Of a block of whole rows: where its tags begin, and with which bytes; which of them open a cell,
    in order; and where paragraphs begin."""

    places: Places
    begins: Words
    cells: Places
    texts: Places


def unread_values(
    block: bytes, words: Words, tags: Tags, equals: Places, names: Words
) -> tuple[int, int]:
    """How many values a reader gives otherwise or not at all (never fewer), and how many
    cells are errors. `words` are the block's bytes by eight from every place on, `names` what
    stands before each of its `equals` signs."""
    time, truth = names == word(b"me-value"), names == word(b"an-value")
    said = time | truth
    for end in _VALUES:
        said |= names == end
    types = np.flatnonzero(names == word(b"lue-type"))
    places = equals[types]
    kinds = words[places + 2]
    office = words[places - 16] == word(b"ffice:va")
    said[types] = office & (kinds & SIX == word(b"string"))
    errors = places[kinds & SIX == word(b'error"')]
    count = int(np.count_nonzero(words[errors - 18] == word(b"calcext:")))
    unread = _untold(tags, equals[said], len(block))
    unread += _odd_times(words[equals[time] + 2]) + _odd_truths(words[equals[truth] + 2])
    if bool((names == word(b":formula")).any()):
        shown = _shown_errors(block, words, tags)
        unread, count = unread + shown, count + shown
    return unread, count


def _odd_times(written: Words) -> int:
    """Those that are no time of a day."""
    if not len(written):
        return 0
    digits = (written >> np.uint64(16) & BYTE) * 10 + (written >> np.uint64(24) & BYTE)
    clock = (written & _FRAME == _HOURS) & (digits >= _NONE) & (digits < _DAY)
    return int(np.count_nonzero(~clock))


def _odd_truths(written: Words) -> int:
    letters = written & HALF
    return len(letters) - sum(int(np.count_nonzero(letters == start)) for start in _TRUTHS)


def _untold(tags: Tags, said: Places, end: int) -> int:
    """Paragraphs in cells in whose tag no value is said."""
    following = tags.begins[tags.cells + 1]
    filled = tags.cells[(following != _END) & (following != _CELL)]
    cells, ends = tags.places[filled], tags.places[filled + 1]
    if len(said) == len(cells) and bool(((said > cells) & (said < ends)).all()):
        return 0
    silent = np.flatnonzero(np.append(said, end)[np.searchsorted(said, cells)] > ends)
    until = np.append(tags.places[tags.cells], end)
    until = until[np.searchsorted(until, cells[silent], "right")]
    inside = np.searchsorted(tags.texts, until) - np.searchsorted(tags.texts, cells[silent])
    return int(inside.sum())


def _shown_errors(block: bytes, words: Words, tags: Tags) -> int:
    starts = words[tags.texts + 8]
    likely = tags.texts[(starts & BYTE == ord("#")) | (starts & THREE == word(b"Err"))]
    found = 0
    for text in likely.tolist():
        if _SHOWN.match(block, text):
            cell = block[block.rfind(b"<table:", 0, text) : text]
            found += FORMULA in cell and ERROR not in cell
    return found

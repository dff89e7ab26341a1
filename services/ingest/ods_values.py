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
_END, _CELL = word(b"/table:"), word(b"table:t")
_FRAME = np.uint64(0xFF_00_00_FF_FF)
_HOURS = word(b"PT\0\0H")
# 00 and 24 as two digits of text.
_NONE, _DAY = (ord(tens) * 10 + ord(ones) for tens, ones in ("00", "24"))
_TRUTHS = tuple(word(text) for text in (b"true", b"TRUE", b"fals", b"FALS"))
_VALUES = tuple(word(end) for end in (b"ce:value", b"te-value", b"ng-value"))


class Tags(NamedTuple):
    """Of a block of whole rows: where its tags begin; which of them open a cell, in order; and where
    paragraphs begin."""

    places: Places
    cells: Places
    texts: Places


def unread_values(
    block: bytes, words: Words, tags: Tags, equals: Places, names: Words
) -> tuple[int, int]:
    """How many values a reader gives otherwise or not at all (never fewer), and how many of them are
    errors. `words` are the block's bytes by eight from every place on, `names` what
    stands before each of its `equals` signs."""
    times, truths, types = (
        equals[names == word(end)] for end in (b"me-value", b"an-value", b"lue-type")
    )
    hours = words[times + 2]
    digits = (hours >> np.uint64(16) & BYTE) * 10 + (hours >> np.uint64(24) & BYTE)
    clock = (hours & _FRAME == _HOURS) & (digits >= _NONE) & (digits < _DAY)
    letters = words[truths + 2] & HALF
    plain = sum(int(np.count_nonzero(letters == start)) for start in _TRUTHS)
    odd = len(times) + len(truths) - int(np.count_nonzero(clock)) - plain
    texts = types[words[types + 2] & SIX == word(b"string")]
    texts = texts[words[texts - 16] == word(b"ffice:va")]
    told = [equals[names == end] for end in _VALUES]
    said = np.sort(np.concatenate([times, truths, texts, *told]))
    errors = _shown_errors(block, words, tags)
    return odd + errors + _untold(words, tags, said), errors


def _untold(words: Words, tags: Tags, said: Places) -> int:
    """Paragraphs in cells in whose tag no value is said."""
    following = words[tags.places[tags.cells + 1] + 1] & SEVEN
    filled = tags.cells[(following != _END) & (following != _CELL)]
    cells, ends = tags.places[filled], tags.places[filled + 1]
    if len(said) == len(cells) and bool(((said > cells) & (said < ends)).all()):
        return 0
    silent = np.flatnonzero(np.append(said, len(words))[np.searchsorted(said, cells)] > ends)
    until = np.append(tags.places[tags.cells], len(words))
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

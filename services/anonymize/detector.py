"""What a detector of text is, and what they share. They read the text that `normalise` makes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# How far around digits `inside_code` looks, in characters.
_FAR = 64
_UUID = re.compile(
    r"(?<![0-9A-Za-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9A-Za-z])", re.I
)
# What may stand between two digits of one number.
SIGN = r"[^0-9A-Za-z\0]"
GAP = SIGN + "{0,4}"


@dataclass(frozen=True)
class Detector:
    """`pattern` (RE2, linear time) finds the cells that may hold one; `check` decides on each."""

    name: str
    pattern: str
    check: Callable[[str], bool]


def re2(pattern: str) -> str:
    """A pattern of Python's as RE2 reads it: RE2 takes `\\0` for the start of an octal number."""
    return pattern.replace(r"\0", r"\x00")


def overlapping(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Every match, also those that begin inside another: a date must not hide what follows it."""
    start = 0
    while found := pattern.search(text, start):
        yield found
        start = found.start() + 1


def without_uuids(text: str) -> str:
    """The text without its UUIDs (RFC 9562): a right key in one is chance."""
    return _UUID.sub(" ", text) if "-" in text else text


def inside_code(found: re.Match[str], end: int | None = None) -> bool:
    """Whether the letters and digits around a match change places more than twice.

    A hash has such runs of digits by chance; « tel0612345678bis » changes twice. `end`: where the
    number ends, if the match holds more than that.
    """
    text, first = found.string, found.start()
    last = found.end() if end is None else end
    start, end = first, last
    while start > 0 and text[start - 1].isalnum() and first - start < _FAR:
        start -= 1
    while end < len(text) and text[end].isalnum() and end - last < _FAR:
        end += 1
    around = text[start:first] + "0" + text[last:end]
    return sum(a.isdigit() != b.isdigit() for a, b in itertools.pairwise(around)) > 2

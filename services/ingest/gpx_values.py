"""Checks what GDAL takes for another value in a GPX file (GPX 1.1 schema), and keeps texts texts.

It makes 0 of an elevation that is no number, 45 of a latitude of « 45,5 », the largest of 32 bits of
a longer integer, no time of one that is none, and 7 of the 007 of an extension. So the first are
refused, and extensions with such a text are given to it marked as texts.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

from services.ingest.copy_xml import XmlCopy
from shared.failures import Quarantined
from shared.messages import Reason

# What GDAL reads as a number is the same number.
_PLAIN = re.compile(r"-?(?:0|[1-9]\d{0,8})(?:\.\d{1,9})?")
# After any other text of an extension: word joiners, which no program writes twice.
_MARK = "\u2060\u2060"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d{1,9}")
_TIME = re.compile(
    r"-?\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"(?:T(?:[01]\d|2[0-4]):[0-5]\d:[0-5]\d(?:\.\d{1,3}0*)?(?:Z|[+-]\d\d:\d\d)?)?"
)
_VALUES: dict[str, tuple[str, re.Pattern[str]]] = {
    **dict.fromkeys(
        ("ele", "magvar", "geoidheight", "hdop", "vdop", "pdop", "ageofdgpsdata"),
        ("number", _NUMBER),
    ),
    **dict.fromkeys(("sat", "dgpsid", "number"), ("integer", _INTEGER)),
    "time": ("datetime", _TIME),
}
_FEATURES = frozenset({"wpt", "rte", "rtept", "trk", "trkpt"})
# What a feature may have several of; of others GDAL takes the last.
_SEVERAL = frozenset({"link", "extensions", "trkseg", "rtept", "trkpt"})
# So many links are read (`gdal_layers`).
MOST_LINKS = 10


def copy_for_gdal(source: Path, to: Path) -> None:
    """Writes the copy. Raises Quarantined with the rank, among those of its kind, of the feature:
    `type_mismatch` for a value that is not of its type, `header_twice` for two of one element, or
    more than `MOST_LINKS` links."""
    with to.open("wb") as out:
        _Copy(out).read(source)


def unmarked(cell: Any) -> Any:
    """The cell without the mark of an extension's text."""
    return cell.replace(_MARK, "") if isinstance(cell, str) else cell


class _Copy(XmlCopy):
    def __init__(self, out: BinaryIO) -> None:
        super().__init__(out)
        self._ranks: Counter[str] = Counter()
        self._path: list[str] = []
        self._text: list[str] = []
        self._nested = False
        # Of each feature that is open, what it has had.
        self._had: list[Counter[str]] = []

    def start(self, tag: str, told: dict[str, str]) -> None:
        super().start(tag, told)
        name = tag.rpartition(":")[2]
        self._nested = self._path[-1:] != ["extensions"]
        if name in _FEATURES and "extensions" not in self._path:
            self._ranks[name] += 1
            self._had.append(Counter())
            for axis in ("lat", "lon"):
                if name not in ("rte", "trk"):
                    self._check(name, "number", _NUMBER, told.get(axis, ""))
        self._path.append(name)
        self._text = []

    def end(self, tag: str) -> None:
        text = "".join(self._text).strip()
        if self._path[-2:-1] == ["extensions"] and (self._nested or not _PLAIN.fullmatch(text)):
            self.write(_MARK)
        super().end(tag)
        name = self._path.pop()
        above = self._path[-1] if self._path else ""
        if "extensions" not in self._path and name != "extensions":
            if name in _FEATURES:
                self._had.pop()
            if above in _FEATURES:
                self._count(above, name)
        if text and above in _FEATURES and name in _VALUES and "extensions" not in self._path:
            self._check(above, *_VALUES[name], text)

    def _count(self, feature: str, name: str) -> None:
        had = self._had[-1]
        had[name] += 1
        most = MOST_LINKS if name == "link" else 1
        if had[name] > most and (name not in _SEVERAL or name == "link"):
            line = self._ranks[feature]
            raise Quarantined(Reason(code="header_twice", line=line, detail="elements"))

    def _check(self, feature: str, expected: str, form: re.Pattern[str], text: str) -> None:
        if not form.fullmatch(text.strip()):
            raise Quarantined(
                Reason(
                    code="type_mismatch", line=self._ranks[feature], expected=expected, found="text"
                )
            )

    def characters(self, text: str) -> None:
        self._text.append(text)
        super().characters(text)

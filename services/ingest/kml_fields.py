"""What a KML file says of its places (OGC 12-007r2), kept apart from how GDAL names fields.

GDAL has names of its own: it reads `name`, `begin` or `icon` among a place's data as if they were the
elements of that name, cuts numbers to 32 bits and makes days of years. So it is given a copy in which
each place has its geometry and one field, the others as JSON. An element and a datum of one name are
two columns; of those that only draw, and of links, none is read.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn
from xml.sax.saxutils import escape

from services.ingest.copy_xml import XmlCopy
from shared.failures import Quarantined
from shared.messages import Reason

FIELDS = "ecluse"
_SHAPES = frozenset({
    "Point", "LineString", "LinearRing", "Polygon", "MultiGeometry", "Model", "Track", "MultiTrack",
})  # fmt: skip
_ELEMENTS = frozenset({"name", "description", "address", "phoneNumber"})
_TIMES = {"when": "timestamp", "begin": "begin", "end": "end"}
_TRUTHS = {"1": "true", "0": "false"}
_OF_TIME = (["TimeStamp"], ["TimeSpan"])
# Of what is no number there GDAL makes 0, or no geometry at all.
_NUMBER = r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?"
_POSITION = rf"{_NUMBER}\s*+,\s*+{_NUMBER}(?:\s*+,\s*+{_NUMBER})?"
_POSITIONS = {
    "coordinates": re.compile(rf"{_POSITION}(?:\s++{_POSITION})*+"),
    "coord": re.compile(rf"{_NUMBER}\s++{_NUMBER}(?:\s++{_NUMBER})?"),
}
_ONE_POSITION = re.compile(_POSITION)


class Copied(NamedTuple):
    """The names, in small letters, of the elements that some place has, and how many links to other
    KML files there are."""

    elements: frozenset[str]
    links: int


def copy_for_gdal(source: Path, to: Path) -> Copied:
    """Writes the copy.

    The file was walked through before (`walk_xml`). Raises Quarantined, with the place's rank:
    `header_twice` where it has two data of one name that differ, `geometry_unreadable` where it has
    two geometries, or one whose positions are none.
    """
    with to.open("wb") as out:
        copy = _Copy(out)
        copy.read(source)
    return Copied(frozenset(copy.elements), copy.links)


def fields_of(written: str, elements: frozenset[str]) -> dict[str, str]:
    """A place's columns from the one field that GDAL read: a datum called as an element that the file
    has is `ExtendedData.` and its name."""
    said: dict[str, dict[str, str]] = json.loads(written)
    data = {
        f"ExtendedData.{name}" if name.lower() in elements else name: text
        for name, text in said["data"].items()
    }
    return said["elements"] | data


class _Copy(XmlCopy):
    def __init__(self, out: BinaryIO) -> None:
        super().__init__(out)
        self.elements: set[str] = set()
        self.links = 0
        self._rank = 0
        self._drawn = False
        # The elements open within a shape, and the text of the last.
        self._within_shape: list[str] = []
        self._positions: list[str] = []
        # How deep within what is copied as it stands, or left out, whatever it holds.
        self._shape = self._schema = 0
        # Elements open within the place, None outside of one.
        self._path: list[str] | None = None
        self._said: dict[str, dict[str, str]] = {}
        self._datum = ""
        # Data that a schema says are true or false, which are written 1 and 0 too.
        self._truths: set[str] = set()
        self._into: tuple[str, str] | None = None
        self._depth = 0
        self._text: list[str] = []

    def start(self, tag: str, told: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if self._path is not None and not self._shape and (self._path or name not in _SHAPES):
            self._within(self._path, name, told)
            return
        if self._schema or (name == "Schema" and "parent" not in told):
            self._schema += 1
            if name == "SimpleField" and told.get("type") == "bool":
                self._truths.add(told.get("name", ""))
            return
        if self._path is not None:
            self._draw(name)
        self.links += name == "NetworkLink"
        super().start(tag, told)
        if name == "Placemark":
            self._rank += 1
            self._drawn = False
            self._path = []
            self._said = {"elements": {"id": told["id"]} if told.get("id") else {}, "data": {}}
            self.elements |= {"id"} if told.get("id") else set()

    def _draw(self, name: str) -> None:
        """An element of a shape begins. GDAL takes the last of two shapes, and none of a model's."""
        if not self._shape and (self._drawn or name == "Model"):
            self._refuse()
        self._drawn = True
        self._shape += 1
        self._within_shape.append(name)
        self._positions = []

    def _end_drawing(self) -> None:
        name = self._within_shape.pop()
        if name not in _POSITIONS:
            return
        text = "".join(self._positions).strip()
        point = self._within_shape[-1:] == ["Point"]
        if text and not (_ONE_POSITION if point else _POSITIONS[name]).fullmatch(text):
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise Quarantined(Reason(code="geometry_unreadable", line=self._rank, count=1))

    def _within(self, path: list[str], name: str, told: dict[str, str]) -> None:
        if self._into is None and (into := self._place_of(path, name, told)):
            self._into, self._depth, self._text = into, len(path), []
        path.append(name)

    def _place_of(self, path: list[str], name: str, told: dict[str, str]) -> tuple[str, str] | None:
        """Where the text of the element goes."""
        if not path and name in _ELEMENTS:
            return "elements", name
        if path in _OF_TIME and name in _TIMES:
            return "elements", _TIMES[name]
        if path == ["ExtendedData", "Data"]:
            return ("data", self._datum) if name == "value" else None
        if path == ["ExtendedData", "SchemaData"]:
            return ("data", told.get("name", name)) if name == "SimpleData" else None
        if path == ["ExtendedData"] and name == "Data":
            self._datum = told.get("name", name)
        elif path == ["ExtendedData"] and name != "SchemaData":
            return "data", name
        return None

    def end(self, tag: str) -> None:
        if self._schema:
            self._schema -= 1
        elif self._shape or self._path is None:
            if self._shape:
                self._shape -= 1
                self._end_drawing()
            super().end(tag)
        elif self._path:
            self._path.pop()
            if self._into is not None and len(self._path) == self._depth:
                self._keep(*self._into, "".join(self._text).strip())
                self._into = None
        else:
            self._path = None
            self.write(_field(tag.rpartition("Placemark")[0], self._said) + f"</{tag}>")

    def _keep(self, part: str, name: str, text: str) -> None:
        if not text:
            return
        if part == "data" and name in self._truths:
            text = _TRUTHS.get(text, text)
        if self._said[part].setdefault(name, text) != text:
            raise Quarantined(Reason(code="header_twice", line=self._rank, detail=part))
        if part == "elements":
            self.elements.add(name.lower())

    def characters(self, text: str) -> None:
        if self._into is not None:
            self._text.append(text)
        elif (self._path is None or self._shape) and not self._schema:
            if self._shape:
                self._positions.append(text)
            super().characters(text)


def _field(prefix: str, said: dict[str, dict[str, str]]) -> str:
    before, after = f"<{prefix}", f"</{prefix}"
    return (
        f'{before}ExtendedData>{before}Data name="{FIELDS}">{before}value>'
        f"{escape(json.dumps(said))}{after}value>{after}Data>{after}ExtendedData>"
    )

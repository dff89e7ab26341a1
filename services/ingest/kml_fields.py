"""What a KML file says of its places (OGC 12-007r2), kept apart from how GDAL names fields.

GDAL has names of its own: it reads `name`, `begin` or `icon` among a place's data as if they were the
elements of that name, cuts numbers to 32 bits and makes days of years. So it is given a copy in which
each place has its geometry and one field, the others as JSON. An element and a datum of one name are
two columns; of those that only draw, and of links, none is read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO
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


def copy_for_gdal(source: Path, to: Path) -> frozenset[str]:
    """Writes the copy; the names, in small letters, of the elements that some place has.

    The file was walked through before (`walk_xml`). Raises Quarantined(`header_twice`) with the
    place's rank where it has two data of one name that differ.
    """
    with to.open("wb") as out:
        copy = _Copy(out)
        copy.read(source)
    return frozenset(copy.elements)


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
        self._rank = 0
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
        self._shape += self._path is not None
        super().start(tag, told)
        if name == "Placemark":
            self._rank += 1
            self._path = []
            self._said = {"elements": {"id": told["id"]} if told.get("id") else {}, "data": {}}
            self.elements |= {"id"} if told.get("id") else set()

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
            self._shape -= self._shape > 0
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
            super().characters(text)


def _field(prefix: str, said: dict[str, dict[str, str]]) -> str:
    before, after = f"<{prefix}", f"</{prefix}"
    return (
        f'{before}ExtendedData>{before}Data name="{FIELDS}">{before}value>'
        f"{escape(json.dumps(said))}{after}value>{after}Data>{after}ExtendedData>"
    )

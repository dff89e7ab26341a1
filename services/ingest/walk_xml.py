"""Walks through an XML file before another library reads it: no DTD, no entity, nothing too deep.

For KML, GPX and OSM, whose texts hold markup of their own, so that tags cannot be counted by their
bytes. Expat expands nothing here: a declaration is refused where it begins.
"""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from services.ingest.read_limits import ReadLimits
from shared.failures import Quarantined
from shared.messages import Reason

_BLOCK = 1 << 18
_INCLUDE = "http://www.w3.org/2001/XInclude"
# A marker of GDAL's own formats that name other files and hosts: its readers look for it anywhere.
_GDAL = b"<OGR"


def walk_xml(source: Path, limits: ReadLimits) -> None:
    """Raises Quarantined: `xml_dtd`, `xml_entity`, `xml_depth`, `xml_attributes`, `xml_token`,
    `xml_damaged` with the line."""
    walk = _Walk(limits)
    tail = b""
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            if _GDAL in tail + block:
                raise Quarantined(Reason(code="xml_entity", detail="gdal"))
            tail = block[-len(_GDAL) :]
            walk.feed(block, last=False)
    walk.feed(b"", last=True)


class _Walk:
    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._depth = 0
        self._silent = 0
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._declared
        parser.EntityDeclHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.ProcessingInstructionHandler = self._other
        parser.buffer_text = False
        self._parser = parser

    def feed(self, block: bytes, *, last: bool) -> None:
        self._silent += len(block)
        try:
            self._parser.Parse(block, last)
        except expat.ExpatError as error:
            raise Quarantined(Reason(code="xml_damaged", line=error.lineno)) from None
        except (UnicodeError, LookupError, ValueError):
            raise Quarantined(Reason(code="xml_encoding")) from None
        if self._silent > self._limits.xml_token_bytes + _BLOCK:
            raise Quarantined(Reason(code="xml_token", limit=self._limits.xml_token_bytes))

    def _declared(self, *_: object) -> None:
        raise Quarantined(Reason(code="xml_dtd"))

    def _entity(self, *_: object) -> None:
        raise Quarantined(Reason(code="xml_entity"))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._silent = 0
        self._depth += 1
        if self._depth > self._limits.xml_depth:
            raise Quarantined(Reason(code="xml_depth", limit=self._limits.xml_depth))
        if len(attributes) > self._limits.xml_attributes:
            raise Quarantined(Reason(code="xml_attributes", limit=self._limits.xml_attributes))
        if name.startswith(_INCLUDE):
            raise Quarantined(Reason(code="xml_entity"))
        if sum(map(len, attributes.values())) > self._limits.xml_token_bytes:
            raise Quarantined(Reason(code="xml_token", limit=self._limits.xml_token_bytes))

    def _end(self, _: str) -> None:
        self._silent = 0
        self._depth -= 1

    def _other(self, *_: object) -> None:
        self._silent = 0

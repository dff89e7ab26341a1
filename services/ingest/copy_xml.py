"""Copies an XML file element by element; who copies says what becomes of each.

The file was walked through before (`walk_xml`): it has no DTD and no entity, and is well formed.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

_BLOCK = 1 << 18


class XmlCopy:
    """A copy under way, which writes all as it is read. Subclasses write what they will."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.characters
        self._parser = parser

    def read(self, source: Path) -> None:
        """Copies the file to its end. Raises what its own handlers raise."""
        with source.open("rb") as file:
            while block := file.read(_BLOCK):
                self._parser.Parse(block, False)
        self._parser.Parse(b"", True)

    def start(self, tag: str, told: dict[str, str]) -> None:
        """An element begins, with these attributes."""
        attributes = "".join(f" {key}={quoteattr(value)}" for key, value in told.items())
        self.write(f"<{tag}{attributes}>")

    def end(self, tag: str) -> None:
        """It ends."""
        self.write(f"</{tag}>")

    def characters(self, text: str) -> None:
        """Text between tags."""
        self.write(escape(text))

    def write(self, text: str) -> None:
        """Adds to the copy what is XML already."""
        self._out.write(text.encode())

"""Lines of a text as it streams by: how many, and what no text holds."""

from __future__ import annotations

from shared.failures import Quarantined
from shared.messages import Reason


class LineEnds:
    """Counts line ends (LF, CRLF, and CR alone, wherever it stands: so does every reader that says
    on which line something is). `open`: the last line has no end; `quotes`: there is a quotation
    mark somewhere."""

    def __init__(self) -> None:
        self.ends = 0
        self._returned = False
        self.open = False
        self.quotes = False

    @property
    def line(self) -> int:
        """The one under way, from 1."""
        return self.ends + 1

    def count(self, utf8: bytes) -> None:
        """Takes the next piece. Raises Quarantined(`nul_character`) with the line."""
        if not utf8:
            return
        nul = utf8.find(0)
        self.ends += count_ends(utf8 if nul < 0 else utf8[:nul])
        self.ends -= self._returned and utf8.startswith(b"\n")
        if nul >= 0:
            raise Quarantined(Reason(code="nul_character", line=self.line))
        self._returned = utf8.endswith(b"\r")
        self.open = not utf8.endswith((b"\n", b"\r"))
        self.quotes = self.quotes or b'"' in utf8


def count_ends(text: bytes) -> int:
    """Line ends of a piece of text that is not cut within one."""
    returns = text.count(b"\r")
    return text.count(b"\n") + (returns - text.count(b"\r\n") if returns else 0)

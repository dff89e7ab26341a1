"""Texts as XML content, escaped for every cell of a column at once; characters that formats forbid."""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

import polars as pl

from services.convert.column_names import series_of

# XML 1.0, 2.2: what no document may hold, not even escaped.
FORBIDDEN = "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
_PLAIN, _ESCAPED = ["&", "<", ">"], ["&amp;", "&lt;", "&gt;"]


def escaped(text: pl.Expr) -> pl.Expr:
    """The texts with XML's own marks escaped, for element content and nothing else."""
    return text.str.replace_many(_PLAIN, _ESCAPED)


def escape(text: str) -> str:
    """As `escaped`, of one text; what XML forbids is left out."""
    text = re.sub(FORBIDDEN, "", text)
    for plain, written in zip(_PLAIN, _ESCAPED, strict=True):
        text = text.replace(plain, written)
    return text


def attribute(text: str) -> str:
    """A quoted attribute value; what XML forbids is left out."""
    return quoteattr(re.sub(FORBIDDEN, "", text))


def holds_forbidden(frame: pl.DataFrame) -> str | None:
    """The first text column with a character that XML forbids; None if none has."""
    return _holds(frame, FORBIDDEN)


def holds_nul(frame: pl.DataFrame) -> str | None:
    """The first text column with the character 0, where programs in C end a text; None if none has."""
    return _holds(frame, "\x00")


def _holds(frame: pl.DataFrame, characters: str) -> str | None:
    for name, kind in frame.schema.items():
        if kind == pl.String and series_of(frame, name).str.contains(characters).any():
            return name
    return None

"""Brings text to one form before it is scanned: what hides a personal datum from a pattern is undone.

Compatibility forms, accents and digits of other scripts (NFKD), invisible and bidirectional marks,
look-alike letters (Unicode TR39), HTML entities and tags, percent-encoding, JSON escapes, and text
wrapped in base64 or hexadecimal. The result is for detectors only: nothing of it is ever published.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from urllib.parse import unquote

# Stands between a text and what was unwrapped from it; no separator of any detector.
PART = "\0"
_LAYERS = 5

# RE2: the texts that `normalise` may change. Accented Latin letters and common marks stay as they
# are, since no detector minds them, and most cells of a French table have nothing else.
NEEDS_WORK = (
    "[^ -~À-ÖØ-öø-ÿŒœ’€°«»]"
    r"|&(?:#|[A-Za-z])|%[0-9A-Fa-f]{2}|\\[ux\"/nrt\\]|<[A-Za-z/!]|[A-Za-z0-9]{16}"
)

_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(["/\\])|([nrtbf]))')
_TAG = re.compile(r"<[A-Za-z/!][^<>]{0,2000}>")
_WRAPPED = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+]{16,}={0,2}(?![A-Za-z0-9+/=])")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_SPACES = re.compile(r"\s+")
_BLANKS = dict.fromkeys(map(ord, "\t\r\n"))

_CONFUSABLE = dict(
    zip(
        "авеѕіјкмнорсԁтухѵԝһӏԛгпАВЕЅІЈКМНОРСТУХԜԚαεικνορτυχγηωΑΒΕΖΗΙΚΜΝΟΡΤΥΧıɡɑℓօ",
        "abesijkmhopcdtyxvwhlqrnABESIJKMHOPCTYXWQaeikvoptuxynwABEZHIKMNOPTYXigalo",
        strict=True,
    )
)
_FILLERS = "\u115f\u1160\u3164\uffa0\ufffd"
_DOTS = "·•‧∙⋅・。●"
_SLASHES = "⁄∕⧸"


class _Folding(dict[int, str]):
    """What each character becomes, found once per character. For `str.translate`."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _folded(chr(code))
        return folded


def _folded(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Me", "Co", "Cn", "Cs") or character in _FILLERS:
        return ""
    if category in ("Cc", "Zs", "Zl", "Zp") or character == "\u2800":
        return " "
    if category == "Pd" or character == "−":
        return "-"
    if character in _DOTS:
        return "."
    if character in _SLASHES:
        return "/"
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    return _CONFUSABLE.get(character, character)


_FOLDING = _Folding()


def fold(text: str) -> str:
    """`text` in plain letters, ASCII digits, hyphens and spaces, without anything invisible."""
    return unicodedata.normalize("NFKD", text).translate(_FOLDING)


def normalise(text: str) -> str:
    """The form that detectors read: the folded text, then what was wrapped in it, after `PART`."""
    plain = fold(text)
    for _ in range(_LAYERS):
        inner = fold(_unescape(plain))
        if inner == plain:
            break
        plain = inner
    parts = [plain]
    if (bare := _TAG.sub("", plain)) != plain:
        parts.append(bare)
    parts += [fold(inner) for token in _WRAPPED.findall(plain) for inner in _decoded(token)]
    return PART.join(parts)


def _unescape(text: str) -> str:
    if "&" in text:
        text = html.unescape(text)
    if _PERCENT.search(text):
        text = unquote(text, errors="ignore")
    if "\\" in text:
        text = _ESCAPE.sub(_escaped, text)
    return text


def _escaped(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    if code:
        return chr(int(code, 16))
    return found[3] or " "


def _decoded(token: str) -> list[str]:
    """What a token says if it is hexadecimal or base64 of printable text."""
    decoded = []
    if _HEX.fullmatch(token):
        decoded.append(bytes.fromhex(token))
    bare = token.rstrip("=")
    if len(bare) % 4 != 1:
        try:
            decoded.append(base64.b64decode(bare + "=" * (-len(bare) % 4)))
        except binascii.Error:
            return []
    texts = []
    for one in decoded:
        try:
            text = one.decode("utf-8")
        except UnicodeDecodeError:
            continue
        if text.translate(_BLANKS).isprintable():
            texts.append(text)
    return texts


def fold_header(name: str) -> str:
    """A header without what two headers that look the same may differ in: case and accents too."""
    return _SPACES.sub(" ", fold(name)).strip().casefold()

"""Brings text to one form before it is scanned: what hides a personal datum from a pattern is undone.

NFKC (full-width digits, ligatures, no-break spaces), zero-width and bidirectional marks removed,
look-alike letters of other alphabets, HTML entities, percent-encoding, `[at]` written out.
"""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import unquote

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e007f]"
)
# Letters that look like Latin ones (Unicode TR39, the common ones of Cyrillic and Greek).
_CONFUSABLE = str.maketrans(
    "авеѕіјкмнорсԁтухѵԝһԛАВЕЅІЈКМНОРСТУХԜαεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "abesijkmhopcdtyxvwhqABESIJKMHOPCTYXWaeikvoptuxABEZHIKMNOPTYX",
)
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−﹘﹣－", "-") | dict.fromkeys("․。｡", "."))
_AT = re.compile(
    r"\s*[\[({<]\s*(?:at|arobase|chez)\s*[\])}>]\s*|\s+(?:arobase|@)\s+", re.IGNORECASE
)
_DOT = re.compile(r"\s*[\[({<]\s*(?:dot|point)\s*[\])}>]\s*", re.IGNORECASE)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
# What a text must hold for the slow steps to change anything: French letters and marks do not count.
NEEDS_WORK = (
    r"[^\x00-\x7f\x{00c0}-\x{00ff}\x{0152}\x{0153}\x{2019}\x{2026}\x{20ac}\x{00ab}\x{00bb}\x{00b0}]"
    r"|&#?\w+;|%[0-9A-Fa-f]{2}|[\[({<]\s*(?i:at|arobase|dot|point|chez)\b|\s(?i:arobase|@)\s"
)


def normalise(text: str) -> str:
    """`text` in the one form that the detectors read."""
    if "&" in text:
        text = html.unescape(text)
    if _PERCENT.search(text):
        text = unquote(text)
    text = unicodedata.normalize("NFKC", text)
    text = _INVISIBLE.sub("", text).translate(_CONFUSABLE).translate(_DASHES)
    return _DOT.sub(".", _AT.sub("@", text))


def fold_header(name: str) -> str:
    """A header without what two equal-looking headers may differ in."""
    return re.sub(r"\s+", " ", normalise(name)).strip().casefold()

"""E-mail addresses in text: RFC 5322's usual form, and the ways people spell one to hide it."""

from __future__ import annotations

import re

from services.anonymize.detector import Detector

VERSION = 1

_BRACKETED_AT = r"[\[({<]\s{0,3}(?:at|a|@|arr?obase?|chez)\s{0,3}[\])}>]"
_AT = re.compile(
    rf"{_BRACKETED_AT}|@|[_*-](?:at|arr?obase?)[_*-]|(?<=\s)(?:at|arr?obase?)(?=\s)", re.IGNORECASE
)
_LOCAL = re.compile(r"([\w.!#$%&'*+=?^`|~-]{0,63}[\w+*'%-])(\s?)$")
_TLD = r"(?:xn--[a-z0-9-]{2,}|[^\W\d_]{2,24})"
# Domains that people have in French data: asked for where the rest of the address is loose.
_USUAL_TLD = (
    r"(?:fr|com|net|org|eu|gouv|re|be|ch|de|uk|io|info|bzh|paris|lyon|alsace|corsica|pm|nc|pf|yt|mq"
    r"|gp|gf|it|es|lu|ca|pt|pro|biz|asso|email|mail|tech|online|site)"
)
_DOMAIN = re.compile(rf"\s?(?!\d(?:\.\d)?x\.)(?:[\w-]{{1,63}}\.)+{_TLD}(?![\w@])", re.IGNORECASE)
_USUAL_DOMAIN = re.compile(rf"\s?(?:[\w-]{{1,63}}\.)+{_USUAL_TLD}\b(?![\w@])", re.IGNORECASE)
_DOT = r"\s{0,3}(?:[\[({<]\s{0,3}(?:dot|point|pt|\.)\s{0,3}[\])}>]|\.|\b(?:dot|point)\b)\s{0,3}"
_SPELT_DOMAIN = re.compile(
    rf"\s{{0,3}}[\w-]{{1,63}}(?:{_DOT}[\w-]{{1,63}}){{0,3}}?{_DOT}{_USUAL_TLD}\b", re.IGNORECASE
)
_COMMA_DOMAIN = re.compile(r"[\w-]{1,63},\s?(?:fr|com|net|org|eu)\b", re.IGNORECASE)
_PROVIDER = re.compile(
    r"(?:gmail|googlemail|hotmail|outlook|live|yahoo|ymail|orange|wanadoo|free|sfr|neuf|laposte"
    r"|bbox|bouygtel|icloud|protonmail|proton|aol|msn|gmx)\b",
    re.IGNORECASE,
)
_SPELT_LOCAL = re.compile(
    r"[\w+-]+(?:\.[\w+-]+)+\s{0,3}$|\b(?:dot|point)\s[\w+-]+\s{0,3}$|\d\s{0,3}$", re.IGNORECASE
)
_ENDS_IN_WORD = re.compile(r"[\w+]\s{0,3}$")


def has_email(text: str) -> bool:
    """Whether the text holds an e-mail address (RFC 5322's usual form, or spelt to hide it)."""
    for at in _AT.finditer(text):
        before, after = text[max(0, at.start() - 70) : at.start()], text[at.end() : at.end() + 260]
        if _address(before, at[0].lower(), after):
            return True
    return False


def _address(before: str, at: str, after: str) -> bool:
    if at == "@":
        local = _LOCAL.search(before)
        if local is None:
            return False
        if local[2] and not after[:1].isspace():
            # « suivez-nous @ville.fr »: a handle, unless its end is one of an address.
            return _USUAL_DOMAIN.match(after) is not None
        loose = _DOMAIN if local[2] == "" else _USUAL_DOMAIN
        if loose.match(after) or _SPELT_DOMAIN.match(after):
            return True
        return not local[2] and bool(_COMMA_DOMAIN.match(after) or _PROVIDER.match(after))
    if not _ENDS_IN_WORD.search(before):
        return False
    word = at.strip("[](){}<>_*- ")
    if word == "a":
        return not before[-1:].isspace() and _USUAL_DOMAIN.match(after) is not None
    if at[0] in "[({<":
        return bool(_DOMAIN.match(after) or _SPELT_DOMAIN.match(after))
    found = _SPELT_DOMAIN.match(after)
    if found is None:
        return False
    # « see at data.gouv.fr » is English: the word alone needs the form of an address around it.
    spelt = re.search(r"\b(?:dot|point)\b", found[0], re.IGNORECASE) is not None
    return word.startswith("ar") or at[0] in "_*-" or spelt or bool(_SPELT_LOCAL.search(before))


EMAIL = Detector(
    "email",
    r"@|(?i:[\[({<_*-]\s*(?:at|a|arr?obase?|chez)\s*[\])}>_*-]|\s(?:at|arr?obase?)\s)",
    has_email,
)

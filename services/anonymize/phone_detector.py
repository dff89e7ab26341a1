"""Telephone numbers in text: French ones in any grouping, foreign ones that may exist.

A cell that is one bare number is not for here: `number_detectors` judges it by its whole column.
"""

from __future__ import annotations

import itertools
import re

import phonenumbers

from services.anonymize.detector import GAP, SIGN, Detector, inside_code, overlapping, re2

VERSION = 1

_SOFT_SIGN = r"[\s.()/_-]"
_SOFT = _SOFT_SIGN + "{0,4}"
_PHONE_WORD = (
    r"(?:t[eé]l(?:[eé]phon\w*)?|phone|portable|mobile|gsm|fax|joindre|rappel\w*|appel\w*|whatsapp"
    r"|sms)"
)
_CANDIDATE = (
    # A decimal such as 4.0612345678 is none: what stands before the zero is looked at.
    rf"(?:^|[^0-9.,]|(?:^|[^0-9])[.,]|[0-9]{{4}}[.,])[0oO]{GAP}[1-9](?:{GAP}[0-9]){{8}}"
    rf"|(?:^|[^0-9])[0oO][1-9][0-9]{{0,2}}{SIGN}{{1,4}}[0-9](?:{GAP}[0-9]){{5}}"
    rf"|\+{_SOFT}[1-9](?:{GAP}[0-9]){{6}}|(?:^|[^0-9])00{_SOFT}[1-9](?:{_SOFT}[0-9]){{7}}"
    rf"|(?:^|[^0-9.,])33{_SOFT}[0-9](?:{_SOFT}[0-9]){{8}}"
    rf"|(?i:{_PHONE_WORD})[^0-9]{{0,20}}[1-9](?:{_SOFT}[0-9]){{8}}"
    r"|^\s*[1-79](?:[ ./-][0-9]{2}){4}\s*$"
)

_NATIONAL = re.compile(
    rf"(?:(?<![0-9])0|(?<![0-9A-Za-z])[oO]){GAP}[1-9](?:{GAP}[0-9]){{8}}(?![0-9])"
)
_FROM_ABROAD = re.compile(
    rf"(\+{_SOFT}|(?<![0-9])00\s?|(?<![0-9.,+]))33{_SOFT}(?:0{_SOFT})?"
    rf"([1-9](?:{_SOFT}[0-9]){{8}})(?![0-9])"
)
_FOREIGN = re.compile(
    r"(?<![0-9A-Za-z])(\+{1,2}\s?\(?|00\s?)([1-9](?:[\s./()_-]{0,3}[0-9]){6,14})(?![0-9])"
)
_ANNOUNCED = re.compile(
    rf"(?:{_PHONE_WORD}|☎|📞|📱)[^0-9]{{0,20}}([1-9](?:{_SOFT}[0-9]){{8}})(?![0-9])", re.IGNORECASE
)
_WORD_BEFORE = re.compile(rf"{_PHONE_WORD}[^0-9A-Za-z]{{0,4}}$", re.IGNORECASE)
_LOST_ZERO = re.compile(r"\s*[1-79](?:([ ./-])[0-9]{2})(?:\1[0-9]{2}){3}\s*")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[ .][0-9]{3})+")
# Before a fraction stands a whole number, which no telephone number is: those begin with 0.
_DECIMAL = re.compile(r"(?<![0-9])(?:0|[1-9][0-9]{0,8})[.,]$")
_YEAR_BEFORE = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}[./-]$")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_SOFT_ONLY = re.compile(_SOFT_SIGN + "+")
# Groups of more than four digits that people do write.
_LONG_GROUPS = ([10], [2, 8], [4, 6], [6, 4], [3, 7], [8, 2], [2, 6, 2], [5, 2, 3])


def has_phone(text: str) -> bool:
    """Whether the text holds a French number in any grouping, or a foreign one that may exist.

    Numbers written « 0 800 … » are services, never a person's, and do not count.
    """
    text = _UUID.sub(" ", text)
    return (
        any(map(_is_national, overlapping(_NATIONAL, text)))
        or any(map(_is_from_abroad, overlapping(_FROM_ABROAD, text)))
        or any(map(_is_foreign, overlapping(_FOREIGN, text)))
        or any(_is_announced(found[1]) for found in overlapping(_ANNOUNCED, text))
        or _LOST_ZERO.fullmatch(text) is not None
    )


def _is_national(found: re.Match[str]) -> bool:
    text = found.string
    number = "0" + found[0][1:]
    groups, gaps = re.findall(r"[0-9]+", number), re.findall(r"[^0-9]+", number)
    sizes = [len(group) for group in groups]
    before = text[max(0, found.start() - 6) : found.start()]
    if sizes[0] > 4 and _is_part(found):
        return False
    if sizes == [10]:
        return True
    if _looks_like_dates(groups, gaps, before):
        return False
    if sizes == [2] * 5:
        return _is_pairs(groups, gaps, text[found.end() : found.end() + 3])
    if not all(_SOFT_ONLY.fullmatch(gap) for gap in gaps):
        return False
    if sizes[0] == 1:
        # Digit by digit, or « (0)6 12 34 56 78 »; « 0.612345678 » is a decimal.
        return set(sizes) == {1} or (before.endswith("(") and gaps[0].startswith(")"))
    return max(sizes) <= 4 or sizes in _LONG_GROUPS


def _is_part(found: re.Match[str]) -> bool:
    """Whether the digits are a number's decimals, or part of a hash."""
    before = found.string[max(0, found.start() - 12) : found.start()]
    return _DECIMAL.search(before) is not None or inside_code(found)


def _is_pairs(groups: list[str], gaps: list[str], after: str) -> bool:
    """Five pairs of digits: not 01, 02, 03, 04, 05 and not opening hours that go on."""
    values = [int(group) for group in groups]
    if all(later - earlier == 1 for earlier, later in itertools.pairwise(values)):
        return False
    if len(set(gaps)) == 1:
        if _SOFT_ONLY.fullmatch(gaps[0]):
            return True
        # A list of départements has commas, a MAC address six pairs.
        goes_on = after.startswith(gaps[0]) and after[-1:].isdigit()
        return len(gaps[0]) == 1 and groups[0] in ("06", "07") and not goes_on
    goes_on = after[1:3].isdigit() and len(after) == 3
    return all(_SOFT_ONLY.fullmatch(gap) for gap in gaps) and not goes_on


def _looks_like_dates(groups: list[str], gaps: list[str], before: str) -> bool:
    if _YEAR_BEFORE.search(before):
        return True
    sizes = [len(group) for group in groups]
    if sizes[:3] == [2, 2, 4] and gaps[0] == gaps[1] and int(groups[0]) <= 31:
        return int(groups[1]) <= 12 and _YEAR.fullmatch(groups[2]) is not None
    if sizes[:2] == [2, 4] and int(groups[0]) <= 12 and _YEAR.fullmatch(groups[1]):
        return gaps[0] in ("/", "-", ".") or (sizes == [2, 4, 4] and bool(_YEAR.match(groups[2])))
    return False


def _is_from_abroad(found: re.Match[str]) -> bool:
    """« +33 … » and « 0033 … »; without either, mobiles or the groups of a telephone number."""
    if found[1]:
        return not _is_part(found)
    if found[0].isdigit():
        return found[2][0] in "67" and not _is_part(found)
    return _is_announced(found[2]) and not _THOUSANDS.fullmatch(found[0])


def _is_foreign(found: re.Match[str]) -> bool:
    body = found[2]
    digits = re.sub(r"[^0-9]", "", body)
    decimal = "." in body and not re.search(r"[\s()/_-]|\..*\.", body)
    if decimal or _is_part(found):
        return False
    try:
        number = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        return False
    if phonenumbers.is_valid_number(number):
        return True
    # Length alone proves less than a numbering plan: more must speak for a telephone number.
    before, after = found.string[: found.start()], found.string[found.end() :]
    alone = not before.strip(" (") and not after.strip(" ).")
    if found[1].startswith("00") or _THOUSANDS.fullmatch(body):
        return False
    possible = phonenumbers.is_possible_number_with_reason(number)
    known = possible == phonenumbers.ValidationResult.IS_POSSIBLE
    return bool(known and (alone or _WORD_BEFORE.search(before[-30:])))


def _is_announced(number: str) -> bool:
    sizes = [len(group) for group in re.findall(r"[0-9]+", number)]
    return sizes in ([9], [1, 2, 2, 2, 2], [3, 2, 2, 2], [3, 3, 3], [1, 8])


def _is_dialable(text: str) -> bool:
    return 8 <= sum(character.isdigit() for character in text) <= 15 or has_phone(text)


PHONE = Detector("phone", re2(_CANDIDATE), has_phone)
# In a column whose name says telephone, any number of that length is one.
PHONE_IN_PHONE_COLUMN = Detector("phone", "[0-9]", _is_dialable)

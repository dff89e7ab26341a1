"""What the scan looks for in every cell: e-mail addresses, telephone numbers, NIR.

Each detector is a pattern in linear time (RE2) that every cell is matched with, and a check that
only the matches go through: a checksum or a numbering plan tells a number from a personal one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import phonenumbers
from stdnum.fr import nir

VERSION = 1


@dataclass(frozen=True)
class Detector:
    """`pattern` (RE2) finds candidates; `check` decides on a normalised text."""

    name: str
    pattern: str
    check: Callable[[str], bool]


_EMAIL = re.compile(r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})*\.[A-Za-z]{2,24}\b")
_DIGITS = re.compile(r"\D")
_SEPARATOR = r"[\s./_-]{0,3}"
# 10 digits from 01 to 09, or +33 / 0033 with or without (0), in groups of any kind.
_FRENCH = re.compile(
    rf"(?<![\d.,/-])(?:(?:\+|00){_SEPARATOR}33{_SEPARATOR}(?:\(0\))?{_SEPARATOR}0?|0)"
    rf"[1-9](?:{_SEPARATOR}\d\d){{4}}(?![\d/-]|[.,]\d)"
)
_FOREIGN = re.compile(r"(?<![\d\w])(?:\+|00)\s?[1-9](?:[\s().-]{0,3}\d){6,14}(?!\d)")
_NIR = re.compile(
    rf"(?<!\d)[1-478]{_SEPARATOR}\d\d{_SEPARATOR}(?:0[1-9]|1[0-2]|[2-9]\d)"
    rf"{_SEPARATOR}(?:\d\d|2[ABab]){_SEPARATOR}\d{{3}}{_SEPARATOR}\d{{3}}"
    rf"(?:[\s./_|-]{{0,3}}(?:cl[eé]\s*:?\s*)?(\d\d))?(?!\d)"
)
_DATE = re.compile(r"^\d{2}[./-]\d{2}[./-]\d{4}$|^\d{4}[./-]\d{2}[./-]\d{2}")


def has_email(text: str) -> bool:
    """Whether the text holds an e-mail address (RFC 5322's usual form)."""
    return _EMAIL.search(text) is not None


def has_phone(text: str) -> bool:
    """Whether the text holds a French number, or a foreign one that its country could assign."""
    for found in _FRENCH.finditer(text):
        if not _DATE.match(found[0]):
            return True
    for found in _FOREIGN.finditer(text):
        number = "+" + _DIGITS.sub("", found[0].replace("(0)", "")).removeprefix("00")
        try:
            parsed = phonenumbers.parse(number, None)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(parsed) and phonenumbers.is_valid_number(parsed):
            return True
    return False


def has_nir(text: str) -> bool:
    """Whether the text holds a social security number: with its key, the key must be right.

    A number of 13 digits without key is one only when its text holds nothing else, since identifiers
    of that length are common.
    """
    for found in _NIR.finditer(text):
        digits = re.sub(r"[^0-9ABab]", "", found[0].split("cl")[0]).upper()
        if found[1]:
            number = digits if digits.endswith(found[1]) else digits + found[1]
            if len(number) == 15 and _key_is_right(number):
                return True
        elif len(digits) == 13 and _plausible(digits) and found[0].strip() == text.strip():
            return True
    return False


def _key_is_right(number: str) -> bool:
    body = number[:13].replace("2A", "19").replace("2B", "18")
    if nir.is_valid(number):
        return True
    # Temporary numbers (first digit 3, 4, 7, 8) have the same key: 97 − body mod 97.
    return body.isdigit() and int(number[13:]) == 97 - int(body) % 97


def _plausible(digits: str) -> bool:
    """13 digits read as sex, month, département: the ranges that INSEE assigns."""
    month = int(digits[3:5])
    return digits[0] in "1278" and (1 <= month <= 12 or 20 <= month <= 42 or month >= 50)


def number_is_phone(value: int) -> bool:
    """Whether an integer is a telephone number that lost its zero, or kept its country's code.

    9 digits from 1 to 9 are a SIREN as well: a number whose Luhn sum is right counts as that.
    """
    digits = str(value)
    if len(digits) == 9 and digits[0] in "1234567":
        return not _luhn(digits)
    return len(digits) == 11 and digits.startswith("33") and digits[2] in "1234567"


def _luhn(digits: str) -> bool:
    doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


DETECTORS: tuple[Detector, ...] = (
    Detector("email", r"@", has_email),
    Detector("phone", r"(\d[\s./_()-]{0,3}){9}|\+", has_phone),
    Detector("nir", r"(\d[\s./_-]{0,3}){6}([\s./_-]{0,3}[\dABab]){7}", has_nir),
)

# Headers that announce a personal datum whatever the cells hold.
_HEADER = re.compile(
    r"(^|[^a-z])(prenoms?|first[_ ]?name|last[_ ]?name|surname|nom[_ ](de[_ ])?(famille|naissance|usage"
    r"|jeune[_ ]fille)|date[_ ](de[_ ])?naissance|ne[_ ]le|birth[_ ]?(date|day)|date[_ ]of[_ ]birth"
    r"|nir|num(ero)?[_ ](de[_ ])?secu(rite)?([_ ]sociale)?|social[_ ]security|e[_ -]?mails?|courriels?"
    r"|adresse[_ ]mail|mails?|tel(ephone)?[_ ](portable|mobile|personnel|domicile)|portable|mobile"
    r"|adresse[_ ](personnelle|domicile)|iban|rib)([^a-z]|$)"
)


def header_is_personal(folded: str) -> bool:
    """Whether a folded, accent-free header announces a personal datum."""
    return _HEADER.search(folded.replace("-", "_")) is not None

"""Codes that lead to one person: IBAN, payment cards, number plates, IP and MAC addresses."""

from __future__ import annotations

import ipaddress
import re

from stdnum import iban, luhn

from services.anonymize.detector import Detector, inside_code, without_uuids

VERSION = 2

_SOFT = r"[ .\-_/]{0,2}"
# Country, key, then groups (ISO 13616); the shortest has 15 characters, the longest 34.
_IBAN = re.compile(
    rf"(?<![0-9A-Za-z])[A-Z]{{2}}{_SOFT}[0-9]{{2}}(?:{_SOFT}[0-9A-Z]){{11,30}}", re.I
)
_LONG_CODE = re.compile(r"[0-9a-f]{32,}(?![0-9a-z])", re.I)
_CARD = re.compile(r"(?<![0-9.,])[2-6][0-9]{3}(?:[ .\-]?[0-9]{4}){2}[ .\-]?[0-9]{3,4}(?![0-9])")
_AMEX = re.compile(r"(?<![0-9.,])3[47][0-9]{2}[ .\-]?[0-9]{6}[ .\-]?[0-9]{5}(?![0-9])")
# Plates since 2009 (arrêté du 9 février 2009): no I, O, U; SS and WW are not given.
_PLATE_LETTERS = "(?!SS|WW)[A-HJ-NP-TV-Z]{2}"
_PLATE = re.compile(
    rf"(?<![0-9A-Za-z]){_PLATE_LETTERS}[ .\-]{{0,3}}(?!000)[0-9]{{3}}[ .\-]{{0,3}}{_PLATE_LETTERS}"
    r"(?![0-9A-Za-z])",
    re.I,
)
_OLD_PLATE = re.compile(
    r"(?<![0-9A-Za-z])[1-9][0-9]{1,3}[ \-]?(?!RUE|BIS|TER|DES|LES|AVE|BD)[A-HJ-NP-TV-Z]{2,3}[ \-]?"
    r"(?:0[1-9]|[1-8][0-9]|9[0-5]|2[AB]|97[1-6])(?![0-9A-Za-z])"
)
_PLATE_WORD = re.compile(r"immatr|plaque|v[eé]hicule|voiture", re.I)
_IPV4 = re.compile(r"(?<![0-9A-Za-z.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z.])")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![0-9A-Za-z:])", re.I)
_MAC = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{2}([:\-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})"
    r"(?![0-9A-Za-z])",
    re.I,
)


def has_iban(text: str) -> bool:
    """Whether the text holds an IBAN of a known country whose key is right (ISO 13616).

    Of random codes that begin like one, a key in 97 is right: a long hexadecimal one is none.
    """
    text = without_uuids(text)
    for found in _IBAN.finditer(text):
        code = _LONG_CODE.match(text, found.start()) is not None
        signs = [at for at, sign in enumerate(found[0]) if sign.isalnum()]
        bare = "".join(found[0][at] for at in signs).upper()
        # What follows an IBAN may look like more of it: every length is tried.
        for length in range(15, len(bare) + 1):
            end = found.start() + signs[length - 1] + 1
            # What countries ask beyond the key would be one more way to miss one.
            right = iban.is_valid(bare[:length], check_country=False)
            if right and not (code and inside_code(found, end)):
                return True
    return False


def has_card(text: str) -> bool:
    """Whether the text holds a payment card's number: issuer's first digits, length, Luhn's key."""
    bare = without_uuids(text)
    for found in (*_CARD.finditer(bare), *_AMEX.finditer(bare)):
        digits = re.sub(r"[^0-9]", "", found[0])
        issuer = digits[0] == "4" or 51 <= int(digits[:2]) <= 55 or digits[:2] in ("34", "37")
        issuer = issuer or 2221 <= int(digits[:4]) <= 2720 or digits[:4] == "6011"
        sixteen = len(digits) == (15 if digits[0] == "3" else 16)
        if issuer and sixteen and luhn.is_valid(digits) and not inside_code(found):
            return len(set(digits)) > 1
    return False


def has_plate(text: str) -> bool:
    """Whether the text holds a French number plate; an old one alone in its cell, or announced."""
    if _PLATE.search(text):
        return True
    found = _OLD_PLATE.search(text)
    return found is not None and (found[0] == text.strip() or _PLATE_WORD.search(text) is not None)


def has_ip(text: str) -> bool:
    """Whether the text holds an IP address of the public Internet; a private one names no line."""
    for found in (*_IPV4.finditer(text), *_IPV6.finditer(text)):
        # « § 4.1.2.3 », « v1.2.3.4 » are numbers of chapters and versions.
        if max(map(len, re.split(r"[.:]", found[0]))) < 2:
            continue
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            continue
        if address.is_global and not address.is_multicast:
            return True
    return False


def has_mac(text: str) -> bool:
    """Whether the text holds the MAC address of one device (IEEE 802): neither group nor zero."""
    for found in _MAC.finditer(text):
        digits = re.sub(r"[^0-9a-f]", "", found[0].lower())
        if int(digits[:2], 16) % 2 == 0 and int(digits, 16):
            return True
    return False


# What `check` may find has this; RE2, which knows no look-around, needs less than the whole form.
IBAN = Detector("iban", r"(?i)[A-Z]{2}[ .\-_/]{0,2}[0-9]{2}(?:[ .\-_/]{0,2}[0-9A-Z]){11}", has_iban)
CARD = Detector("card", r"[2-6][0-9]{3}[ .\-]?[0-9]{4}[ .\-]?[0-9]{2}", has_card)
PLATE = Detector(
    "plate",
    r"(?i)[A-Z]{2}[ .\-]{0,3}[0-9]{3}[ .\-]{0,3}[A-Z]{2}|[0-9]{2,4}[ \-]?[A-Z]{2,3}[ \-]?[0-9][0-9AB]",
    has_plate,
)
IP = Detector(
    "ip", r"(?:[0-9]{1,3}\.){3}[0-9]|(?i)[0-9a-f]{0,4}:[0-9a-f]{0,4}:[0-9a-f:]{0,4}", has_ip
)
MAC = Detector(
    "mac",
    r"(?i)[0-9a-f]{2}[:\-][0-9a-f]{2}[:\-][0-9a-f]{2}[:\-]|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}",
    has_mac,
)

"""Values made more general, one by one: dates, places, numbers, and the card's own groups."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable

from services.anonymize.geography import departement, epci
from shared.card_protection import DatePart

_SPACES = re.compile(r"\s+")
_POINT_ZERO = re.compile(r"(-?\d+)\.0+")
_DATE = re.compile(r"(-?\d{4})(?:-(\d{2}))?(?:-\d{2})?")

PLACES: dict[str, Callable[[str], str]] = {"departement": departement, "epci": epci}


def canonical_value(text: str) -> str:
    """One spelling for what is the same value: width, invisible marks, spaces, « 30.0 »."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    plain = _SPACES.sub(" ", plain).strip()
    whole = _POINT_ZERO.fullmatch(plain)
    return whole[1] if whole else plain


def date_part(day: dt.date, part: DatePart) -> str:
    """« 2026-03 », « 2026 », « 2025-2029 »."""
    if part == "month":
        return f"{day.year:04}-{day.month:02}"
    return f"{day.year:04}" if part == "year" else five_years(day.year)


def five_years(year: int) -> str:
    first = year - year % 5
    return f"{first:04}-{first + 4:04}"


def date_text_part(text: str, part: DatePart) -> str:
    """The same of a date, month or year as written here. Raises KeyError, without the value."""
    found = _DATE.fullmatch(text)
    if found is None or (part == "month" and found[2] is None):
        raise KeyError
    if part == "month":
        return f"{found[1]}-{found[2]}"
    return found[1] if part == "year" else five_years(int(found[1]))

"""An address or a code of a place, snapped to something that many share: street, IRIS, commune.

No centroid and no number stays: one house is one household.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from services.anonymize.geography import COMMUNE
from shared.card_parts import Snap

_NUMBER = re.compile(
    r"^\s*(?:n[°o]\s*)?\d{1,5}(?:\s*[-/]\s*\d{1,5})*\s*(?:(?:bis|ter|quater|[a-dA-D])\b)?\s*,?\s*",
    re.I,
)
_STREET = re.compile(
    r"\b(?:rue|avenue|av\.?|boulevard|bd|bld|place|pl\.?|quai|cours|all[eé]es?|chemin|impasse|route|square"
    r"|passage|esplanade|promenade|mont[eé]e|voie|rond-point|faubourg|ruelle|sentier|traverse|villa|clos"
    r"|lotissement|r[eé]sidence|hameau|lieu-dit)\b[^\d,;]*",
    re.I,
)
_POSTAL = re.compile(r"(?<!\d)(\d{5})(?!\d)\s*([^\d,;]*)")
_IRIS = re.compile(r"(?:\d{2}|2[AB])\d{7}")


def _street(text: str) -> str:
    """« 12 bis rue Victor-Hugo, 69001 Lyon » → « rue Victor-Hugo, 69001 Lyon »."""
    found = _STREET.search(_NUMBER.sub("", text))
    if found is None:
        raise KeyError
    town = _POSTAL.search(text)
    name = found[0].strip()
    return (
        f"{name}, {' '.join(part for part in (town[1], town[2].strip()) if part)}" if town else name
    )


def _iris(text: str) -> str:
    """An IRIS, or what begins with one."""
    found = _IRIS.match(text)
    if found is None:
        raise KeyError
    return found[0]


def _commune(text: str) -> str:
    """A commune's code, from it, an IRIS or a longer code; of an address, postal code and town."""
    if re.fullmatch(r"[\dAB]+", text) and (code := COMMUNE.match(text)):
        return code[0]
    town = _POSTAL.search(text)
    if town is None:
        raise KeyError
    return " ".join(part for part in (town[1], town[2].strip()) if part)


SNAPS: dict[Snap, Callable[[str], str]] = {"street": _street, "iris": _iris, "commune": _commune}
SNAPPED: dict[Snap, str] = {
    # As they must look once written: neither house number nor anything finer.
    "street": r"^[^\d]+(?:, \d{5}[^\d]*)?$",
    "iris": r"^(?:\d{2}|2[AB])\d{7}$",
    "commune": r"^(?:(?:\d{2}|2[AB])\d{3}|\d{5} [^\d]+)$",
}

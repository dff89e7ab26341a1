"""From a commune's INSEE code to the département and the EPCI that it belongs to."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

COMMUNE = re.compile(r"(?:\d{2}|2[AB])\d{3}")
# Four communes on islands and a few more belong to none.
NO_EPCI = "sans EPCI"


def departement(commune: str) -> str:
    """The département's code: two characters, three overseas. Raises KeyError, without the value."""
    if not COMMUNE.fullmatch(commune):
        raise KeyError
    return commune[:3] if commune[:2] in ("97", "98") else commune[:2]


def epci(commune: str) -> str:
    """The SIREN of the commune's EPCI (INSEE, 2026). Raises KeyError, without the value."""
    if not COMMUNE.fullmatch(commune):
        raise KeyError
    return _epci().get(commune, NO_EPCI)


@cache
def _epci() -> dict[str, str]:
    found = {}
    text = files("services.anonymize").joinpath("data", "epci.txt").read_text(encoding="ascii")
    for line in text.splitlines():
        siren, communes = line.split(";")
        found.update(dict.fromkeys(communes.split(), siren))
    return found

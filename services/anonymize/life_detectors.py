"""What a text says of somebody's life: special categories (GDPR, art. 9 and 10), and where one lives.

Words that are said of persons, not of services: « diabétique » counts, « diabète » does not; a union's
name does not, « syndiqué » does. A text without them may still tell as much: a clean scan proves little.
"""

from __future__ import annotations

import re

from services.anonymize.detector import Detector

VERSION = 1

_HEALTH = (
    r"diab[eé]tique|[eé]pileptique|s[eé]ropositi[fv]e?|schizophr[eè]ne|bipolaire|d[eé]pressi[fv]e?s?\b"
    r"|alcoolique|toxicomane|handicap[eé]e?\s(?:[aà]|de)\s\d|invalide\s[aà]\s\d|suivie?\s(?:au|en)\s"
    r"(?:chu|psychiatrie|addictologie|oncologie)|(?:atteinte?|souffre|souffrant|malade)\s(?:de|du|d['’])"
    r"\s?\w+|sous\s(?:traitement|antid[eé]presseurs|m[eé]thadone)|tentative\sde\ssuicide|cancer\sd[eu]\s\w+"
    r"|enceinte\sde\s(?:\d|\w+\smois)|(?:est|est\stomb[eé]e)\senceinte"
)
_UNION = (
    r"syndiqu[eé]e?s?|d[eé]l[eé]gu[eé]e?\ssyndicale?"
    r"|adh[eé]rente?\s(?:[aà]\sla\s)?(?:cgt|cfdt|fo|cftc|fsu|unsa)"
)
_BELIEF = (
    r"de\sconfession|musulmane?\spratiquante?|(?:est|famille)\s(?:juive?|musulmane?|catholique|protestante?"
    r"|bouddhiste)|t[eé]moin\sde\sj[eé]hovah"
)
_SEX = r"homosexuel(?:le)?s?\b|transgenre|transsexuel|bisexuel|orientation\ssexuelle"
_CHILD = (
    r"plac[eé]e?s?\s(?:[aà]\sl['’ ]ase|en\sfoyer|en\sfamille\sd['’ ]accueil)|suivie?s?\spar\sl['’ ]ase"
    r"|maltrait(?:ance|[eé]e?s?)|signalement\s(?:ase|parquet|crip)|enfance\sen\sdanger|mesure\s[eé]ducative"
)
_JUSTICE = (
    r"condamn[eé]e?\s[aà]|incarc[eé]r[eé]e?|mis(?:e)?\sen\sexamen|sous\s(?:tutelle|curatelle)"
    r"|violences?\sconjugales?|bracelet\s[eé]lectronique"
)
_SPECIAL = re.compile(
    rf"\b(?:{_HEALTH}|{_UNION}|{_BELIEF}|{_SEX}|{_CHILD}|{_JUSTICE})", re.IGNORECASE
)
# Services and places speak of these things without speaking of anybody.
_OF_A_SERVICE = re.compile(
    r"\b(?:centre|service|association|maison|accueil|campagne|pr[eé]vention|lutte|num[eé]ro|journ[eé]e"
    r"|subvention|[ée]tablissement|foyer|dispositif|plan|aide\saux|soutien\saux)\b",
    re.IGNORECASE,
)
_HOME = re.compile(
    r"\b(?:habite|demeurant|domicili[eé]e?|r[eé]sidant|r[eé]side|loge|h[eé]berg[eé]e?|chez\s\w+)\b"
    r".{0,40}?\d{1,4}\s?(?:bis|ter)?,?\s(?:rue|av\.?|avenue|bd|boulevard|all[eé]e|chemin|impasse|place|route"
    r"|cours|quai|square|passage|lotissement)\b",
    re.IGNORECASE,
)


def has_special(text: str) -> bool:
    """Whether the text says of a person what the law protects most."""
    found = _SPECIAL.search(text)
    return found is not None and not _OF_A_SERVICE.search(text[: found.start()])


def has_home(text: str) -> bool:
    """Whether the text tells the address at which somebody lives."""
    return _HOME.search(text) is not None


# RE2 reads them as they are: neither has look-around.
SPECIAL = Detector("special", f"(?i){_SPECIAL.pattern}", has_special)
HOME = Detector(
    "home",
    r"(?i)\b(?:habite|demeurant|domicili[eé]|r[eé]sid|loge|h[eé]berg[eé]|chez)\b?.{0,60}\d",
    has_home,
)

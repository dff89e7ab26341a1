"""The NIR, France's social security number, in text.

A cell that is one bare number is not for here: `number_detectors` judges it by its whole column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import ean
from stdnum.fr import nir

from services.anonymize.detector import GAP, Detector, inside_code, overlapping, re2, without_uuids

VERSION = 1

# Sex (3, 4, 7, 8: temporary numbers), year, month (20-42, 50-99: unknown), département, commune,
# order, key (INSEE; décret n° 82-103 du 22 janvier 1982, art. 4).
_MONTH = r"(?:0[1-9]|1[0-2]|2[0-9]|3[0-9]|4[0-2]|[5-9][0-9])"
_NIR_GROUPS = ("[1-478]", "[0-9]{2}", _MONTH, "(?:[0-9]{2}|2[ABab])", "[0-9]{3}", "[0-9]{3}")
_NIR = re.compile(
    r"(?<![0-9])"
    + GAP.join(f"({group})" for group in _NIR_GROUPS)
    + rf"(?:{GAP}(?:cl[eé]?|key)?{GAP}([0-9]{{2}}))?(?![0-9])",
    re.IGNORECASE,
)
_SOFT = re.compile(r"[\s./_-]{1,3}")
_DECIMAL = re.compile(r"(?<![0-9])[0-9]{1,3}[.,]$")


def has_nir(text: str) -> bool:
    """Whether the text holds a social security number.

    With its key, the key must be right or the groups those of a NIR (a slip of the pen is still
    one). Without, groups of a NIR or narrower ranges, since other codes have 13 digits.
    """
    return any(map(_is_nir, overlapping(_NIR, without_uuids(text))))


def _is_nir(found: re.Match[str]) -> bool:
    groups = [group or "" for group in found.groups()]
    body, key = "".join(groups[:6]).upper(), groups[6]
    gaps = list(_gaps(found, len(_NIR_GROUPS)))
    if groups[3] == "00" or _DECIMAL.search(
        found.string[max(0, found.start() - 5) : found.start()]
    ):
        return False
    used = [gap for gap in gaps if gap]
    if len(used) == 1 and gaps[0] in (".", ","):
        return False
    if len(used) >= 4 and len(set(used)) == 1:
        return True
    if inside_code(found) or not all(_SOFT.fullmatch(gap) for gap in used):
        return False
    if gaps[2] and gaps[4] and len(used) == 2:
        # Five digits each: a list of communes or postal codes.
        return False
    if key:
        return _key_is_right(body, key)
    plausible = body[0] in "12" and 1 <= int(body[3:5]) <= 12 and body[10:] != "000"
    return plausible and not ean.is_valid(body)


def _gaps(found: re.Match[str], groups: int) -> Iterator[str]:
    for number in range(1, groups):
        yield found.string[found.end(number) : found.start(number + 1)]


def _key_is_right(body: str, key: str) -> bool:
    return bool(nir.calc_check_digits(body + key) == key)


NIR = Detector("nir", re2(GAP.join(_NIR_GROUPS)), has_nir)

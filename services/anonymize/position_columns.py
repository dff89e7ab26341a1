"""Which columns hold places, however they are written: where somebody lives or goes is who it is.

By cells: WKT, EWKB (OGC 06-103r4), GeoJSON (RFC 7946), pairs of degrees, Plus codes, geohashes, H3. By
header: coordinates in degrees or metres (Lambert-93). Where people are the subject such a column is a
quasi-identifier or is not published.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from services.anonymize.header_lexicon import words

_CELL = (
    r"(?i)\b(?:multi)?(?:point|linestring|polygon)\s*z?m?\s*\("
    r"|^\s*0[01][0-9a-f]{40,}\s*$"
    r'|"(?:coordinates|geometries)"\s*:\s*\['
    r"|^\s*[(\[]?\s*-?\d{1,3}[.,]\d{3,}\s*[,; ]\s*-?\d{1,3}[.,]\d{3,}\s*[)\]]?\s*$"
    r"|(?:^|\s)[23456789CFGHJMPQRVWX]{6,8}\+[23456789CFGHJMPQRVWX]{2,3}(?:\s|$)"
    r"|^\s*8[0-9a-f]{14}\s*$"
)
_GEOHASH = r"^\s*[0-9b-hjkmnp-z]{6,12}\s*$"
_HEADER = re.compile(
    r"(?:^|_)(?:lat|lats|latitude|lon|lng|long|longitude|coord|coords|coordonnees?|geo_?point\w*"
    r"|geohash|h3|geom|geometry|geometrie|lambert\w*|easting|northing|position|gps\w*)(?:_|$|\d)"
    r"|^(?:[xy]|[xy]_?(?:coord\w*|l93|lamb\w*|wgs\d*)|coord\w*_?[xy])$"
)


def holds_positions(name: str, column: pa.ChunkedArray) -> bool:
    """Whether any cell is a position, or most are codes of one, or the header says so."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _HEADER.search(words(name)) is not None
    if not pa.types.is_string(kind):
        return False
    cells = column.drop_null().unique()
    if not len(cells):
        return False
    if pc.any(pc.match_substring_regex(cells, _CELL)).as_py():
        return True
    if _HEADER.search(words(name)) and pc.any(pc.match_substring_regex(cells, r"\d")).as_py():
        return True
    coded = pc.match_substring_regex(cells, _GEOHASH)
    for part in (r"[0-9]", r"[b-hjkmnp-z]"):
        coded = pc.and_(coded, pc.match_substring_regex(cells, part))
    hashes = int(pc.sum(coded).as_py() or 0)
    alike = len(pc.unique(pc.utf8_slice_codeunits(cells, 0, 2))) * 4 <= len(cells)
    # Places of one town begin alike; codes of something else do not.
    return hashes >= 4 and hashes * 10 >= len(cells) * 9 and alike

"""Positions in columns: made into a geometry where the card says so, else recognised and noted.

Opened by many programs: latitude and longitude in two columns, or « 45.76, 4.83 » in one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from services.ingest.cell_text import text_of
from services.ingest.column_types import Reading
from services.ingest.geometry import points
from services.ingest.header_names import match_key
from services.ingest.source_table import NO_HINTS, Batch, Dropped, SourceFacts, SourceTable
from shared.card_source import Point
from shared.failures import Quarantined
from shared.messages import Reason

_LATITUDES = frozenset(
    ["lat", "latitude", "ylat", "y_lat", "lat_wgs84", "latitude_wgs84", "geo_lat"]
)
_LONGITUDES = frozenset(
    [
        "lon",
        "lng",
        "long",
        "longitude",
        "xlong",
        "x_long",
        "lon_wgs84",
        "longitude_wgs84",
        "geo_lon",
        "geo_long",
    ]
)
_NUMBER = r"^\s*[-+]?\d+(?:[.,]\d+)?\s*$"


class _WithPoint:
    """A table with one more column, a geometry made of others. See `SourceTable`."""

    def __init__(self, table: SourceTable, point: Point, crs: str | None) -> None:
        self._table = table
        self._point = point
        self.headers = (*table.headers, point.column)
        self.facts: SourceFacts = table.facts
        self.warnings = table.warnings
        self.typed = table.typed
        self.crs = crs or table.crs
        keys = {match_key(header): at for at, header in enumerate(table.headers)}
        named = [point.pair] if point.pair else [point.x, point.y]
        missing = [name for name in named if name and match_key(name) not in keys]
        if missing:
            raise Quarantined(*(Reason(code="column_missing", column=name) for name in missing))
        if match_key(point.column) in keys:
            raise Quarantined(Reason(code="header_twice", column=point.column))
        self._at = [keys[match_key(name)] for name in named if name]

    @property
    def dropped(self) -> Dropped:
        return self._table.dropped

    def batches(self, plain: Mapping[int, Reading] = NO_HINTS) -> Iterator[Batch]:
        """All rows, the geometry last."""
        for batch in self._table.batches(plain):
            raw = [batch.columns[at] for at in self._at]
            x, y = self._pair(raw[0]) if len(raw) == 1 else (_numbers(raw[0]), _numbers(raw[1]))
            yield replace(batch, columns=(*batch.columns, points(x, y)))

    def _pair(self, raw: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # Brackets as in Table Schema's geopoint; a comma divides, unless a semicolon does.
        bare = pc.replace_substring_regex(text_of(raw), r"[\[\]()\s]", "")
        semicolon = bool(pc.any(pc.match_substring(bare, ";")).as_py())
        parts = pc.split_pattern(bare, ";" if semicolon else ",")
        two = pc.equal(pc.list_value_length(parts), 2)
        halves = [
            pc.if_else(
                two,
                pc.list_element(pc.if_else(two, parts, pa.scalar(["", ""], parts.type)), at),
                bare,
            )
            for at in (0, 1)
        ]
        first, second = _numbers(halves[0]), _numbers(halves[1])
        return (first, second) if self._point.order == "xy" else (second, first)

    def lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        return self._table.lines(ordinals)


def with_point(table: SourceTable, point: Point, crs: str | None) -> SourceTable:
    """The table with the geometry that the card's `source.point` describes.

    Raises Quarantined: `column_missing`, `header_twice`.
    """
    return _WithPoint(table, point, crs)


def _numbers(raw: pa.Array) -> NDArray[np.float64]:
    """The column's numbers; NaN where empty, infinite where something else stands."""
    if pa.types.is_null(raw.type):
        return np.full(len(raw), np.nan)
    if not pa.types.is_floating(raw.type):
        text = text_of(raw)
        empty = pc.or_kleene(pc.is_null(text), pc.equal(pc.utf8_trim_whitespace(text), ""))
        number = pc.match_substring_regex(text, _NUMBER)
        kept = pc.if_else(number, text, pa.scalar(None, pa.string()))
        dotted = pc.replace_substring(pc.utf8_trim_whitespace(kept), ",", ".")
        values = pc.cast(dotted, pa.float64())
        other = pc.and_(pc.invert(pc.fill_null(empty, True)), pc.is_null(values))
        raw = pc.if_else(other, pa.scalar(np.inf), values)
    found: NDArray[np.float64] = raw.to_numpy(zero_copy_only=False).astype(np.float64)
    return found


class Positions:
    """Watches whether two columns hold latitude and longitude in degrees: by their names, and by
    the bounds of all their values."""

    def __init__(self, names: Sequence[str], kinds: Sequence[str]) -> None:
        plain = [_plain(name) for name in names]
        numeric = [kind in ("number", "integer") for kind in kinds]
        self._found = {
            axis: [at for at, name in enumerate(plain) if name in known and numeric[at]]
            for axis, known in (("longitude", _LONGITUDES), ("latitude", _LATITUDES))
        }
        self._names = names
        self._right = all(len(found) == 1 for found in self._found.values())

    def feed(self, values: Sequence[pa.Array]) -> None:
        for axis, most in (("longitude", 180.0), ("latitude", 90.0)):
            if not self._right:
                return
            bounds = pc.min_max(values[self._found[axis][0]]).as_py()
            if bounds["min"] is not None and max(-bounds["min"], bounds["max"]) > most:
                self._right = False

    def columns(self) -> dict[str, int]:
        """`longitude` and `latitude` → index of the column; empty when there are none such."""
        return {axis: found[0] for axis, found in self._found.items()} if self._right else {}


def _plain(name: str) -> str:
    bare = unicodedata.normalize("NFD", name.casefold())
    return "".join(c for c in bare if not unicodedata.combining(c)).strip().replace(" ", "_")

"""Reads JSON, NDJSON and GeoJSON (RFC 7946) as columns.

An object within a row becomes columns `outer.inner`; a list becomes JSON text in one cell. A GeoJSON
feature's properties are its columns, its geometry the column `geometry`, as well-known binary.
Texts stay texts, dates and times apart: JSON has numbers of its own.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.ingest.column_types import Reading
from services.ingest.detect_format import is_object
from services.ingest.geometry import geometry_of_json, old_crs
from services.ingest.header_names import checked_headers
from services.ingest.json_events import Object
from services.ingest.json_rows import JsonRows, has_member, json_lines, placed
from services.ingest.json_text import json_text
from services.ingest.nul_characters import refuse_nul
from services.ingest.read_limits import ReadLimits
from services.ingest.source_table import NO_HINTS, Batch, Dropped, RowSieve, SourceFacts
from services.ingest.staged_rows import Scalar, StagedRows
from shared.card_source import Source, SourceFormat
from shared.failures import Quarantined
from shared.messages import Reason

GEOMETRY = "geometry"
# Of a feature (RFC 7946, 3.2); its bounds say nothing that its geometry does not.
_MEMBERS = frozenset({"type", "id", "properties", "geometry", "bbox"})
# One without geometry lacks that member in many a file, which RFC 7946 does not allow.
_TOLD = frozenset({"properties", "geometry"})
_FEATURES = "features"


class JsonTable:
    """See `SourceTable`. Lines are those of NDJSON; else the row's rank.

    Raises Quarantined: those of `JsonRows`, `too_many_columns`, `no_rows`, `format_mismatch` where
    the card says GeoJSON and there is no feature, those of `checked_headers`.
    """

    typed = True

    def __init__(
        self,
        source: Path,
        format_: SourceFormat,
        told: Source,
        declared: Sequence[str],
        limits: ReadLimits,
        work: Path,
    ) -> None:
        lined = format_ == "ndjson" or (told.format == "ndjson" and _is_one_line(source, limits))
        path = told.rows
        if path is None and format_ == "geojson" and has_member(source, _FEATURES, limits):
            path = _FEATURES  # whatever lists come before it
        rows = JsonRows(source, path, limits, features=format_ == "geojson")
        self._staged = StagedRows(work / "rows.arrows", limits)
        self._lines = array("q") if lined else None
        features = more = 0
        for row, line in json_lines(source, limits) if lined else rows:
            feature = row.get("type") == "Feature" and not row.keys().isdisjoint(_TOLD)
            features += feature
            more += feature and _holds_more(row)
            try:
                self._staged.add(_feature(row) if feature else _flat(row))
            except Quarantined as failure:
                raise placed(failure, line) from None
            if self._lines is not None:
                self._lines.append(line)
        self._staged.close()
        if told.format == "geojson" and not features:
            raise Quarantined(Reason(code="format_mismatch", expected="geojson", found=format_))
        if not self._staged.headers:
            raise Quarantined(Reason(code="no_rows", detail="empty_list"))
        self.headers = checked_headers(self._staged.headers, declared)
        self.facts = SourceFacts(format="geojson" if features else format_)
        self.crs = told.crs or old_crs(rows.crs)
        counts = {"lists_unread": rows.lists_unread, "members_unread": more}
        self.warnings: tuple[Reason, ...] = tuple(
            Reason(code=code, count=count) for code, count in counts.items() if count
        )
        self.dropped = Dropped()

    def batches(
        self,
        plain: Mapping[int, Reading] = NO_HINTS,  # noqa: ARG002 - cells have their type already
    ) -> Iterator[Batch]:
        """All rows from the first on; each column of one type throughout. Raises
        Quarantined(`nul_character`)."""
        sieve = RowSieve(self.headers)
        self.dropped = sieve.dropped
        first = 0
        for chunk in self._staged.batches():
            refuse_nul(chunk.columns, first, self.lines)
            yield sieve.sift(first, chunk.columns, chunk.num_rows)
            first += chunk.num_rows

    def lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        """Ordinal → line of NDJSON, else rank of the row, from 1."""
        if self._lines is None:
            return {ordinal: ordinal + 1 for ordinal in ordinals}
        return {ordinal: self._lines[ordinal] for ordinal in ordinals}


def _is_one_line(source: Path, limits: ReadLimits) -> bool:
    """Whether the file's first line is an object: a list of one row, where a card says lines."""
    with source.open("rb") as file:
        return is_object(file.readline(limits.row_bytes + limits.json_string_bytes))


def _holds_more(feature: Object) -> bool:
    """Whether something of it is not read: a member of its own, or an id beside another one."""
    properties = feature.get("properties")
    given = feature.get("id")
    inner = properties.get("id", given) if isinstance(properties, dict) else given
    other = given is not None and str(inner) != str(given)
    return other or not feature.keys() <= _MEMBERS


def _feature(row: Object) -> dict[str, Scalar]:
    properties = row.get("properties")
    if not isinstance(properties, dict | None):
        raise Quarantined(Reason(code="json_invalid"))
    found = _flat(properties or {})
    if GEOMETRY in found:
        raise Quarantined(Reason(code="header_twice", detail=GEOMETRY))
    if row.get("id") is not None and "id" not in found:
        found["id"] = _cell(row["id"])
    return {**found, GEOMETRY: geometry_of_json(row.get("geometry"))}


def _flat(row: Object) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    _flatten(row, "", found)
    return found


def _flatten(row: Object, under: str, found: dict[str, Scalar]) -> None:
    for name, value in row.items():
        if isinstance(value, dict):
            _flatten(value, f"{under}{name}.", found)
        elif under + name in found:
            raise Quarantined(Reason(code="json_key"))
        else:
            found[under + name] = _cell(value)


def _cell(value: Any) -> Scalar:
    if isinstance(value, list | dict):
        return json_text(value)
    scalar: Scalar = value
    return scalar

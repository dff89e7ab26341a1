"""Reads OpenStreetMap data, XML or PBF, as columns: `osm_type`, `osm_id`, tags, `geometry`.

Every object with a tag is a row: nodes as points, open ways as lines, closed ones and multipolygons
as areas where OSM takes them for such. A tag that the card names is a column; the others stand as
JSON in `tags`. Who edited what and when (user, uid, changeset, version, timestamp) is never read:
it is about people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import osmium

from services.ingest.column_types import Reading
from services.ingest.header_names import checked_headers
from services.ingest.nul_characters import refuse_nul
from services.ingest.read_limits import ReadLimits
from services.ingest.source_table import NO_HINTS, Batch, Dropped, RowSieve, SourceFacts
from services.ingest.staged_rows import Scalar, StagedRows
from services.ingest.walk_xml import walk_xml
from shared.card_source import SourceFormat
from shared.failures import Quarantined
from shared.messages import Reason

_OURS = ("osm_type", "osm_id", "tags", "geometry")
_LINES = ("highway", "railway", "barrier")
_KINDS = {"osm": "osm", "osm_pbf": "pbf"}


class OsmTable:
    """See `SourceTable`. A line is an object's rank.

    Raises Quarantined: those of `walk_xml`, `geo_unreadable` (damaged, or a block larger than the
    format allows), `geometry_too_large`, `no_rows`, those of `checked_headers`.
    """

    typed = False
    crs: str | None = None

    def __init__(
        self,
        source: Path,
        format_: SourceFormat,
        declared: Sequence[str],
        limits: ReadLimits,
        work: Path,
    ) -> None:
        if format_ == "osm":
            walk_xml(source, limits)
        self._tags = [name for name in declared if name not in _OURS]
        self._factory = osmium.geom.WKBFactory()
        self._limits = limits
        try:
            found = self._read(osmium.io.File(str(source), _KINDS[format_]), work)
        except (ValueError, osmium.InvalidLocationError):
            # A number or a coordinate that is none: the message quotes it.
            raise Quarantined(Reason(code="geo_unreadable", detail="value")) from None
        except RuntimeError:
            # Objects out of order perhaps: areas can only be put together from sorted ones.
            ordered = _in_order(source, format_, work)
            found = self._again(ordered, work)
        self._staged, counts = found
        if not self._staged.rows:
            raise Quarantined(Reason(code="no_rows", detail="no_tags"))
        self.headers = checked_headers(self._staged.headers, declared)
        self.facts = SourceFacts(format=format_)
        self.warnings: tuple[Reason, ...] = tuple(
            Reason(code=code, count=count) for code, count in counts.items() if count > 0
        )
        self.dropped = Dropped()

    def _read(self, file: osmium.io.File, work: Path) -> tuple[StagedRows, dict[str, int]]:
        """The rows, and of each warning its count: objects without geometry, relations that make no
        area. Raises RuntimeError for what is no such file."""
        staged = StagedRows(work / "rows.arrows", self._limits)
        counts = {"objects_unplaced": 0, "relations_unread": 0}
        one: Any
        for one in osmium.FileProcessor(file).with_locations().with_areas():
            # What an editor has deleted, and not sent yet, is still written.
            if not one.tags or one.deleted:
                continue
            if one.is_relation() or not _comes_so(one):
                # Beside its tags an area has a `type`, of which nothing is told.
                counts["relations_unread"] += one.is_relation() and _is_tagged(one)
                continue
            row = self._row(one)
            counts["relations_unread"] -= row["osm_type"] == "relation"
            counts["objects_unplaced"] += row["geometry"] is None
            staged.add(row)
        staged.close()
        return staged, counts

    def _again(self, ordered: Path, work: Path) -> tuple[StagedRows, dict[str, int]]:
        try:
            return self._read(osmium.io.File(str(ordered), "pbf"), work)
        except (RuntimeError, ValueError, osmium.InvalidLocationError):
            raise Quarantined(Reason(code="geo_unreadable")) from None

    def _row(self, one: Any) -> dict[str, Scalar]:
        tags = dict(one.tags)
        if len(tags) != len(one.tags):
            raise Quarantined(Reason(code="header_twice", detail="tags"))
        kind, number = one.type_str(), one.id
        if one.is_area():
            kind, number = "w" if one.from_way() else "r", one.orig_id()
        rest = {name: value for name, value in tags.items() if name not in self._tags}
        return {
            "osm_type": {"n": "node", "w": "way", "r": "relation"}[kind],
            "osm_id": number,
            **{name: tags.get(name) for name in self._tags},
            "tags": json.dumps(rest, ensure_ascii=False, sort_keys=True) if rest else None,
            "geometry": self._geometry(one),
        }

    def _geometry(self, one: Any) -> bytes | None:
        if one.is_way() and len(one.nodes) > self._limits.positions:
            raise Quarantined(Reason(code="geometry_too_large", limit=self._limits.positions))
        try:
            if one.is_node():
                return bytes.fromhex(self._factory.create_point(one))
            if one.is_way():
                return bytes.fromhex(self._factory.create_linestring(one))
            return bytes.fromhex(self._factory.create_multipolygon(one))
        except (RuntimeError, osmium.InvalidLocationError):
            return None  # an extract cuts ways whose nodes lie outside it

    def batches(
        self,
        plain: Mapping[int, Reading] = NO_HINTS,  # noqa: ARG002 - cells have their type already
    ) -> Iterator[Batch]:
        """All objects from the first on. Raises Quarantined(`nul_character`)."""
        sieve = RowSieve(self.headers)
        self.dropped = sieve.dropped
        first = 0
        for chunk in self._staged.batches():
            refuse_nul(chunk.columns, first, self.lines)
            yield sieve.sift(first, chunk.columns, chunk.num_rows)
            first += chunk.num_rows

    def lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        """Ordinal → rank, from 1."""
        return {ordinal: ordinal + 1 for ordinal in ordinals}


def _in_order(source: Path, format_: SourceFormat, work: Path) -> Path:
    """The same objects by type and number."""
    ordered = work / "ordered.pbf"
    named = work / f"unordered.{format_.replace('_', '.')}"
    named.symlink_to(source.resolve())
    merge = osmium.MergeInputReader()
    try:
        merge.add_file(str(named))
        with osmium.SimpleWriter(str(ordered)) as writer:
            merge.apply(writer)
    except (RuntimeError, ValueError, osmium.InvalidLocationError):
        raise Quarantined(Reason(code="geo_unreadable")) from None
    return ordered


def _comes_so(one: Any) -> bool:
    """Whether the object is to be taken in this form: a ring comes as a line and as an area."""
    if one.is_way():
        return not (one.is_closed() and len(one.nodes) > 3 and _is_area(one))
    return not one.is_area() or not one.from_way() or _is_area(one)


def _is_tagged(relation: Any) -> bool:
    return any(tag.k != "type" for tag in relation.tags)


def _is_area(ring: Any) -> bool:
    """A closed way is an area, unless it is a road, a rail or a fence (OSM wiki, « Way »)."""
    said = ring.tags.get("area")
    if said is not None:
        return bool(said != "no")
    return not any(name in ring.tags for name in _LINES)

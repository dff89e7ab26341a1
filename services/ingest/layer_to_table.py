"""Reads KML, GPX, a Shapefile or a GeoPackage as columns, the geometry one of them.

Of a KML file every folder is read; where there are several, a column `folder` says which. Of the
others one layer is read: the one that the card names, or the first with data. Links are never
followed, icons and styles never read, and of HTML in a description its text alone is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from services.ingest import gpx_values, kml_fields
from services.ingest.check_geopackage import check_geopackage
from services.ingest.check_shapefile import check_shapefile
from services.ingest.check_shapes import shapes_there
from services.ingest.column_types import Reading
from services.ingest.gdal_layers import (
    GEOMETRY,
    Layer,
    layers,
    named_for_gdal,
    read_layer,
)
from services.ingest.header_names import checked_headers, clean_name
from services.ingest.nul_characters import refuse_nul
from services.ingest.parquet_to_table import is_bytes, placed_cells
from services.ingest.read_limits import ReadLimits
from services.ingest.source_table import NO_HINTS, Batch, Dropped, RowSieve, SourceFacts
from services.ingest.staged_rows import Scalar, StagedRows
from services.ingest.text_encoding import find_bytes_encoding
from services.ingest.walk_xml import walk_xml
from shared.card_source import Source, SourceFormat
from shared.failures import Quarantined
from shared.messages import Reason

# How a map draws a place: not what the place is.
_KML_DRAWING = frozenset({
    "altitudeMode", "tessellate", "extrude", "visibility", "drawOrder", "icon", "snippet",
})  # fmt: skip
_FOLDER = "folder"
# dBASE's number of a language: « Windows ANSI ».
_WINDOWS = 0x57
_GDAL_NAMES = {"iso8859-15": "ISO-8859-15", "mac-roman": "MACINTOSH"}


class LayerTable:
    """See `SourceTable`. A line is a feature's rank. `links` counts other documents beside the file.

    Raises Quarantined: those of `walk_xml` and `gdal_layers`, those of `check_shapefile`,
    `encoding`, `sheet_missing`,
    `crs_missing`, `column_unreadable`, `too_many_columns`, `no_rows`, those of `checked_headers`.
    """

    def __init__(
        self,
        source: Path,
        format_: SourceFormat,
        told: Source,
        declared: Sequence[str],
        limits: ReadLimits,
        work: Path,
        links: int = 0,
    ) -> None:
        if format_ in ("kml", "gpx"):
            walk_xml(source, limits)
        self._elements: frozenset[str] = frozenset()
        if format_ == "kml":
            given, source = source, work / "fields.kml"
            self._elements, inside = kml_fields.copy_for_gdal(given, source)
            links = max(links, inside)
        elif format_ == "gpx":
            given, source = source, work / "values.gpx"
            gpx_values.copy_for_gdal(given, source)
        self._path = named_for_gdal(source, format_, work)
        self._format = format_
        self._encoding = told.encoding
        self._shapes: NDArray[np.bool_] | None = None
        if format_ == "shapefile":
            check_shapefile(self._path)
            self._shapes = shapes_there(self._path)
            self._encoding = told.encoding or _unsaid_encoding(self._path, work)
        self.typed = format_ != "kml"
        found = layers(self._path, self._encoding)
        chosen = _chosen(found, told.sheet, several=format_ == "kml")
        self._layer = chosen[0]
        if format_ == "geopackage":
            self._shapes = check_geopackage(self._path, self._layer)
        self._staged: StagedRows | None = None
        if format_ in ("kml", "gpx"):
            self._staged = self._stage(chosen, limits, work)
            names: Sequence[str] = self._staged.headers
        else:
            names = self._layer.columns
        if len(names) > limits.columns:
            raise Quarantined(Reason(code="too_many_columns", limit=limits.columns))
        self.headers = checked_headers(names, declared)
        self.facts = SourceFacts(format=format_, sheet=found.index(self._layer) + 1)
        self.crs = told.crs or self._layer.crs
        if self.crs is None and GEOMETRY in names:
            raise Quarantined(Reason(code="crs_missing"))
        unread = sum(layer.rows > 0 for layer in found) - len(chosen)
        counts = {"layers_unread": unread, "links_unread": links}
        self.warnings: tuple[Reason, ...] = tuple(
            Reason(code=code, count=count) for code, count in counts.items() if count
        )
        self.dropped = Dropped()

    def _stage(self, chosen: Sequence[Layer], limits: ReadLimits, work: Path) -> StagedRows:
        staged = StagedRows(work / "rows.arrows", limits)
        for layer in chosen:
            for batch in self._checked(layer):
                for row in batch.to_pylist():
                    cells = self._cells(row)
                    if len(chosen) > 1:
                        if cells.get(_FOLDER) is not None:
                            raise Quarantined(Reason(code="header_twice", detail=_FOLDER))
                        cells = {_FOLDER: layer.name} | cells | {_FOLDER: layer.name}
                    staged.add({name: cell for name, cell in cells.items() if cell is not None})
        staged.close()
        return staged

    def _cells(self, row: dict[str, Any]) -> dict[str, Scalar]:
        written = row.get(kml_fields.FIELDS) if self._format == "kml" else None
        if written is None:
            named = {_name(name): cell for name, cell in row.items() if name not in _KML_DRAWING}
        elif GEOMETRY in (named := kml_fields.fields_of(written, self._elements)):
            raise Quarantined(Reason(code="header_twice", detail=GEOMETRY))
        else:
            named |= {GEOMETRY: row[GEOMETRY]}
        return {name: _cell(name, gpx_values.unmarked(cell)) for name, cell in named.items()}

    def batches(
        self,
        plain: Mapping[int, Reading] = NO_HINTS,  # noqa: ARG002 - the base class gives it - cells have their type already
    ) -> Iterator[Batch]:
        """All features from the first on. Raises Quarantined: `geo_unreadable`,
        `column_unreadable` for a column of bytes."""
        sieve = RowSieve(self.headers)
        self.dropped = sieve.dropped
        first = 0
        for batch in self._batches():
            for at, name in enumerate(batch.schema.names, 1):
                if name != GEOMETRY and is_bytes(batch.schema.field(at - 1).type):
                    raise Quarantined(Reason(code="column_unreadable", position=at))
            cells = placed_cells(batch.columns, first)
            refuse_nul(cells, first, self.lines)
            yield sieve.sift(first, cells, batch.num_rows)
            first += batch.num_rows

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if self._staged is not None:
            return self._staged.batches()
        return self._checked(self._layer)

    def _checked(self, layer: Layer) -> Iterator[pa.RecordBatch]:
        """The layer's rows, all that its file counts: GDAL ends at damage as if that were the end."""
        rows = 0
        # A shapefile counts records that are deleted too.
        wanted = layer.rows if self._shapes is None else len(self._shapes)
        for batch in read_layer(self._path, layer, self._encoding):
            if self._shapes is not None:
                self._check_shapes(batch, self._shapes[rows : rows + batch.num_rows], rows)
            rows += batch.num_rows
            yield batch
        if rows != wanted:
            raise Quarantined(Reason(code="geo_unreadable", count=abs(wanted - rows)))

    def _check_shapes(self, batch: pa.RecordBatch, there: NDArray[np.bool_], first: int) -> None:
        """GDAL gives null for a shape that it cannot read."""
        lost = np.flatnonzero(there & batch[GEOMETRY].is_null().to_numpy(zero_copy_only=False))
        if len(lost):
            line = first + int(lost[0]) + 1
            raise Quarantined(Reason(code="geometry_unreadable", line=line, count=len(lost)))

    def lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        """Ordinal → rank, from 1."""
        return {ordinal: ordinal + 1 for ordinal in ordinals}


def _unsaid_encoding(shapes: Path, work: Path) -> str | None:
    """What a shapefile's texts are written in where no .cpg says it, nor the table's header rightly
    (dBASE, byte 29): GDAL takes them for UTF-8 where that says nothing, and for Latin-1 where it says
    Windows. UTF-8 is told by its bytes, whatever is said. Raises Quarantined(`encoding`)."""
    table = shapes.with_suffix(".dbf")
    with table.open("rb") as file:
        head = file.read(32)
        begin = int.from_bytes(head[8:10], "little")
        described = file.read(max(0, begin - 32))
    if shapes.with_suffix(".cpg").exists() or len(head) < 32:
        return None
    try:
        found = find_bytes_encoding(table, begin)
        if found == "utf-8":
            # Its columns' names may alone have accents.
            names = [described[at : at + 11].split(b"\0")[0] for at in range(0, len(described), 32)]
            (work / "names").write_bytes(b"\n".join(names))
            found = find_bytes_encoding(work / "names", 0)
    except Quarantined:
        if not head[29]:
            raise
        found = ""
    if head[29] and found != "utf-8":
        return "CP1252" if head[29] == _WINDOWS else None
    return _GDAL_NAMES.get(found, found)


def _chosen(found: Sequence[Layer], wanted: str | None, *, several: bool) -> list[Layer]:
    if wanted is not None:
        found = [layer for layer in found if clean_name(layer.name) == clean_name(wanted)]
        if not found:
            raise Quarantined(Reason(code="sheet_missing", expected=wanted))
    filled = [layer for layer in found if layer.rows]
    if not filled:
        raise Quarantined(Reason(code="no_rows", detail="empty_layer"))
    return filled if several else filled[:1]


def _name(name: str) -> str:
    return "name" if name == "Name" else name


def _cell(name: str, cell: object) -> Scalar:
    if isinstance(cell, list | dict):
        return str(cell)
    scalar: Scalar = cell  # type: ignore[assignment]  # what is left of JSON
    if name == "description" and isinstance(scalar, str) and "<" in scalar:
        return text_of_html(scalar)
    return scalar


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the base class gives it
        self._silent += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in ("script", "style")))

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words += data.split()


def text_of_html(markup: str) -> str:
    """What a reader sees of the markup, in one line."""
    parser = _Text()
    parser.feed(markup)
    parser.close()
    return " ".join(parser.words)

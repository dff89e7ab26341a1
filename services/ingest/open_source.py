"""From a file to the reader of its format: what it is decided by its content, unwrapped if need be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.ingest.csv_to_table import CsvTable
from services.ingest.json_to_table import JsonTable
from services.ingest.layer_to_table import LayerTable
from services.ingest.osm_to_table import OsmTable
from services.ingest.parquet_to_table import ParquetTable
from services.ingest.point_column import with_point
from services.ingest.read_limits import ReadLimits
from services.ingest.source_table import SourceTable
from services.ingest.total_rows import WithoutTotals
from services.ingest.unwrap_source import unwrap
from services.ingest.workbook_to_table import WorkbookTable
from shared.card_source import Source, SourceFormat
from shared.failures import Quarantined
from shared.messages import Reason

# A card that says one of these is right about the other too.
_ALIKE = ({"json", "geojson"}, {"ndjson", "json"}, {"ndjson", "geojson"})


def open_source(
    source: Path, told: Source, declared: Sequence[str], limits: ReadLimits, work: Path
) -> SourceTable:
    """The source as a table; `work` is a folder for what is unpacked or staged.

    Raises Quarantined: `format_mismatch` when the card declares another format, and the reasons of
    `unwrap` and of each format's reader.
    """
    path, found, unread = unwrap(source, told.format, limits, work)
    if told.format not in (None, found) and {told.format, found} not in _ALIKE:
        raise Quarantined(Reason(code="format_mismatch", expected=told.format, found=found))
    table = _table(path, found, told, declared, limits, work, unread)
    if told.point is None:
        return table
    return with_point(table, told.point, told.crs)


def _table(
    path: Path,
    found: SourceFormat,
    told: Source,
    declared: Sequence[str],
    limits: ReadLimits,
    work: Path,
    unread: int,
) -> SourceTable:
    match found:
        case "csv":
            return WithoutTotals(CsvTable(path, told, declared, limits))
        case "xlsx" | "xls" | "ods":
            return WithoutTotals(WorkbookTable(path, found, told, declared, limits))
        case "json" | "ndjson" | "geojson":
            return JsonTable(path, found, told, declared, limits, work)
        case "parquet":
            return ParquetTable(path, told, declared, limits)
        case "osm" | "osm_pbf":
            return OsmTable(path, found, declared, limits, work)
        case "kml" | "gpx" | "shapefile" | "geopackage":
            return LayerTable(path, found, told, declared, limits, work, unread)

"""The open formats that a release can come in: what each file is called and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal[
    "csv", "txt", "json", "ndjson", "parquet", "xlsx", "ods",
    "geojson", "kml", "kmz", "geoparquet", "gpkg", "pmtiles", "osm",
]  # fmt: skip


@dataclass(frozen=True)
class FormatFacts:
    """A format. `file_type` is its code in the EU's authority table, None if it has none there."""

    suffix: str
    media_type: str
    file_type: str | None
    title: str
    spatial: bool = False


FORMATS: dict[str, FormatFacts] = {
    "csv": FormatFacts("csv", "text/csv", "CSV", "CSV"),
    "txt": FormatFacts("txt", "text/tab-separated-values", "TSV", "TXT"),
    "json": FormatFacts("json", "application/json", "JSON", "JSON"),
    "ndjson": FormatFacts("ndjson", "application/x-ndjson", None, "NDJSON"),
    "parquet": FormatFacts("parquet", "application/vnd.apache.parquet", "PARQUET", "Parquet"),
    "xlsx": FormatFacts(
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "XLSX",
        "XLSX",
    ),
    "ods": FormatFacts("ods", "application/vnd.oasis.opendocument.spreadsheet", "ODS", "ODS"),
    "geojson": FormatFacts("geojson", "application/geo+json", "GEOJSON", "GeoJSON", spatial=True),
    "kml": FormatFacts("kml", "application/vnd.google-earth.kml+xml", "KML", "KML", spatial=True),
    "kmz": FormatFacts("kmz", "application/vnd.google-earth.kmz", "KMZ", "KMZ", spatial=True),
    # `.geo.parquet`: readers go by `.parquet`, and the plain Parquet file has that name.
    "geoparquet": FormatFacts(
        "geo.parquet", "application/vnd.apache.parquet", "PARQUET", "GeoParquet", spatial=True
    ),
    "gpkg": FormatFacts(
        "gpkg", "application/geopackage+sqlite3", "GPKG", "GeoPackage", spatial=True
    ),
    "pmtiles": FormatFacts("pmtiles", "application/vnd.pmtiles", None, "PMTiles", spatial=True),
    "osm": FormatFacts(
        "osm", "application/vnd.openstreetmap.data+xml", "XML", "OSM XML", spatial=True
    ),
}


def file_name(dataset: str, form: str) -> str:
    """What a citizen downloads: `<dataset>.<suffix>`."""
    return f"{dataset}.{FORMATS[form].suffix}"

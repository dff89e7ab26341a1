"""Which writer makes which format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.convert.dictionary_rows import dictionary_rows
from services.convert.geo_extent import GeoExtent
from services.convert.refusal import FormatRefused, refused
from services.convert.release_facts import ReleaseFacts
from services.convert.safe_table import Batch, SafeTable
from services.convert.table_to_csv import CsvWriter
from services.convert.table_to_geojson import GeojsonWriter
from services.convert.table_to_gpkg import GpkgWriter
from services.convert.table_to_json import JsonWriter, NdjsonWriter
from services.convert.table_to_kml import KmlWriter, KmzWriter
from services.convert.table_to_ods import OdsWriter
from services.convert.table_to_osm import OsmWriter
from services.convert.table_to_parquet import ParquetWriter
from services.convert.table_to_pmtiles import PmtilesWriter
from services.convert.table_to_xlsx import XlsxWriter
from services.convert.written_file import CountingWriter, WrittenFile
from shared.card import Card
from shared.formats import FORMATS, file_name
from shared.messages import Reason


class Writer(Protocol):
    """Takes a table's batches in order; `write` and `close` may raise FormatRefused."""

    def write(self, batch: Batch) -> None: ...
    def close(self) -> None: ...


@dataclass
class FormatJob:
    """One format under way. `refusal` is set once the format cannot hold the table."""

    form: str
    path: Path
    writer: Writer | None
    out: CountingWriter
    refusal: Reason | None = None

    def write(self, batch: Batch) -> None:
        """Hands the batch to the writer, unless the format is refused."""
        if self.writer is not None:
            try:
                self.writer.write(batch)
            except FormatRefused as refusal:
                self.refuse(refusal)

    def finish(self, rows: int) -> WrittenFile | None:
        """The file; None if the format is refused."""
        if self.writer is not None:
            try:
                self.writer.close()
            except FormatRefused as refusal:
                self.refuse(refusal)
        return None if self.refusal else self.out.written(self.path.name, self.form, rows)

    def refuse(self, refusal: FormatRefused) -> None:
        """Leaves nothing of the format but the reason."""
        self.writer, self.refusal = None, refusal.reason
        self.out.abandon()


@dataclass(frozen=True)
class Order:
    """What a writer is told: the table as it is to be read, and what was found out about it."""

    table: SafeTable
    card: Card
    facts: ReleaseFacts
    extent: GeoExtent | None


def open_job(form: str, order: Order, out: Path) -> FormatJob:
    """Starts a format's file in the folder `out`."""
    path = out / file_name(order.card.dataset, form)
    job = FormatJob(form, path, None, CountingWriter(path))
    try:
        if FORMATS[form].spatial:
            job.writer = _spatial_writer(form, job.out, order)
        else:
            job.writer = _plain_writer(form, job.out, order)
    except FormatRefused as refusal:
        job.refuse(refusal)
    return job


def _plain_writer(form: str, out: CountingWriter, order: Order) -> Writer:
    table, card, facts = order.table, order.card, order.facts
    split, words = card.sheets == "split", dictionary_rows(card, table.types)
    match form:
        case "csv":
            return CsvWriter(out, table.schema.names, card.csv_delimiter or ",")
        case "txt":
            return CsvWriter(out, table.schema.names, "\t")
        case "json":
            return JsonWriter(out)
        case "ndjson":
            return NdjsonWriter(out)
        case "parquet":
            return ParquetWriter(
                out, table.schema, facts, geometries=table.geometries, extent=order.extent
            )
        case "xlsx":
            return XlsxWriter(out, table, facts, words, split=split)
        case "ods":
            return OdsWriter(out, table, facts, words, split=split)
    raise ValueError(f"no writer for {form}")


def _spatial_writer(form: str, out: CountingWriter, order: Order) -> Writer:
    table, facts, extent = order.table, order.facts, order.extent
    if extent is None or extent.bounds is None:
        raise refused(form, "no_geometry")
    match form:
        case "geojson":
            return GeojsonWriter(out, facts)
        case "kml":
            return KmlWriter(out, table, facts)
        case "kmz":
            return KmzWriter(out, table, facts)
        case "geoparquet":
            return ParquetWriter(
                out, table.schema, facts, geometries=table.geometries, extent=extent, boxes=True
            )
        case "gpkg":
            return GpkgWriter(out, table, extent, facts)
        case "pmtiles":
            return PmtilesWriter(out, extent, facts)
        case "osm":
            return OsmWriter(out, extent, facts)
    raise ValueError(f"no writer for {form}")

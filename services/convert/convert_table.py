"""From one safe table to every format that the card asks for, in one streamed reading."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from services.convert.datapackage import make_datapackage
from services.convert.preview import ROWS, make_preview
from services.convert.table_to_csv import CsvWriter
from services.convert.table_to_json import JsonWriter
from services.convert.table_to_parquet import ParquetWriter
from services.convert.written_file import CountingWriter, WrittenFile
from shared.card import Card, canonical_digest

BATCH = 100_000


@dataclass(frozen=True)
class ConvertedRelease:
    """The files of a release on the spool. `columns` is a fingerprint of names and types."""

    files: tuple[WrittenFile, ...]
    datapackage: WrittenFile
    preview: WrittenFile
    rows: int
    columns: str
    guarded: dict[str, int]


def convert_table(table: Path, card: Card, release: str, out: Path) -> ConvertedRelease:
    """Writes the card's formats, `datapackage.json` and `preview.json` into the folder `out`.

    The same table and card give the same bytes, whenever and wherever.
    """
    source = pq.ParquetFile(table)
    schema = source.schema_arrow.remove_metadata()
    types = {field.name: table_schema_type(field.type) for field in schema}
    empty = pl.from_arrow(schema.empty_table())
    if not isinstance(empty, pl.DataFrame):
        raise TypeError("a table is a data frame")
    outs = {form: CountingWriter(out / f"{card.dataset}.{form}") for form in card.formats or ()}
    csv = CsvWriter(outs["csv"], empty.schema) if "csv" in outs else None
    json = JsonWriter(outs["json"]) if "json" in outs else None
    parquet = ParquetWriter(outs["parquet"], schema, card, release) if "parquet" in outs else None
    rows, first = 0, empty
    for batch in source.iter_batches(BATCH):
        frame = pl.DataFrame(batch)
        if len(first) < ROWS:
            first = first.vstack(frame.head(ROWS - len(first)))
        rows += len(frame)
        if csv:
            csv.write(frame)
        if json:
            json.write(frame)
        if parquet:
            parquet.write(batch)
    if csv and rows == 0:
        csv.empty(empty.schema)
    for writer in (csv, json, parquet):
        if writer:
            writer.close()
    files = tuple(
        writer.written(f"{card.dataset}.{form}", form, rows) for form, writer in outs.items()
    )
    counts = csv.guarded if csv else {}
    package = make_datapackage(card, release, files, types, counts)
    return ConvertedRelease(
        files=files,
        datapackage=_small(out / "datapackage.json", package),
        preview=_small(out / "preview.json", make_preview(first, rows, card, types)),
        rows=rows,
        columns=canonical_digest(sorted(types.items())),
        guarded=counts,
    )


def _small(path: Path, content: bytes) -> WrittenFile:
    path.write_bytes(content)
    return WrittenFile(
        name=path.name,
        format="json",
        media_type="application/json",
        path=path,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        rows=None,
    )


def table_schema_type(kind: pa.DataType) -> str:
    """The Table Schema type of an Arrow type."""
    checks = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
        (pa.types.is_floating, "number"),
        (pa.types.is_decimal, "number"),
        (pa.types.is_date, "date"),
        (pa.types.is_timestamp, "datetime"),
        (pa.types.is_time, "time"),
    )
    return next((name for check, name in checks if check(kind)), "string")

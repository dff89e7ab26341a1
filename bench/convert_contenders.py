"""What is measured of convert and beside what: contenders are functions of a table and a folder."""

from __future__ import annotations

import datetime as dt
import json
import resource
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pyogrio
import shapely
import xlsxwriter

from services.convert.convert_table import convert_table
from services.convert.geo_extent import geo_extent
from services.convert.safe_table import SafeTable
from services.convert.table_to_pmtiles import PROGRAM, zooms
from shared.card import Card

RELEASE = "r" + "0" * 31
TABLES = ("csv", "json", "parquet")
SMALL = 50  # small releases in one measurement
MAPS = ("geojson", "kml", "geoparquet", "pmtiles")


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, seconds of CPU (children included), MiB at the highest."""

    wall: float
    cpu: float
    mib: float


def spent() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak(pid: int | str = "self") -> float:
    """MiB at the highest. Not rusage's: a child's begins with the peak of the parent it left."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def card_of(formats: Sequence[str], columns: Sequence[str]) -> Card:
    return Card.model_validate(
        {
            "dataset": "bench",
            "domain": "bench",
            "title": "Bench",
            "description": "Bench",
            "subject": "none",
            "privacy": {"columns": dict.fromkeys(columns, "keep")},
            "formats": list(formats),
        }
    )


def ecluse(formats: Sequence[str]) -> Callable[[Path, Path], None]:
    def work(table: Path, out: Path) -> None:
        convert_table(table, card_of(formats, pq.read_schema(table).names), RELEASE, out)

    return work


def polars_tables(table: Path, out: Path) -> None:
    rows = pl.scan_parquet(table)
    rows.sink_csv(out / "a.csv")
    rows.sink_ndjson(out / "a.json")
    rows.sink_parquet(out / "a.parquet", compression="zstd", compression_level=9)


def duckdb_tables(table: Path, out: Path) -> None:
    with duckdb.connect() as engine:
        for name, how in (
            ("a.csv", "format csv, header"),
            ("a.json", "format json, array true"),
            ("a.parquet", "format parquet, compression zstd, compression_level 9"),
        ):
            engine.execute(f"copy (from '{table}') to '{out / name}' ({how})")


def zoom_levels(table: Path) -> tuple[int, int]:
    """Those that we choose, so that all draw as many tiles."""
    source = SafeTable(table, card_of(MAPS, pq.read_schema(table).names))
    return zooms(geo_extent(source))


def gdal_maps(table: Path, out: Path) -> None:
    rows = pq.read_table(table)
    first, last = zoom_levels(table)
    for driver, name, options in (
        ("GeoJSON", "a.geojson", {"RFC7946": "YES"}),
        ("LIBKML", "a.kml", {}),
        ("PMTiles", "a.pmtiles", {"MINZOOM": f"{first}", "MAXZOOM": f"{last}"}),
    ):
        pyogrio.write_arrow(
            rows,
            out / name,
            driver=driver,
            layer="data",
            geometry_name="geom",
            geometry_type="Polygon",
            crs="EPSG:4326",
            **options,
        )
    pq.write_table(rows, out / "a.parquet", compression="zstd", compression_level=9)


def with_xlsxwriter(table: Path, out: Path) -> None:
    book = xlsxwriter.Workbook(out / "a.xlsx", {"constant_memory": True})
    sheet, day = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"})
    frame = pl.read_parquet(table)
    sheet.write_row(0, 0, frame.columns)
    for row, cells in enumerate(frame.iter_rows(), 1):
        for column, cell in enumerate(cells):
            _write_cell(sheet, row, column, cell, day)
    book.close()


def _write_cell(sheet: Any, row: int, column: int, cell: object, day: Any) -> None:
    if isinstance(cell, bool):
        sheet.write_boolean(row, column, cell)
    elif isinstance(cell, str):
        sheet.write_string(row, column, cell)
    elif isinstance(cell, dt.date):
        sheet.write_datetime(row, column, cell, day)
    else:
        sheet.write_number(row, column, cell)


def small(table: Path, out: Path) -> None:
    """A release of 20 KB, as a worker makes it that has made others before."""
    for _ in range(SMALL):
        ecluse(TABLES)(table, out)


def rust_xlsxwriter(table: Path, out: Path) -> None:
    """By Polars, which hands all rows to it."""
    pl.read_parquet(table).write_excel(out / "a.xlsx")


def with_tippecanoe(table: Path, out: Path) -> None:
    """From lines of GeoJSON, as its manual says; making them counts."""
    source = out / "a.geojson"
    rows = pq.read_table(table)
    first, last = zoom_levels(table)
    shapes = shapely.to_geojson(
        shapely.from_wkb(rows.column("geom").to_numpy(zero_copy_only=False))
    )
    with source.open("w", encoding="utf-8") as file:
        for number, name, shape in zip(
            rows.column("n").to_pylist(), rows.column("nom").to_pylist(), shapes, strict=True
        ):
            told = json.dumps({"n": number, "nom": name}, ensure_ascii=False)
            file.write(f'{{"type":"Feature","properties":{told},"geometry":{shape}}}\n')
    command = [
        str(PROGRAM), "--quiet", "-P", "-o", str(out / "a.pmtiles"), f"-Z{first}", f"-z{last}",
        "-l", "data", "--drop-densest-as-needed", str(source),
    ]  # fmt: skip
    subprocess.run(command, check=True)


CONTENDERS: dict[str, Callable[[Path, Path], None]] = {
    "tables:ecluse": ecluse(TABLES),
    "tables:polars": polars_tables,
    "tables:duckdb": duckdb_tables,
    "map:ecluse": ecluse(MAPS),
    "map:gdal": gdal_maps,
    "pmtiles:ecluse": ecluse(["pmtiles"]),
    "pmtiles:tippecanoe": with_tippecanoe,
    "sheet:ecluse": ecluse(["xlsx"]),
    "sheet:xlsxwriter": with_xlsxwriter,
    "sheet:polars": rust_xlsxwriter,
    "small:ecluse": small,
}

"""How fast convert writes, and in how much memory, beside other tools in the same run.

    python -m bench.convert [--rows N] [--repeats N] [tables] [map] [sheet] [small]

Each contender runs in a process of its own, in turn, so often; the least of its times counts. `tables`
writes a made table of 12 columns to CSV, JSON and Parquet beside Polars and DuckDB; `map` polygons to
GeoJSON, KML, GeoParquet and PMTiles beside GDAL; `sheet` 200,000 × 12 cells to XLSX beside XlsxWriter;
`small` is the cost of 50 releases of 20 KB in three formats.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
import xlsxwriter

from services.convert.convert_table import convert_table
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benches named and prints a table for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("benches", nargs="*", default=["tables", "map", "sheet", "small"])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--polygons", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", nargs=3, metavar=("CONTENDER", "TABLE", "OUT"))
    chosen = parser.parse_args(arguments)
    if chosen.child:
        name, table, out = chosen.child
        print(json.dumps(asdict(_measured(CONTENDERS[name], Path(table), Path(out)))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for bench in chosen.benches:
            table = Path(folder) / f"{bench}.parquet"
            rows = {"tables": chosen.rows, "map": chosen.polygons, "sheet": 200_000, "small": 300}
            (make_polygons if bench == "map" else make_table)(table, rows[bench])
            named = [name for name in CONTENDERS if name.startswith(f"{bench}:")]
            show(bench, race(named, table, chosen.repeats))


def race(names: Sequence[str], table: Path, repeats: int) -> dict[str, Cost]:
    """The contenders in turn, so often; of each the least time and the highest memory."""
    runs: dict[str, list[Cost]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            with tempfile.TemporaryDirectory(dir=table.parent) as out:
                command: list[str] = [
                    sys.executable,
                    "-m",
                    "bench.convert",
                    "--child",
                    name,
                    str(table),
                    out,
                ]
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            runs[name].append(Cost(**json.loads(told)))
    return {
        name: Cost(
            min(one.wall for one in costs),
            min(one.cpu for one in costs),
            max(one.mib for one in costs),
        )
        for name, costs in runs.items()
    }


def show(bench: str, costs: dict[str, Cost]) -> None:
    """A line each, with its ratio to ours."""
    ours = costs[f"{bench}:ecluse"]
    print(f"\n{bench:10} {'wall s':>8} {'cpu s':>8} {'MiB':>6}  ours/theirs: wall  cpu")
    for name, cost in costs.items():
        ratios = f"{ours.wall / cost.wall:16.2f} {ours.cpu / cost.cpu:5.2f}"
        title = name.partition(":")[2]
        print(f"{title:10} {cost.wall:8.2f} {cost.cpu:8.2f} {cost.mib:6.0f}  {ratios}")


def make_table(path: Path, rows: int) -> None:
    """12 columns as a city's tables have them, about 128 bytes a row as CSV."""
    rng = np.random.default_rng(1)
    words = np.array(
        ["École élémentaire", "Place Bellecour", "rue de la République", "platane", "érable", "bon"]
    )
    days = np.datetime64("2000-01-01") + np.arange(9000)
    schema: pa.Schema | None = None
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, 50_000):
        count = min(50_000, rows - start)
        batch = pa.table(
            {
                "id": pa.array(np.arange(start, start + count)),
                "lieu": words[rng.integers(0, 6, count)],
                "etat": words[rng.integers(3, 6, count)],
                "adresse": [
                    f"{n} {w}"
                    for n, w in zip(
                        rng.integers(1, 300, count), words[rng.integers(0, 3, count)], strict=True
                    )
                ],
                "code": [f"{n:05}" for n in rng.integers(1000, 96000, count)],
                "nb": pa.array(rng.integers(0, 1000, count)),
                "total": pa.array(rng.integers(0, 10**9, count)),
                "x": rng.normal(4.8, 0.1, count).round(6),
                "y": rng.normal(45.7, 0.1, count).round(6),
                "taux": rng.random(count),
                "ouvert": pa.array(rng.random(count) < 0.5),
                "jour": pa.array(days[rng.integers(0, 9000, count)], pa.date32()),
            },
            schema=schema,
        )
        if writer is None:
            schema = batch.schema
            writer = pq.ParquetWriter(path, schema, compression="zstd", store_schema=False)
        writer.write_table(batch)
    if writer:
        writer.close()


def make_polygons(path: Path, count: int) -> None:
    """Outlines of some dozens of positions all over a metropolis, each with a name and a number."""
    rng = np.random.default_rng(2)
    centres = rng.uniform([4.6, 45.5], [5.1, 46.0], (count, 2))
    angles = np.linspace(0, 2 * np.pi, 33)[:-1]
    sizes = rng.uniform(0.0002, 0.001, (count, 1)) * rng.uniform(0.7, 1, (count, 32))
    rings = centres[:, None, :] + np.stack([sizes * np.cos(angles), sizes * np.sin(angles)], axis=2)
    shapes = shapely.polygons(np.concatenate([rings, rings[:, :1]], axis=1))
    table = pa.table(
        {
            "n": np.arange(count),
            "nom": [f"parcelle {number}" for number in range(count)],
            "geom": pa.array(shapely.to_wkb(shapes), pa.binary()),
        }
    )
    pq.write_table(table, path, compression="zstd", row_group_size=50_000, store_schema=False)


def _measured(work: Callable[[Path, Path], None], table: Path, out: Path) -> Cost:
    """What the work costs, imports done."""
    start, spent = time.perf_counter(), _spent()
    work(table, out)
    wall, cpu = time.perf_counter() - start, _spent() - spent
    return Cost(wall, cpu, _peak())


def _spent() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _card(formats: Sequence[str], columns: Sequence[str]) -> Card:
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


def _ecluse(formats: Sequence[str]) -> Callable[[Path, Path], None]:
    def work(table: Path, out: Path) -> None:
        convert_table(table, _card(formats, pq.read_schema(table).names), RELEASE, out)

    return work


def _polars_tables(table: Path, out: Path) -> None:
    rows = pl.scan_parquet(table)
    rows.sink_csv(out / "a.csv")
    rows.sink_ndjson(out / "a.json")
    rows.sink_parquet(out / "a.parquet", compression="zstd", compression_level=9)


def _duckdb_tables(table: Path, out: Path) -> None:
    with duckdb.connect() as engine:
        for name, how in (
            ("a.csv", "format csv, header"),
            ("a.json", "format json, array true"),
            ("a.parquet", "format parquet, compression zstd, compression_level 9"),
        ):
            engine.execute(f"copy (from '{table}') to '{out / name}' ({how})")


def _gdal_maps(table: Path, out: Path) -> None:
    rows = pq.read_table(table)
    for driver, name, options in (
        ("GeoJSON", "a.geojson", {"RFC7946": "YES"}),
        ("LIBKML", "a.kml", {}),
        ("PMTiles", "a.pmtiles", {"MINZOOM": "9", "MAXZOOM": "14"}),
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


def _xlsxwriter(table: Path, out: Path) -> None:
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


def _small(table: Path, out: Path) -> None:
    """A release of 20 KB, as a worker makes it that has made others before."""
    for _ in range(SMALL):
        _ecluse(TABLES)(table, out)


CONTENDERS: dict[str, Callable[[Path, Path], None]] = {
    "tables:ecluse": _ecluse(TABLES),
    "tables:polars": _polars_tables,
    "tables:duckdb": _duckdb_tables,
    "map:ecluse": _ecluse(MAPS),
    "map:gdal": _gdal_maps,
    "sheet:ecluse": _ecluse(["xlsx"]),
    "sheet:xlsxwriter": _xlsxwriter,
    "small:ecluse": _small,
}

if __name__ == "__main__":
    main()

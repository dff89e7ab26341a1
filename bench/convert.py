"""How fast convert writes, and in how much memory, beside other tools in the same run.

    python -m bench.convert [--quick] [--repeats N] [BENCH …]

Each contender runs in a process of its own, in turn, so often; the least of its times counts, and the
highest memory. `tables` writes a made table of 12 columns (256 MB as CSV) to CSV, JSON and Parquet
beside Polars and DuckDB; `upload` the same into a real MinIO; `large` eight times as many rows; `map`
real outlines to GeoJSON, KML, GeoParquet and PMTiles beside GDAL; `pmtiles` to tiles alone, beside
tippecanoe; `sheet` 200,000 × 12 cells to XLSX beside XlsxWriter and Polars with rust_xlsxwriter;
`small` is the cost of 50 releases of 20 KB in three formats.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import convert_upload
from bench.chambers import environment
from bench.convert_contenders import CONTENDERS, SMALL, Cost, peak, spent
from bench.convert_tables import make_polygons, make_table
from deploy.local.minio import LocalMinio

ROWS = {
    "tables": 2_000_000,
    "upload": 2_000_000,
    "large": 16_000_000,
    "map": 100_000,
    "pmtiles": 100_000,
    "sheet": 200_000,
    "small": 150,
}
QUICK = 100  # times fewer rows
LONG = ("large",)  # each contender once
Runs = dict[str, Cost]


def measure(
    folder: Path, *, quick: bool, benches: Sequence[str] = tuple(ROWS), repeats: int = 3
) -> dict[str, Any]:
    """Runs the benches; bench → contender → cost, as plain data for the report."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for bench in benches:
        rows = max(ROWS[bench] // QUICK, 150) if quick else ROWS[bench]
        with tempfile.TemporaryDirectory(dir=folder) as place:
            table = Path(place) / "table.parquet"
            of = (make_polygons if bench in ("map", "pmtiles") else make_table)(table, rows)
            times = 1 if quick or bench in LONG else repeats
            costs = _uploads(table, times) if bench == "upload" else _race(bench, table, times)
        found[bench] = {
            "rows": rows,
            "of": of,
            "costs": {name: asdict(cost) for name, cost in costs.items()},
        }
    return found


def _race(bench: str, table: Path, repeats: int) -> Runs:
    kind = "tables" if bench == "large" else bench
    named = [name for name in CONTENDERS if name.startswith(f"{kind}:")]
    commands = {
        name.partition(":")[2]: ["bench.convert", "--child", name, str(table)] for name in named
    }
    return _in_turn(commands, table, repeats)


def _uploads(table: Path, repeats: int) -> Runs:
    with LocalMinio(table.parent / "minio") as server:
        told = convert_upload.arguments(server)
        commands = {
            name: ["bench.convert_upload", name, str(table)] for name in convert_upload.CONTENDERS
        }
        return _in_turn(commands, table, repeats, told)


def _in_turn(
    commands: dict[str, list[str]], table: Path, repeats: int, more: Sequence[str] = ()
) -> Runs:
    """The contenders in turn, so often; of each the least times and the highest memory."""
    runs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            with tempfile.TemporaryDirectory(dir=table.parent) as out:
                told = subprocess.run(
                    [*environment(), sys.executable, "-m", *command, out, *more],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                ).stdout
            runs[name].append(Cost(**json.loads(told.splitlines()[-1])))
    return {
        name: Cost(
            min(one.wall for one in costs),
            min(one.cpu for one in costs),
            max(one.mib for one in costs),
        )
        for name, costs in runs.items()
    }


def measured(work: Callable[[Path, Path], None], table: Path, out: Path) -> Cost:
    """What the work costs, imports done."""
    start, before = time.perf_counter(), spent()
    work(table, out)
    return Cost(time.perf_counter() - start, spent() - before, peak())


def show(found: dict[str, Any]) -> None:
    """A line each, with our ratio to it."""
    for bench, told in found.items():
        ours = Cost(**told["costs"]["ecluse"])
        print(f"\n{bench:10} {'wall s':>8} {'cpu s':>8} {'MiB':>6}  ours/theirs: wall  cpu")
        for name, cost in ((name, Cost(**one)) for name, one in told["costs"].items()):
            ratios = f"{ours.wall / cost.wall:16.2f} {ours.cpu / cost.cpu:5.2f}"
            print(f"{name:10} {cost.wall:8.2f} {cost.cpu:8.2f} {cost.mib:6.0f}  {ratios}")
        if bench == "small":
            print(f"{1000 * ours.cpu / SMALL:.0f} ms of CPU a release")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benches named and prints a table for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("benches", nargs="*", default=list(ROWS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", nargs=3, metavar=("CONTENDER", "TABLE", "OUT"))
    chosen = parser.parse_args(arguments)
    if chosen.child:
        name, table, out = chosen.child
        print(json.dumps(asdict(measured(CONTENDERS[name], Path(table), Path(out)))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for bench in chosen.benches:
            show(measure(Path(folder), quick=chosen.quick, benches=[bench], repeats=chosen.repeats))


if __name__ == "__main__":
    main()

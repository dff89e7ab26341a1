"""What `bench.convert` found, as the page says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.convert_contenders import SMALL

TITLE = "What convert writes, beside other tools"
ABOUT = """
Each contender is a process of its own, in turn, so often; the least of its times and its highest
memory count, imports do not. Écluse also guards formulas, reckons checksums, and writes the data
package, README, preview and profile; nobody else does. *cost* is Écluse's time as a multiple of the
other's. The aims: three formats at most 1.15× the faster of Polars and DuckDB, with upload 1.1×
an engine and a plain upload after it, 512 MiB at most whatever the size; maps 1.2× GDAL; XLSX 1.3×
the fastest that writes typed cells; a small release under 60 ms of CPU.

The outlines are real ones repeated side by side: those of Spain's municipalities, as the npm package
`es-atlas` holds them (Instituto Geográfico Nacional, CC BY 4.0), since none with those of French
communes was found; without npm, those of countries (Natural Earth) at a municipality's size.
"""
WHAT = {
    "tables": "CSV, JSON and Parquet of {rows:,} rows × 12",
    "upload": "the same, into a real MinIO",
    "large": "CSV, JSON and Parquet of {rows:,} rows × 12",
    "map": "GeoJSON, KML, GeoParquet and PMTiles of {rows:,} outlines ({of})",
    "pmtiles": "PMTiles alone of {rows:,} outlines ({of})",
    "sheet": "XLSX of {rows:,} rows × 12",
    "small": "{small} releases of {rows:,} rows in three formats",
}
NAMES = {"ecluse": "Écluse", "gdal": "GDAL (pyogrio)", "polars": "Polars", "duckdb": "DuckDB"}


def rows(found: Mapping[str, Any]) -> list[Sequence[str]]:
    """A line a contender: what, who, wall s, CPU s, MiB, our cost beside it by wall and by CPU."""
    lines: list[Sequence[str]] = []
    for bench, told in found.items():
        ours = told["costs"]["ecluse"]
        what = WHAT[bench].format(rows=told["rows"], of=told.get("of"), small=SMALL)
        for name, cost in told["costs"].items():
            beside = (
                f"{ours['wall'] / cost['wall']:.2f}×, {ours['cpu'] / cost['cpu']:.2f}×"
                if name != "ecluse"
                else ""
            )
            figures = f"{cost['wall']:.2f}", f"{cost['cpu']:.2f}", f"{cost['mib']:.0f}"
            lines.append((what, NAMES.get(name, name), *figures, beside))
            what = ""
    return lines


def small_cost(found: Mapping[str, Any]) -> str:
    """The CPU of a small release, in words; empty if it was not measured."""
    if "small" not in found:
        return ""
    milliseconds = 1000 * found["small"]["costs"]["ecluse"]["cpu"] / SMALL
    return f"\nA small release takes {milliseconds:.0f} ms of CPU.\n"

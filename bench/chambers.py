"""Part one: one large file through the three chambers' work, beside Polars, DuckDB and pandas."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.city import cores
from bench.mixed_table import write_table
from shared.worker_memory import LEAN

ROOT = Path(__file__).parents[1]
ROWS, QUICK_ROWS = 2_000_000, 40_000
SEED = 20_260_301
CHAMBERS = ("ingest", "anonymize", "convert")


class Used(NamedTuple):
    """What a job took: wall seconds, CPU seconds, peak resident bytes."""

    seconds: float
    cpu: float
    memory: int

    def __add__(self, other: object) -> Used:
        """One after another: times add up, the larger peak counts."""
        if not isinstance(other, Used):
            return NotImplemented
        return Used(
            self.seconds + other.seconds, self.cpu + other.cpu, max(self.memory, other.memory)
        )


def fastest(peers: Mapping[str, Used]) -> str:
    """The peer that took the least time."""
    return min(peers, key=lambda name: peers[name].seconds)


def ratios(used: Used, peer: Used) -> tuple[float, float, float]:
    """Wall, CPU and memory as multiples of the peer's."""
    return used.seconds / peer.seconds, used.cpu / peer.cpu, used.memory / peer.memory


def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Runs every job, one after another; plain data for the report."""
    rows = QUICK_ROWS if quick else ROWS
    source = folder / f"mixed-{rows}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    if not source.exists():
        # Renamed when whole: an interrupted run leaves no half file behind.
        write_table(source.with_suffix(".part"), rows, SEED)
        source.with_suffix(".part").rename(source)
    out = folder / "out"
    chambers, table = {}, source
    for name in CHAMBERS:
        chambers[name] = _run("ecluse", name, table, out / name)
        table = next((out / name).glob("*.parquet"))
    safe = out / "anonymize" / "safe.parquet"
    peers = {
        who: {
            "csv to parquet": _run(who, "parquet", source, out / "peer"),
            "csv to csv": _run(who, "csv", source, out / "peer"),
            "csv to json": _run(who, "json", source, out / "peer"),
            "table to all three": _run(who, "all", safe, out / "peer"),
        }
        for who in ("polars", "duckdb")
    }
    script = _run("pandas", "all", source, out / "peer")
    shutil.rmtree(out)
    return {
        "rows": rows,
        "bytes": source.stat().st_size,
        "chambers": {name: used._asdict() for name, used in chambers.items()},
        "peers": {
            who: {task: used._asdict() for task, used in told.items()}
            for who, told in peers.items()
        },
        "pandas": script._asdict(),
    }


def _run(who: str, task: str, source: Path, out: Path) -> Used:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    told = subprocess.run(
        [*environment(), sys.executable, "-m", "bench.jobs", who, task, str(source), str(out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return Used(**json.loads(told.stdout.splitlines()[-1]))


def environment() -> Sequence[str]:
    """The same threads for everybody, as many as there are cores; the allocators as in a worker."""
    names = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS")
    told = dict.fromkeys(names, str(cores())) | LEAN
    return ["env", *(f"{name}={value}" for name, value in told.items())]

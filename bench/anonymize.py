"""Part seven: anonymize's engine, scan and proof, beside what ARX and pycanon give for the same.

Adult is not part of this repository: the rows about it are there when `adult.csv` and
`adult_hierarchy_<column>.csv`, as ARX (arx-deidentifier/arx, folder `data`) has them, lie in the part's
folder under `adult`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.anonymize_jobs import SENSITIVE, WAYS
from bench.chambers import SEED, environment
from bench.mixed_table import make_card, write_table
from bench.peer import ROOT, python_of

QUICK = 20  # so many times fewer rows
ROWS, MONDRIAN_ROWS, WRITTEN_ROWS, FILE_ROWS = 100_000, 1_000_000, 100_000, 2_000_000
STRINGS = ROOT / "tests" / "services" / "anonymize" / "strings.toml"
PEER = "pycanon==1.3.6"


def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Runs every job, one after another; plain data for the report."""
    folder.mkdir(parents=True, exist_ok=True)
    less = QUICK if quick else 1
    found: dict[str, Any] = {
        "scan": _own("scan", str(ROWS // less)),
        "strings": _own("strings", str(STRINGS))["found"],
        "mondrian": _own("mondrian", str(MONDRIAN_ROWS // less)),
        "file": _file(folder, FILE_ROWS // less),
    }
    if (folder / "adult" / "adult.csv").exists():
        found |= _adult(folder, quick=quick)
    return found


def _adult(folder: Path, *, quick: bool) -> dict[str, Any]:
    place = str(folder / "adult")
    engine: dict[str, Any] = {}
    for columns in (5,) if quick else (5, 8, 9):
        for way in WAYS:
            engine[f"{columns}: {way}"] = _own("adult", place, str(columns), way)
        if columns == 8:
            for asked in ("l", "t"):
                engine[f"8: {asked}"] = _own("protected", place, "8", asked)
    agreed: dict[str, Any] = {}
    for way in WAYS:
        written = folder / "written.parquet"
        _own("adult", place, "5", way, str(written))
        agreed[way] = {
            "own": _own("verify", str(written), SENSITIVE),
            "pycanon": _pycanon(folder, written.with_suffix(".csv")),
        }
    return {"engine": engine, "agreed": agreed, "written": _written(folder)}


def _written(folder: Path) -> Any:
    """k, l and t of a hundred thousand rows: the last of the written tables, again and again."""
    table = pq.read_table(folder / "written.parquet")
    times = -(-WRITTEN_ROWS // table.num_rows)
    many = folder / "many.parquet"
    pq.write_table(pa.concat_tables([table] * times).slice(0, WRITTEN_ROWS), many)
    return _own("verify", str(many), SENSITIVE)


def _file(folder: Path, rows: int) -> dict[str, Any]:
    """The large file of the chambers: anonymize on its table, DuckDB on its CSV."""
    from services.ingest.source_to_table import ReadLimits, source_to_table

    source, table, out = (
        folder / f"mixed-{rows}.csv",
        folder / f"mixed-{rows}.parquet",
        folder / "o",
    )
    if not source.exists():
        write_table(source, rows, SEED)
    if not table.exists():
        source_to_table(source, make_card("mobilier"), table, ReadLimits())
    found = {}
    for who, task, given in (("ecluse", "anonymize", table), ("duckdb", "parquet", source)):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        found[who] = _run([sys.executable, "-m", "bench.jobs", who, task, str(given), str(out)])
    shutil.rmtree(out)
    return {"bytes": source.stat().st_size, "used": found}


def _own(*told: str) -> Any:
    return _run([sys.executable, "-m", "bench.anonymize_jobs", *told])


def _run(program: list[str]) -> Any:
    told = subprocess.run([*environment(), *program], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(told.stdout.splitlines()[-1])


def _pycanon(folder: Path, file: Path) -> Any:
    python, script = python_of(folder / "pycanon", PEER), ROOT / "bench" / "pycanon_script.py"
    return _run([str(python), str(script), str(file.absolute()), SENSITIVE])

"""Part four: ingest alone, beside what else reads such files: CSV small and large, sheets, checks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.chambers import SEED, Used, environment
from bench.mixed_table import write_table
from bench.peer import ROOT, python_of

# 128 bytes a row: 256 MB and 2 GB.
ROWS, MANY_ROWS, SHEET_ROWS, CHECKED_ROWS = 2_000_000, 16_000_000, 200_000, 1_000_000
QUICK = 50  # so many times fewer
PEER = ("csv-detective==0.13.0", "pandas", "pyarrow")


def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Runs every job, one after another; plain data for the report."""
    folder.mkdir(parents=True, exist_ok=True)
    less = QUICK if quick else 1
    out = folder / "out"
    found: dict[str, Any] = {}
    for name, rows in (("256 MB", ROWS // less), ("2 GB", MANY_ROWS // less)):
        source = _csv(folder, rows)
        found[name] = {
            who: _own(who, "sniffed", source, out) for who in ("ecluse", "polars", "duckdb")
        }
        if name == "256 MB":
            found[name]["csv-detective + pandas"] = _run(
                [
                    str(python_of(folder / "csv-detective", *PEER)),
                    str(ROOT / "bench" / "csv_detective_script.py"),
                ],
                source,
                out,
            )
    for form in ("xlsx", "ods"):
        source = _sheet(folder, SHEET_ROWS // less, form)
        found[form] = {who: _own(who, "sheet", source, out) for who in ("ecluse", "calamine")}
    source = _csv(folder, CHECKED_ROWS // less)
    found["checked"] = {
        who: _own(who, "checked", source, out) for who in ("ecluse", "frictionless")
    }
    return found


def _csv(folder: Path, rows: int) -> Path:
    source = folder / f"mixed-{rows}.csv"
    if not source.exists():
        write_table(source.with_suffix(".part"), rows, SEED)
        source.with_suffix(".part").rename(source)
    return source


def _sheet(folder: Path, rows: int, form: str) -> Path:
    """The table as a workbook, cells of their own types, written by what convert writes with."""
    from bench.mixed_table import make_card
    from services.convert.convert_table import convert_table
    from services.ingest.source_to_table import ReadLimits, source_to_table

    wanted = folder / f"mixed-{rows}.{form}"
    if not wanted.exists():
        work = folder / "sheet"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        card = make_card("mobilier").model_copy(update={"formats": (form,), "optional_formats": ()})
        source_to_table(_csv(folder, rows), card, work / "table.parquet", ReadLimits())
        convert_table(work / "table.parquet", card, "0" * 64, work)
        (work / f"mobilier.{form}").rename(wanted)
        shutil.rmtree(work)
    return wanted


def _own(who: str, task: str, source: Path, out: Path) -> dict[str, Any]:
    return _run([sys.executable, "-m", "bench.ingest_jobs", who, task], source, out)


def _run(program: list[str], source: Path, out: Path) -> dict[str, Any]:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    # Who comes first would pay for the disk alone.
    with source.open("rb") as file:
        while file.read(1 << 24):
            pass
    told = subprocess.run(
        [*environment(), *program, str(source), str(out)],
        cwd=ROOT, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    shutil.rmtree(out)
    return Used(**json.loads(told.stdout.splitlines()[-1]))._asdict()

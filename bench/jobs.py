"""One job of the chambers' benchmark, in a process of its own: `python -m bench.jobs WHO TASK IN OUT`.

Écluse's chambers work as in their services; the peers do what their manuals say for the same file,
typed the same: dates as dates, oui and non as booleans, decimal commas as numbers. Prints the work's
seconds, without the imports: a service's workers are warm.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.mixed_table import FIELDS, make_card

Job = Callable[[], object]
FORMATS = ("parquet", "csv", "json")


def ecluse(task: str, source: Path, out: Path) -> Job:
    """ingest, anonymize or convert."""
    card = make_card("mobilier")
    if task == "ingest":
        from services.ingest.source_to_table import ReadLimits, source_to_table

        return lambda: source_to_table(source, card, out / "table.parquet", ReadLimits())
    if task == "anonymize":
        import services.anonymize.warm_lists  # noqa: F401 - as a worker does
        from services.anonymize.anonymize_table import anonymize_table

        return lambda: anonymize_table(source, card, out / "safe.parquet")
    from services.convert.convert_table import convert_table

    return lambda: convert_table(source, card, "0" * 64, out)


def polars(task: str, source: Path, out: Path) -> Job:
    """Polars, streaming."""
    import polars as pl

    def frame() -> pl.LazyFrame:
        if source.suffix == ".parquet":
            return pl.scan_parquet(source)
        kinds: dict[str, Any] = {"number": pl.Float64, "integer": pl.Int64}
        return pl.scan_csv(
            source,
            separator=";",
            decimal_comma=True,
            schema={name: kinds.get(kind, pl.String) for name, kind in FIELDS.items()},
        ).with_columns(
            pl.col("pose_le").str.to_date("%d/%m/%Y"),
            pl.col("releve_a").str.to_datetime("%Y-%m-%dT%H:%M:%S"),
            pl.col("en_service") == "oui",
        )

    def write(form: str) -> None:
        if form == "parquet":
            frame().sink_parquet(out / "out.parquet", compression="zstd", compression_level=3)
        elif form == "csv":
            frame().sink_csv(out / "out.csv")
        else:
            frame().sink_ndjson(out / "out.json")

    def work() -> None:
        for form in _forms(task):
            write(form)

    return work


def duckdb(task: str, source: Path, out: Path) -> Job:
    """DuckDB, by COPY."""
    import duckdb as duck

    kinds = {"number": "DOUBLE", "integer": "BIGINT", "date": "DATE", "datetime": "TIMESTAMP"}
    types = {name: kinds.get(kind, "VARCHAR") for name, kind in FIELDS.items()}
    reader = (
        f"read_csv('{source}', delim=';', header=true, decimal_separator=',', dateformat='%d/%m/%Y',"
        f" timestampformat='%Y-%m-%dT%H:%M:%S', columns={types})"
    )
    table = f"(select * replace (en_service = 'oui' as en_service) from {reader})"
    if source.suffix == ".parquet":
        table = f"read_parquet('{source}')"
    options = {
        "parquet": "format parquet, compression zstd, compression_level 3",
        "csv": "format csv, header",
        "json": "format json, array true",
    }

    def work() -> None:
        with duck.connect() as connection:
            for form in _forms(task):
                connection.execute(
                    f"copy (select * from {table}) to '{out / f'out.{form}'}' ({options[form]})"
                )

    return work


def pandas(task: str, source: Path, out: Path) -> Job:
    """The plain script that somebody in the city has today."""
    import pandas as pd

    def work() -> None:
        codes = dict.fromkeys(("code_insee", "code_postal"), "string")
        frame = pd.read_csv(source, sep=";", decimal=",", dtype=codes, true_values=["oui"],
                            false_values=["non"])  # fmt: skip
        frame["pose_le"] = pd.to_datetime(frame["pose_le"], format="%d/%m/%Y")
        frame["releve_a"] = pd.to_datetime(frame["releve_a"])
        for form in _forms(task):
            if form == "parquet":
                frame.to_parquet(out / "out.parquet", compression="zstd")
            elif form == "csv":
                frame.to_csv(out / "out.csv", index=False)
            else:
                frame.to_json(
                    out / "out.json", orient="records", date_format="iso", force_ascii=False
                )

    return work


def _forms(task: str) -> tuple[str, ...]:
    return FORMATS if task == "all" else (task,)


WHO: dict[str, Callable[[str, Path, Path], Job]] = {
    "ecluse": ecluse,
    "polars": polars,
    "duckdb": duckdb,
    "pandas": pandas,
}


def main(who: str, task: str, source: str, out: str) -> None:
    """Does the job and prints what it took."""
    report(WHO[who](task, Path(source), Path(out)))


def report(work: Job) -> None:
    """Does the work and prints what it took: wall and CPU seconds, peak memory in bytes."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu, "memory": peak()}))


def peak() -> int:
    """Peak resident bytes. Not rusage's: a child's begins with the peak of the parent it left."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])

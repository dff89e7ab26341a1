"""One job of ingest's benchmark, in a process of its own: `python -m bench.ingest_jobs WHO TASK IN OUT`.

Écluse's ingest types a file without being told how: no schema in the card. The peers sniff as they do
by default. Prints the work's seconds, without the imports, and the peak of memory.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.jobs import report

Job = Callable[[], object]


def ecluse(task: str, source: Path, out: Path) -> Job:
    """A typed, checked table; `checked` with the schema's rules."""
    from bench.mixed_table import make_card
    from services.ingest.source_to_table import ReadLimits, source_to_table

    card = make_card("mobilier")
    if task != "checked":
        source_told = card.source.model_copy(update={"format": None})
        card = card.model_copy(update={"table_schema": None, "source": source_told})
    return lambda: source_to_table(source, card, out / "table.parquet", ReadLimits())


def polars(_task: str, source: Path, out: Path) -> Job:
    """Polars, streaming, default sniffing."""
    import polars as pl

    frame = pl.scan_csv(source, separator=";", decimal_comma=True, try_parse_dates=True)
    return lambda: frame.sink_parquet(out / "out.parquet", compression="zstd")


def duckdb(_task: str, source: Path, out: Path) -> Job:
    """DuckDB by COPY, default sniffing."""
    import duckdb as duck

    told = f"copy (from '{source}') to '{out / 'out.parquet'}' (format parquet, compression zstd)"
    return lambda: duck.connect().execute(told)


def calamine(_task: str, source: Path, _out: Path) -> Job:
    """python-calamine alone: the first sheet's cells as Python values."""
    from python_calamine import CalamineWorkbook

    def work() -> int:
        book = CalamineWorkbook.from_path(source)
        return sum(1 for _ in book.get_sheet_by_index(0).iter_rows())

    return work


def frictionless(_task: str, source: Path, _out: Path) -> Job:
    """frictionless, validating all rows against the same schema."""
    from frictionless import Dialect, Resource, Schema, formats

    from bench.mixed_table import make_card

    schema = make_card("mobilier").table_schema
    told: dict[str, Any] = {"fields": []}
    for field in schema.fields if schema else ():
        more: dict[str, Any] = {}
        if field.type == "number":
            more = {"decimalChar": ","}
        elif field.type == "date":
            more = {"format": "%d/%m/%Y"}
        elif field.type == "boolean":
            more = {"trueValues": ["oui"], "falseValues": ["non"]}
        told["fields"].append({"name": field.name, "type": field.type, **more})
    dialect = Dialect(controls=[formats.CsvControl(delimiter=";")])
    resource = Resource(
        path=source.name, basepath=str(source.parent), dialect=dialect,
        schema=Schema.from_descriptor(told),
    )  # fmt: skip

    def work() -> None:
        found = resource.validate()
        if not found.valid:
            raise ValueError("frictionless finds the measured table wrong")

    return work


WHO: dict[str, Callable[[str, Path, Path], Job]] = {
    "ecluse": ecluse,
    "polars": polars,
    "duckdb": duckdb,
    "calamine": calamine,
    "frictionless": frictionless,
}


def main(who: str, task: str, source: str, out: str) -> None:
    """Does the job and prints what it took."""
    report(WHO[who](task, Path(source), Path(out)))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""From a source file to one typed, validated table.

The file is read twice: once to settle each column's type on all of its rows, once to convert, check
and write them. Memory stays flat; the same file under the same card gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.ingest.column_types import classes
from services.ingest.csv_to_table import CsvTable
from services.ingest.detect_format import detect_format
from services.ingest.findings import Findings
from services.ingest.header_names import declared_names, match_columns
from services.ingest.parallel_columns import ColumnThreads, ahead
from services.ingest.profile_columns import ColumnProfile
from services.ingest.read_limits import MIB, ReadLimits
from services.ingest.settle_types import ReadColumn, settle_types
from services.ingest.source_table import Ordinals, SourceTable
from services.ingest.validate_table import TableRules
from services.ingest.xlsx_to_table import XlsxTable
from shared.card import Card
from shared.card_parts import ColumnType
from shared.failures import Quarantined
from shared.messages import Reason

__all__ = ["Column", "IngestedTable", "ReadLimits", "source_to_table"]

ROW_GROUP_ROWS = 131_072
ROW_GROUP_BYTES = 32 * MIB


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table. One that is not `declared` keeps its name from reports and events."""

    name: str
    type: ColumnType
    declared: bool


@dataclass(frozen=True, slots=True)
class IngestedTable:
    """The Parquet file written, and the report about it, which holds no name undeclared and no
    value. `bytes` and `sha256` are those of the file."""

    rows: int
    columns: tuple[Column, ...]
    quality: dict[str, Any]
    bytes: int
    sha256: str


def source_to_table(source: Path, card: Card, out: Path, limits: ReadLimits) -> IngestedTable:
    """Reads `source` (CSV or XLSX, by its content) under `card` and writes `out` (Parquet, zstd).

    Columns keep the source's order. Types: the schema's where it declares them, else those that
    all values allow (`infer_types`). With `quality: {errors: warn}` in the card, values that break
    a rule of the schema pass and are listed in the report; values of another type never do.

    Raises Quarantined, at most 100 reasons of each code, `out` then removed.
    """
    try:
        return _ingest(source, card, out, limits)
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def _ingest(source: Path, card: Card, out: Path, limits: ReadLimits) -> IngestedTable:
    names = tuple(declared_names(card))
    table: SourceTable
    if detect_format(source, card.source.format, limits) == "csv":
        table = CsvTable(source, card.source, names, limits)
    else:
        table = XlsxTable(source, card.source, names, limits)
    named, warnings = match_columns(table.headers, card)
    key = card.table_schema.primary_key if card.table_schema else ()
    mismatches, broken = Findings(limits.reasons), Findings(limits.reasons)
    rows = 0
    with ColumnThreads() as threads:
        settled = settle_types(table, named, card.source.decimal, threads)
        columns = settled.columns
        rules = TableRules([(column.named, column.reading) for column in columns], key, limits)
        profiles = [ColumnProfile() for _ in columns]
        with _RowGroups(out, [(c.named.name, c.reading.arrow) for c in columns]) as writer:
            for batch in ahead(table.batches(settled.plain)):
                raws = [batch.columns[column.named.position - 1] for column in columns]
                read = threads.map(_read_column, zip(columns, profiles, raws, strict=True))
                for column, raw, (_, bad) in zip(columns, raws, read, strict=True):
                    if bad is not None:
                        _note_mismatches(mismatches, column, raw, batch.ordinals, bad)
                values = [value for value, _ in read]
                texts = [
                    column.text(raw) if rules.needs_text(at) else None
                    for at, (column, raw) in enumerate(zip(columns, raws, strict=True))
                ]
                rules.check(batch.ordinals, values, texts, broken)
                rows += batch.rows
                if not mismatches:
                    writer.write(values)
    if rows == 0:
        raise Quarantined(Reason(code="no_rows", detail="header_only"))
    rules.finish(broken)
    blocking = mismatches.reasons(table.lines)
    rule_reasons = broken.reasons(table.lines)
    if blocking or (rule_reasons and card.quality.errors == "block"):
        raise Quarantined(*blocking, *(rule_reasons if card.quality.errors == "block" else ()))
    warnings = (*_short_years(columns, profiles), *warnings)
    warnings = (*table.warnings, *settled.warnings, *warnings, *_dropped(table), *rule_reasons)
    size, digest = _weighed(out)
    quality = _report(table, columns, profiles, rows, warnings)
    kept = tuple(Column(c.named.name, c.reading.type, c.named.declared) for c in columns)
    return IngestedTable(rows, kept, quality, size, digest)


def _read_column(
    work: tuple[ReadColumn, ColumnProfile, pa.Array],
) -> tuple[pa.Array, pa.Array | None]:
    column, profile, raw = work
    values, bad = column.read(raw)
    profile.feed(values, raw)
    return values, bad


def _note_mismatches(
    findings: Findings, column: ReadColumn, raw: pa.Array, ordinals: Ordinals, bad: pa.Array
) -> None:
    findings.add(
        "type_mismatch",
        column.named,
        ordinals[bad.to_numpy(zero_copy_only=False)],
        expected=column.reading.type,
        found=lambda n: classes(column.text(raw.filter(bad)).slice(0, n)),
    )


def _dropped(table: SourceTable) -> list[Reason]:
    counts = {"rows_empty": table.dropped.empty, "header_repeated": table.dropped.header}
    return [Reason(code=code, count=count) for code, count in counts.items() if count]


def _short_years(columns: Sequence[ReadColumn], profiles: Sequence[ColumnProfile]) -> list[Reason]:
    return [
        column.named.reason("years_short", count=profile.short_years)
        for column, profile in zip(columns, profiles, strict=True)
        if profile.short_years
    ]


def _report(
    table: SourceTable,
    columns: Sequence[ReadColumn],
    profiles: Sequence[ColumnProfile],
    rows: int,
    warnings: Sequence[Reason],
) -> dict[str, Any]:
    """The quality report, JSON-compatible: codes, counts, positions, declared names."""
    return {
        "rows": rows,
        "source": {name: value for name, value in asdict(table.facts).items() if value is not None},
        "columns": [
            {
                "position": column.named.position,
                "name": column.named.name if column.named.declared else None,
                "declared": column.named.declared,
                "type": column.reading.type,
                **profile.facts(),
            }
            for column, profile in zip(columns, profiles, strict=True)
        ],
        "warnings": [reason.model_dump(exclude_none=True) for reason in warnings],
    }


def _weighed(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


class _RowGroups:
    """Writes batches as Parquet row groups, in a thread of its own, one group ahead at most."""

    def __init__(self, out: Path, columns: Sequence[tuple[str, pa.DataType]]) -> None:
        self._schema = pa.schema(columns)
        self._writer = pq.ParquetWriter(
            out, self._schema, compression="zstd", compression_level=3, version="2.6"
        )
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="parquet")
        self._writing: Future[None] | None = None
        self._held: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def __enter__(self) -> _RowGroups:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._flush()
                self._wait()
        finally:
            self._pool.shutdown()
            self._writer.close()

    def write(self, values: Sequence[pa.Array]) -> None:
        batch = pa.RecordBatch.from_arrays(list(values), schema=self._schema)
        self._held.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= ROW_GROUP_ROWS or self._bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._held:
            return
        group = pa.Table.from_batches(self._held, self._schema)
        self._held, self._rows, self._bytes = [], 0, 0
        self._wait()
        self._writing = self._pool.submit(
            self._writer.write_table, group, row_group_size=group.num_rows
        )

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

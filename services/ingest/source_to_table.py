"""From a source file to one typed, validated table.

The file is read twice: once to settle each column's type on all of its rows, once to convert, check
and write them. Memory stays flat; the same file under the same card gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from services.ingest.column_types import classes
from services.ingest.derived_columns import WithDerived, proposals
from services.ingest.findings import Findings
from services.ingest.geometry import geo_metadata
from services.ingest.header_names import declared_names, match_columns
from services.ingest.nearly_typed import NearlyTyped
from services.ingest.open_source import open_source
from services.ingest.parallel_columns import ColumnThreads, ahead
from services.ingest.point_column import Positions
from services.ingest.profile_columns import ColumnProfile
from services.ingest.read_limits import ReadLimits
from services.ingest.refused_table import TableRefused
from services.ingest.row_groups import RowGroups
from services.ingest.settle_types import ReadColumn, settle_types
from services.ingest.source_table import Ordinals, SourceTable
from services.ingest.validate_table import TableRules
from shared.card import Card
from shared.card_parts import ColumnType
from shared.failures import Quarantined
from shared.messages import Reason

__all__ = ["Column", "IngestedTable", "ReadLimits", "source_to_table"]


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


def source_to_table(
    source: Path, card: Card, out: Path, limits: ReadLimits, notes: Sequence[Reason] = ()
) -> IngestedTable:
    """Reads `source` (any `SourceFormat`, by its content) under `card`; writes `out` (Parquet, zstd).

    Columns keep the source's order. Types: the schema's where it declares them, else those that
    all values allow (`infer_types`). With `quality: {errors: warn}` in the card, values that break
    a rule of the schema pass and are listed in the report; values of another type never do.

    `notes` go into the report as they are. Geometries are well-known binary in WGS 84; the file's
    metadata say which columns they are (`geo`, GeoParquet 1.1), or which hold latitude and
    longitude (`ecluse:points`).

    Raises Quarantined, at most 100 reasons of each code, `out` then removed.
    """
    try:
        with TemporaryDirectory(dir=out.parent) as work:
            return _ingest(source, card, out, limits, Path(work), notes)
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def _ingest(
    source: Path, card: Card, out: Path, limits: ReadLimits, work: Path, notes: Sequence[Reason]
) -> IngestedTable:
    opened = open_source(source, card.source, tuple(declared_names(card)), limits, work)
    table: SourceTable = WithDerived(opened, card.derive) if card.derive else opened
    named, warnings = match_columns(table.headers, card)
    key = card.table_schema.primary_key if card.table_schema else ()
    mismatches, broken = Findings(limits.reasons), Findings(limits.reasons)
    rows = 0
    with ColumnThreads() as threads:
        settled = settle_types(
            table, named, card.source.decimal, threads, limits.positions, _missing(card),
            {name for one in card.derive or () for name in one.add.values()},
        )  # fmt: skip
        columns = settled.columns
        checks = card.table_schema.custom_checks if card.table_schema else None
        rules = TableRules(
            [(column.named, column.reading) for column in columns], key, limits, checks or ()
        )
        profiles = [ColumnProfile() for _ in columns]
        nearly = [NearlyTyped(column) for column in columns]
        positions = Positions(
            [column.named.name for column in columns], [column.reading.type for column in columns]
        )
        with RowGroups(out, [(c.named.name, c.reading.arrow) for c in columns]) as writer:
            for batch in ahead(table.batches(settled.plain)):
                raws = [batch.columns[column.named.position - 1] for column in columns]
                read = threads.map(_read_column, zip(columns, profiles, raws, strict=True))
                for column, raw, (_, bad) in zip(columns, raws, read, strict=True):
                    if bad is not None:
                        _note_mismatches(mismatches, column, raw, batch.ordinals, bad)
                for watch, raw in zip(nearly, raws, strict=True):
                    watch.feed(batch.ordinals, raw)
                values = [value for value, _ in read]
                positions.feed(values)
                texts = [
                    column.text(raw) if rules.needs_text(at) else None
                    for at, (column, raw) in enumerate(zip(columns, raws, strict=True))
                ]
                rules.check(batch.ordinals, values, texts, broken)
                rows += batch.rows
                if not mismatches:
                    writer.write(values)
            writer.say(_metadata(columns, positions))
    if rows == 0:
        raise Quarantined(Reason(code="no_rows", detail="header_only"))
    rules.finish(broken)
    blocking = mismatches.reasons(table.lines)
    rule_reasons = broken.reasons(table.lines)
    stops = (*blocking, *(rule_reasons if card.quality.errors == "block" else ()))
    warnings = (
        *notes,
        *table.warnings,
        *settled.warnings,
        *(reason for watch in nearly for reason in watch.reasons(table.lines)),
        *_short_years(columns, profiles),
        *rules.unknown,
        *warnings,
        *_dropped(table),
        *(() if card.quality.errors == "block" else rule_reasons),
    )
    quality = _report(table, columns, profiles, rows, warnings)
    if not card.derive and (derivable := proposals(table.headers)):
        quality["derivable"] = derivable
    if at := positions.columns():
        quality["points"] = {axis: columns[i].named.position for axis, i in at.items()}
    if stops:
        raise TableRefused(*stops, quality=quality)
    size, digest = _weighed(out)
    kept = tuple(Column(c.named.name, c.reading.type, c.named.declared) for c in columns)
    return IngestedTable(rows, kept, quality, size, digest)


def _missing(card: Card) -> tuple[str, ...]:
    """Texts that the schema says mean no value; an empty one always does."""
    listed = card.table_schema.missing_values if card.table_schema else None
    return tuple(text for text in listed or () if text)


def _read_column(
    work: tuple[ReadColumn, ColumnProfile, pa.Array],
) -> tuple[pa.Array, pa.Array | None]:
    column, profile, raw = work
    values, bad = column.read(raw)
    profile.feed(values, raw)
    return values, bad


def _metadata(columns: Sequence[ReadColumn], positions: Positions) -> dict[str, str]:
    """What the table's file says of its geometries, and of columns that hold positions."""
    said = {}
    shapes = [(c.named.name, c.geometry.facts) for c in columns if c.geometry is not None]
    if shapes:
        said["geo"] = geo_metadata(shapes)
    if at := positions.columns():
        named = {axis: columns[i].named.name for axis, i in at.items()}
        said["ecluse:points"] = json.dumps(named, ensure_ascii=False, sort_keys=True)
    return said


def _note_mismatches(
    findings: Findings, column: ReadColumn, raw: pa.Array, ordinals: Ordinals, bad: pa.Array
) -> None:
    if column.geometry is not None:
        rows = ordinals[bad.to_numpy(zero_copy_only=False)]
        findings.add("geometry_unreadable", column.named, rows)
        return
    findings.add(
        "type_mismatch",
        column.named,
        ordinals[bad.to_numpy(zero_copy_only=False)],
        expected=column.reading.type,
        found=lambda n: classes(column.text(raw.filter(bad)).slice(0, n)),
    )


def _dropped(table: SourceTable) -> list[Reason]:
    counts = {
        "rows_empty": table.dropped.empty,
        "header_repeated": table.dropped.header,
        "totals_left_out": table.dropped.totals,
    }
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

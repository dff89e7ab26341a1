"""From a source file to one typed, validated table.

Each column's type is settled on all rows (`read_once`). Memory stays flat; the same file under the
same card gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from services.ingest.derived_columns import WithDerived, proposals
from services.ingest.draft_table import TableDraft, table_draft
from services.ingest.header_names import declared_names, match_columns
from services.ingest.open_source import open_source
from services.ingest.parallel_columns import ColumnThreads
from services.ingest.read_limits import ReadLimits
from services.ingest.read_once import read_once
from services.ingest.refused_table import TableRefused
from services.ingest.settle_types import Settling
from services.ingest.source_table import SourceTable
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
    with ColumnThreads() as threads:
        settling = Settling(
            table, named, card.source.decimal, threads, limits.positions, _missing(card),
            {name for one in card.derive or () for name in one.add.values()},
        )  # fmt: skip
        draft = read_once(
            table, settling, lambda columns: table_draft(out, columns, card, limits, threads)
        )
    settled_warnings = settling.warnings()
    if draft.rows == 0:
        raise Quarantined(Reason(code="no_rows", detail="header_only"))
    draft.rules.finish(draft.broken)
    blocking = draft.mismatches.reasons(table.lines)
    rule_reasons = draft.broken.reasons(table.lines)
    stops = (*blocking, *(rule_reasons if card.quality.errors == "block" else ()))
    warnings = (
        *notes,
        *table.warnings,
        *settled_warnings,
        *(reason for watch in draft.nearly for reason in watch.reasons(table.lines)),
        *_short_years(draft),
        *_mixed_units(draft),
        *_of_geometries(draft),
        *draft.rules.unknown,
        *warnings,
        *_dropped(table),
        *(() if card.quality.errors == "block" else rule_reasons),
    )
    quality = _report(table, draft, warnings)
    if not card.derive and (derivable := proposals(table.headers)):
        quality["derivable"] = derivable
    if at := draft.positions.columns():
        quality["points"] = {axis: draft.columns[i].named.position for axis, i in at.items()}
    if stops:
        raise TableRefused(*stops, quality=quality)
    size, digest = _weighed(out)
    kept = tuple(Column(c.named.name, c.reading.type, c.named.declared) for c in draft.columns)
    return IngestedTable(draft.rows, kept, quality, size, digest)


def _missing(card: Card) -> tuple[str, ...]:
    """Texts that the schema says mean no value; an empty one always does."""
    listed = card.table_schema.missing_values if card.table_schema else None
    return tuple(text for text in listed or () if text)


def _dropped(table: SourceTable) -> list[Reason]:
    counts = {
        "rows_empty": table.dropped.empty,
        "header_repeated": table.dropped.header,
        "totals_left_out": table.dropped.totals,
    }
    return [Reason(code=code, count=count) for code, count in counts.items() if count]


def _short_years(draft: TableDraft) -> list[Reason]:
    return [
        column.named.reason("years_short", count=profile.short_years)
        for column, profile in zip(draft.columns, draft.profiles, strict=True)
        if profile.short_years
    ]


def _mixed_units(draft: TableDraft) -> list[Reason]:
    return [
        column.named.reason("units_mixed", count=profile.units)
        for column, profile in zip(draft.columns, draft.profiles, strict=True)
        if profile.units > 1
    ]


def _of_geometries(draft: TableDraft) -> list[Reason]:
    told: list[Reason] = []
    for column in draft.columns:
        if column.geometry is not None:
            facts = column.geometry.facts
            codes = {"axes_swapped": facts.swapped, "measures_left_out": facts.measured}
            told += [column.named.reason(code) for code, is_so in codes.items() if is_so]
    return told


def _report(table: SourceTable, draft: TableDraft, warnings: Sequence[Reason]) -> dict[str, Any]:
    """The quality report, JSON-compatible: codes, counts, positions, declared names."""
    return {
        "rows": draft.rows,
        "source": {name: value for name, value in asdict(table.facts).items() if value is not None},
        "columns": [
            {
                "position": column.named.position,
                "name": column.named.name if column.named.declared else None,
                "declared": column.named.declared,
                "type": column.reading.type,
                **profile.facts(),
            }
            for column, profile in zip(draft.columns, draft.profiles, strict=True)
        ],
        "warnings": [reason.model_dump(exclude_none=True) for reason in warnings],
    }


def _weighed(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()

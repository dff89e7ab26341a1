"""Applies the policy column by column, scans what would leave, writes the table anew. Fails closed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.anonymize.normalise import fold_header
from services.anonymize.privacy_report import make_report
from services.anonymize.scan_table import Scan
from shared.card import Card
from shared.failures import EcluseError, Quarantined
from shared.messages import Reason

BATCH = 50_000
ROW_GROUP = 100_000


@dataclass(frozen=True)
class AnonymizedTable:
    """The safe table at `out`: rows, bytes, checksum, columns (name, type), the privacy report."""

    rows: int
    bytes: int
    sha256: str
    columns: tuple[tuple[str, str], ...]
    report: dict[str, object]


def anonymize_table(table: Path, card: Card, out: Path) -> AnonymizedTable:
    """Writes to `out` the columns that the policy keeps, if all of them are named and clean.

    Raises Quarantined for anything else, a defect in a detector included: what could not be looked
    at does not leave.
    """
    try:
        return _anonymize(table, card, out)
    except EcluseError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever fails, nothing leaves
        raise Quarantined(Reason(code="scan_failed", detail=type(error).__name__)) from None


def _anonymize(table: Path, card: Card, out: Path) -> AnonymizedTable:
    if card.subject in ("people", "households"):
        raise Quarantined(Reason(code="subject_needs_protection", detail=card.subject))
    file = pq.ParquetFile(table)
    kept = _check_columns(file.schema_arrow.names, card)
    scan = Scan()
    for name in kept:
        scan.header(name)
    # A schema of names and types alone: nothing of the source's metadata is carried over.
    schema = pa.schema([pa.field(name, file.schema_arrow.field(name).type) for name in kept])
    rows = 0
    with pq.ParquetWriter(out, schema, compression="zstd", store_schema=False) as writer:
        for batch in file.iter_batches(BATCH, columns=kept):
            clean = pa.record_batch([batch.column(name) for name in kept], schema=schema)
            scan.batch(clean)
            rows += clean.num_rows
            writer.write_batch(clean, row_group_size=ROW_GROUP)
    accepted = _judge(scan, card)
    _read_back(out, kept, rows)
    with out.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    return AnonymizedTable(
        rows=rows,
        bytes=out.stat().st_size,
        sha256=digest,
        columns=tuple((field.name, str(field.type)) for field in schema),
        report=make_report(card, kept, rows, scan, accepted),
    )


def _check_columns(names: list[str], card: Card) -> list[str]:
    """The columns to keep, in the table's order; raises unless policy and table name the same."""
    rules = card.privacy.columns
    folded = [fold_header(name) for name in names]
    reasons = [
        Reason(code="columns_collide", position=position)
        for position, name in enumerate(folded, start=1)
        if folded.index(name) != position - 1
    ]
    reasons += [
        Reason(code="column_undeclared", position=position)
        for position, name in enumerate(names, start=1)
        if name not in rules
    ]
    reasons += [Reason(code="column_gone", column=name) for name in rules if name not in names]
    if reasons:
        raise Quarantined(*reasons)
    kept = [name for name in names if rules[name].action == "keep"]
    if not kept:
        raise Quarantined(Reason(code="nothing_kept"))
    return kept


def _judge(scan: Scan, card: Card) -> dict[tuple[str, str], int]:
    """The findings that the card accepts, with their counts; raises for any other."""
    reasons, accepted = [], {}
    declared = {(one.column, one.detector) for one in card.privacy.accepted_findings}
    for (column, detector), hits in scan.found.items():
        if card.privacy.columns[column].basis or (column, detector) in declared:
            accepted[column, detector] = hits.count
        elif detector == "header":
            reasons.append(Reason(code="header_personal", column=column))
        else:
            # The source's header is line 1, so its first row is line 2.
            reasons.append(
                Reason(
                    code=f"finding_{detector}",
                    column=column,
                    line=hits.first_row + 2,
                    count=hits.count,
                )
            )
    if reasons:
        raise Quarantined(*reasons)
    return accepted


def _read_back(out: Path, kept: list[str], rows: int) -> None:
    """Reads the written bytes by another way: the columns of the policy, and nothing beside them."""
    metadata = pq.read_metadata(out)
    names = [metadata.schema.column(n).name for n in range(metadata.num_columns)]
    if names != kept or metadata.num_rows != rows or metadata.metadata:
        raise Quarantined(Reason(code="proof_failed"))

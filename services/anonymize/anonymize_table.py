"""Applies the policy column by column, scans what would leave, writes the table anew. Fails closed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.anonymize.apply_policy import judge, kept_columns
from services.anonymize.privacy_report import make_report
from services.anonymize.scan_table import ColumnScan, Finding, is_text
from services.anonymize.verify_table import verify_table
from shared.card import Card
from shared.card_parts import ColumnType
from shared.failures import EcluseError, Quarantined
from shared.messages import Reason

# A batch under work is all the memory that a table takes, whatever its length.
BATCH_ROWS = 50_000


@dataclass(frozen=True)
class AnonymizedTable:
    """The safe table: rows, bytes, checksum, columns (name, the card's type) and privacy report.

    `findings` is how many (column, detector) pairs were found and accepted by the policy.
    """

    rows: int
    bytes: int
    sha256: str
    columns: tuple[tuple[str, ColumnType], ...]
    findings: int
    report: dict[str, object]


def anonymize_table(table: Path, card: Card, out: Path) -> AnonymizedTable:
    """Writes to `out` the columns that the policy keeps, if all are named and every cell is clean.

    Two runs on the same input give the same bytes. Raises Quarantined for anything else, a defect
    in a detector included: what could not be looked at does not leave, and `out` is not left behind.
    """
    try:
        return _anonymize(table, card, out)
    except BaseException as error:
        out.unlink(missing_ok=True)
        if isinstance(error, EcluseError | MemoryError) or not isinstance(error, Exception):
            raise
        raise Quarantined(Reason(code="scan_failed", detail=type(error).__name__)) from None


def _anonymize(table: Path, card: Card, out: Path) -> AnonymizedTable:
    with pq.ParquetFile(table) as source:
        given = source.schema_arrow
        kept = kept_columns(given.names, card)
        types = {name: column_type(given.field(name)) for name in kept}
        # Names and types alone: nothing of the source's metadata is carried over.
        schema = pa.schema([pa.field(name, written) for name, (_, written) in types.items()])
        columns = tuple((name, kind) for name, (kind, _) in types.items())
        rows, findings = _copy(source, schema, out)
    accepted = judge([one for one in findings if not one.chance], card)
    verify_table(table, out, schema, rows)
    with out.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    chance = [one for one in findings if one.chance]
    return AnonymizedTable(
        rows=rows,
        bytes=out.stat().st_size,
        sha256=digest,
        columns=columns,
        findings=len(accepted),
        report=make_report(card, columns, rows, accepted, chance),
    )


def _copy(source: pq.ParquetFile, schema: pa.Schema, out: Path) -> tuple[int, list[Finding]]:
    """Writes the columns of `schema`, scanning every batch on its way: (rows, findings)."""
    scans = [ColumnScan(name) for name in schema.names]
    rows = 0
    with pq.ParquetWriter(out, schema, compression="zstd", store_schema=False) as writer:
        for batch in source.iter_batches(BATCH_ROWS, columns=schema.names):
            # By name: the reader also hands over `a.b` to one who asks for `a`.
            cells = [batch.column(field.name).cast(field.type) for field in schema]
            for scan, column in zip(scans, cells, strict=True):
                _check_readable(column, scan.name, rows)
                scan.see(column, rows)
            writer.write_batch(pa.record_batch(cells, schema=schema))
            rows += batch.num_rows
    if rows == 0:
        raise Quarantined(Reason(code="no_rows"))
    return rows, [finding for scan in scans for finding in scan.findings()]


def _check_readable(column: pa.Array, name: str, first_row: int) -> None:
    """Raises Quarantined when a cell is no text at all: what cannot be read cannot be cleared."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raise Quarantined(
            Reason(code="cell_unreadable", column=name, line=_first_unreadable(column, first_row))
        ) from None


def _first_unreadable(column: pa.Array, first_row: int) -> int | None:
    for row in range(len(column)):
        try:
            column.slice(row, 1).validate(full=True)
        except pa.ArrowInvalid:
            return first_row + row + 2
    return None


def column_type(field: pa.Field) -> tuple[ColumnType, pa.DataType]:
    """A column's type as the card names it, and as it is written: one Arrow type for each.

    Raises Quarantined for types that no scan looks into.
    """
    given = field.type
    kinds: tuple[tuple[bool, ColumnType, pa.DataType], ...] = (
        (is_text(given), "string", pa.string()),
        (pa.types.is_integer(given), "integer", pa.int64()),
        (pa.types.is_floating(given), "number", pa.float64()),
        (pa.types.is_boolean(given), "boolean", pa.bool_()),
        (pa.types.is_date(given), "date", pa.date32()),
        (pa.types.is_timestamp(given), "datetime", given),
        (pa.types.is_time(given), "time", given),
    )
    for holds, kind, written in kinds:
        if holds:
            return kind, written
    raise Quarantined(Reason(code="type_unscannable", column=field.name))

"""Applies the policy column by column, scans what would leave, writes the table anew. Fails closed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.anonymize.aggregate_rows import aggregate_rows, verify_aggregate
from services.anonymize.apply_policy import Accepted, check_types, judge, kept_columns
from services.anonymize.birth_dates import birth_dates
from services.anonymize.check_cells import (
    check_carried,
    check_places,
    check_positions,
    check_readable,
    column_type,
)
from services.anonymize.exposure import Exposure
from services.anonymize.geometry_cells import check_geometries
from services.anonymize.header_lexicon import words
from services.anonymize.linked import cut_another_way
from services.anonymize.look_like_people import check_subject
from services.anonymize.population_uniques import population_uniques
from services.anonymize.privacy_report import make_report, protection_report
from services.anonymize.protect_counts import HiddenCells, dimension_names, protect_counts
from services.anonymize.protect_table import (
    PROTECTED,
    asked_of,
    protect_table,
    sensitive_columns,
)
from services.anonymize.recode_beside import NOTHING_BEFORE, Before
from services.anonymize.removals import Removals
from services.anonymize.report_shape import Protection
from services.anonymize.safe_file import SafeFile
from services.anonymize.scan_batches import BatchScan
from services.anonymize.scan_table import Finding, scan_table
from services.anonymize.sole_traders import sole_traders
from services.anonymize.transforms import transform, written_type
from services.anonymize.uniqueness_report import Unique, uniqueness_report
from services.anonymize.verify_counts import verify_counts
from services.anonymize.verify_protection import verify_protection
from services.anonymize.verify_table import verify_table
from shared.card import Card
from shared.card_parts import ColumnRule, ColumnType
from shared.card_protection import Aggregate
from shared.failures import EcluseError, Quarantined
from shared.messages import Reason

# A batch under work is all the memory that a table takes, whatever its length.
BATCH_ROWS = 25_000
Keys = Mapping[str | None, bytes] | None


@dataclass(frozen=True)
class AnonymizedTable:
    """The safe table: rows, bytes, checksum, columns (name, the card's type) and privacy report.

    `findings` is how many (column, detector) pairs were found and accepted by the policy; `exposure`
    what the table shows of people, for the register.
    """

    rows: int
    bytes: int
    sha256: str
    columns: tuple[tuple[str, ColumnType], ...]
    findings: int
    report: dict[str, object]
    exposure: Exposure | None = None


def anonymize_table(
    table: Path,
    card: Card,
    out: Path,
    keys: Keys = None,
    before: Before = NOTHING_BEFORE,
    removed: Removals | None = None,
) -> AnonymizedTable:
    """Writes to `out` what the policy lets out, if all columns are named and every cell is clean.

    Rows about people or households are protected first, also beside what releases `before` showed.
    `keys` are those of the pseudonyms (`pseudonym_keys`); `removed` are people whose rows are left
    out. Two runs on the same input give the same bytes. Raises Quarantined for anything else, a defect
    in a detector included: what could not be looked at does not leave, and `out` is not left behind.
    """
    try:
        return _anonymize(table, card, out, keys, before, removed)
    except BaseException as error:
        out.unlink(missing_ok=True)
        if isinstance(error, EcluseError | MemoryError) or not isinstance(error, Exception):
            raise
        raise Quarantined(Reason(code="scan_failed", detail=type(error).__name__)) from None


@dataclass(frozen=True)
class _Plan:
    """What is to be written: columns in order, their rules, and the pseudonyms' keys.

    `foreseen` is what whole columns showed before the scan, and the policy accepts.
    """

    card: Card
    schema: pa.Schema
    rules: dict[str, ColumnRule]
    keys: Keys
    foreseen: tuple[Accepted, ...]

    def made(self, batch: pa.RecordBatch, first_row: int) -> pa.RecordBatch:
        """The batch as the rules let it out. Raises Quarantined for what cannot be read."""
        columns = []
        for field in self.schema:
            # By name: the reader also hands over `a.b` to one who asks for `a`.
            given = batch.column(field.name)
            given = given.cast(column_type(batch.schema.field(field.name))[1])
            check_readable(given, field.name, first_row)
            if pa.types.is_binary(given.type):
                check_geometries(given, field.name, first_row)
            rule = self.rules[field.name]
            key = (self.keys or {}).get(rule.linked)
            columns.append(transform(field.name, rule, given, key))
        return pa.record_batch(columns, schema=self.schema)


def _anonymize(
    table: Path,
    card: Card,
    out: Path,
    keys: Keys,
    before: Before,
    removed: Removals | None,
) -> AnonymizedTable:
    # Read ahead, whole row groups would lie in memory.
    with pq.ParquetFile(table, pre_buffer=False) as source:
        given = source.schema_arrow
        kept = kept_columns(given.names, card)
        types = {name: column_type(given.field(name)) for name in kept}
        check_types({name: kind for name, (kind, _) in types.items()}, card)
        rules = {name: card.privacy.columns[name] for name in kept}
        check_places({name: kind for name, (kind, _) in types.items()}, rules, card)
        check_carried(source, check_subject({n: kind for n, (kind, _) in types.items()}, card))
        open_ = [name for name in kept if rules[name].action == "keep"]
        told = sole_traders(source, open_, BATCH_ROWS)
        told += birth_dates(source, open_, card, BATCH_ROWS)
        foreseen = judge(told, card)
        # Names and types alone: nothing of the source's metadata is carried over.
        schema = pa.schema(
            [(name, written_type(name, rules[name], kind)) for name, (_, kind) in types.items()]
        )
        plan = _Plan(card, schema, rules, keys, foreseen)
        people = card.subject in PROTECTED and not card.privacy.measures
        if removed and not (people and card.privacy.unit):
            # Rows that are not people have none that could be left out.
            raise Quarantined(Reason(code="removal_without_unit", count=len(removed.digests)))
        if card.privacy.aggregate:
            return _aggregated(source, plan, out, card.privacy.aggregate, removed)
        if card.privacy.measures:
            return _counted(source, plan, out, before)
        if card.subject in PROTECTED:
            return _protected(source, plan, out, before, removed)
        rows, findings = _copy(source, plan, out)
    accepted = judge([one for one in findings if not one.chance], card)
    verify_table(table, out, schema, rows, rules)
    return _result(plan, out, rows, findings, accepted)


def _result(
    plan: _Plan,
    out: Path,
    rows: int,
    findings: list[Finding],
    accepted: tuple[Accepted, ...],
    protection: Protection | None = None,
    hidden: Sequence[HiddenCells] = (),
) -> AnonymizedTable:
    with out.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    written_schema = pq.read_schema(out)
    columns = tuple((field.name, column_type(field)[0]) for field in written_schema)
    chance = [one for one in findings if one.chance]
    accepted = (*plan.foreseen, *accepted)
    return AnonymizedTable(
        rows=rows,
        bytes=out.stat().st_size,
        sha256=digest,
        columns=columns,
        findings=len(accepted),
        report=make_report(plan.card, columns, rows, accepted, chance, protection, hidden),
    )


def _copy(source: pq.ParquetFile, plan: _Plan, out: Path) -> tuple[int, list[Finding]]:
    """Writes the columns of `plan`, scanning every batch on its way: (rows, findings)."""
    rows = 0
    with (
        closing(BatchScan(plan.schema.names)) as scan,
        closing(SafeFile(out, plan.schema)) as file,
    ):
        for batch in source.iter_batches(BATCH_ROWS, columns=plan.schema.names):
            made = plan.made(batch, rows)
            scan.see(made, rows)
            file.write(made)
            rows += made.num_rows
        findings = scan.findings()
    if rows == 0:
        raise Quarantined(Reason(code="no_rows"))
    return rows, findings


def _whole(
    source: pq.ParquetFile, plan: _Plan, unit: str | None
) -> tuple[pa.Table, pa.Array | None]:
    """All rows as the rules let them out, scanned, and each one's unit."""
    batches, units, rows = [], [], 0
    names = [*plan.schema.names, *([unit] if unit else [])]
    with closing(BatchScan(plan.schema.names)) as scan:
        for batch in source.iter_batches(BATCH_ROWS, columns=names):
            made = plan.made(batch, rows)
            scan.see(made, rows)
            batches.append(made)
            if unit:
                units.append(batch.column(unit))
            rows += made.num_rows
        findings = scan.findings()
    if rows == 0:
        raise Quarantined(Reason(code="no_rows"))
    judge([one for one in findings if not one.chance], plan.card)
    table = pa.Table.from_batches(batches, schema=plan.schema)
    check_positions(table, plan.card)
    owners = pa.chunked_array(units).combine_chunks() if unit else None
    return table, owners


def _write(table: pa.Table, out: Path) -> None:
    with closing(SafeFile(out, table.schema)) as file:
        file.write(table)


def _counted(source: pq.ParquetFile, plan: _Plan, out: Path, before: Before) -> AnonymizedTable:
    """The same for a table of counts: whole, since margins join its cells."""
    given, _ = _whole(source, plan, None)
    cut = {
        words(name): given.column(name) for name in dimension_names(given.column_names, plan.card)
    }
    labels = {
        name: tuple(sorted(map(str, column.unique().to_pylist()))) for name, column in cut.items()
    }
    if other := cut_another_way(labels, before.linked):
        raise Quarantined(Reason(code="cut_another_way", detail=other))
    parts = [one.largest for one in plan.card.privacy.measures.values() if one.largest]
    there = [name for name in parts if name in source.schema_arrow.names]
    largest = {name: source.read([name]).column(name) for name in there}
    table, hidden = protect_counts(given, plan.card, largest)
    _write(table, out)
    findings = verify_counts(out, table.schema, table.num_rows, plan.card)
    accepted = judge([one for one in findings if not one.chance], plan.card)
    made = _result(plan, out, table.num_rows, findings, accepted, hidden=hidden)
    shown = Exposure(
        quasi_identifiers=(),
        levels=(),
        classes=(),
        linked=plan.card.privacy.linked,
        dimensions=labels,
    )
    return replace(made, exposure=shown)


def _protected(
    source: pq.ParquetFile, plan: _Plan, out: Path, before: Before, removed: Removals | None
) -> AnonymizedTable:
    """The same for rows about people: whole, since a row's protection is the others'."""
    card = plan.card
    whole, owners = _whole(source, plan, card.privacy.unit)
    given = whole.num_rows
    whole, owners = _without(removed, whole, owners)
    gone = given - whole.num_rows
    safe = protect_table(whole, owners, card, before)
    _write(safe.table, out)
    asked = asked_of(card, safe.table.column_names)
    sensitive = sensitive_columns(safe.table.column_names, card)
    shown = [name for name in safe.table.column_names if name in card.privacy.quasi_identifiers]
    classes, uniques, findings = verify_protection(
        out, safe.table.schema, safe.table.num_rows, plan.rules, shown, sensitive, asked, safe.units
    )
    accepted = judge([one for one in findings if not one.chance], card)
    after = Unique(uniques, population_uniques(classes.sizes, card.privacy.population))
    unique = uniqueness_report(shown, card.privacy.population, safe.unique_before, after)
    said = protection_report(
        card, asked, sensitive, classes, safe, whole.num_rows, before, gone, unique
    )
    made = _result(plan, out, safe.table.num_rows, findings, accepted, said)
    return replace(made, exposure=safe.exposure)


def _without(
    removed: Removals | None, whole: pa.Table, owners: pa.Array | None
) -> tuple[pa.Table, pa.Array | None]:
    """The rows of those who did not ask to be removed, and each one's unit."""
    if removed is None or owners is None:
        return whole, owners
    stays = pc.invert(removed.of(owners))
    return whole.filter(stays), owners.filter(stays)


def _aggregated(
    source: pq.ParquetFile, plan: _Plan, out: Path, way: Aggregate, removed: Removals | None
) -> AnonymizedTable:
    """Rows made into counts. Columns that are not counted by are read and scanned, and stay behind."""
    whole, owners = _without(removed, *_whole(source, plan, plan.card.privacy.unit))
    table, left_out = aggregate_rows(whole, owners, way)
    _write(table, out)
    read = verify_aggregate(out, table.schema, table.num_rows, way)
    accepted = judge([one for one in scan_table(read) if not one.chance], plan.card)
    told = HiddenCells(way.count, way.min, table.num_rows + left_out, left_out, 0)
    return _result(plan, out, table.num_rows, [], accepted, hidden=[told])

"""Proof of a written table of counts: an attacker with pencil and paper finds no small cell in it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.anonymize.protect_counts import (
    ABSENT,
    SECRET,
    SHOWN,
    complete_lines,
    dimension_names,
    status_of,
)
from services.anonymize.scan_table import Finding, scan_table
from services.anonymize.secret_cells import Line
from services.anonymize.verify_table import failed, verify_structure
from shared.card import Card
from shared.card_protection import Measure

CHECKS = ("columns", "rows", "metadata", "statistics", "small_cells", "margins", "findings")


def verify_counts(written: Path, schema: pa.Schema, rows: int, card: Card) -> list[Finding]:
    """Reads the file again: what a new scan finds in it.

    Raises Quarantined(`proof_failed`) for another structure, a small cell, a status that is not the
    cell's, a rate beside a hidden count, or a small cell that follows from the margins.
    """
    verify_structure(written, schema, rows)
    with pq.ParquetFile(written) as file:
        table = file.read()
    source = [field.name for field in schema if field.name not in _statuses(card)]
    dimensions: dict[str, list[object]] = {
        name: table.column(name).to_pylist() for name in dimension_names(source, card)
    }
    sensitive = set(card.privacy.sensitive or ())
    for name, measure in card.privacy.measures.items():
        _verify_cells(table, name, measure)
        values = table.column(measure.count or name).to_pylist()
        status = table.column(status_of(name)).to_pylist()
        absent = {row for row, said in enumerate(status) if said == ABSENT}
        lines = complete_lines(dimensions, card.privacy.margins, absent)
        _verify_lines(values, lines, measure, sensitive)
    return scan_table(table)


def _verify_cells(table: pa.Table, name: str, measure: Measure) -> None:
    """No small cell is shown, each says what it is, and what is made from it is hidden with it."""
    status = table.column(status_of(name)).to_pylist()
    counts = table.column(measure.count or name).to_pylist()
    for value, said in zip(counts, status, strict=True):
        if (value is None) != (said in (SECRET, ABSENT)) or said not in (SECRET, ABSENT, SHOWN):
            raise failed("small_cells")
        if value is not None and 0 < value < measure.min:
            raise failed("small_cells")
    for one in (name, *measure.along):
        beside = table.column(one).to_pylist()
        if any(v is not None and said == SECRET for v, said in zip(beside, status, strict=True)):
            raise failed("small_cells")


def _verify_lines(
    values: list[int | None], lines: list[Line], measure: Measure, sensitive: set[str]
) -> None:
    """No line tells of everybody, and no small cell follows from what is shown."""
    for line in lines:
        shown = [values[cell] for cell in line.parts]
        alone = len(shown) > 1 and None not in shown and len([v for v in shown if v]) == 1
        if alone and line.dimension in sensitive:
            raise failed("small_cells")
    cells = dict(enumerate(values))
    again = True
    while again:
        again = False
        for line in lines:
            unknown = [cell for cell in line.cells if cells[cell] is None]
            if len(unknown) != 1:
                continue
            rest = sum(cells[cell] or 0 for cell in line.parts)
            found = rest if unknown[0] == line.total else (cells[line.total] or 0) - rest
            # An amount may hide for its largest unit's sake, which the file does not tell.
            if 0 < found < measure.min or (measure.largest and found):
                raise failed("margins")
            cells[unknown[0]] = found
            again = True


def _statuses(card: Card) -> set[str]:
    return {status_of(name) for name in card.privacy.measures}

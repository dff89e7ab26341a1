"""Proof that a written table about people is protected: by the file's own cells, by other code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.anonymize.class_sizes import (
    Classes,
    classes_of,
    greatest_distance,
    least_distinct,
    least_entropy,
)
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.minimal_uniques import MinimalUniques, minimal_uniques_of_table
from services.anonymize.scan_table import Finding, scan_table
from services.anonymize.verify_table import failed, verify_rules, verify_structure
from shared.card_parts import ColumnRule

CHECKS = ("columns", "rows", "metadata", "statistics", "rules", "order", "k", "l", "t", "findings")
_ROUNDING = 1e-9


def verify_protection(
    written: Path,
    schema: pa.Schema,
    rows: int,
    rules: dict[str, ColumnRule],
    quasi_identifiers: Sequence[str],
    sensitive: Sequence[str],
    asked: Protection,
    units: pa.Array | None,
) -> tuple[Classes, MinimalUniques, list[Finding]]:
    """Reads the file again and counts its classes: (classes, who is unique on a few quasi-identifiers,
    what a new scan finds in it).

    `units` are its rows' persons or households, which the file does not tell. Raises
    Quarantined(`proof_failed`) unless structure, rules, order, k, l and t are as they must be.
    """
    verify_structure(written, schema, rows)
    with pq.ParquetFile(written) as file:
        table = file.read()
    for name, rule in rules.items():
        # A quasi-identifier may be coarser than its rule makes it, and is then text of a hierarchy.
        if name not in quasi_identifiers:
            verify_rules(table.column(name).chunks, rule)
    order = pc.sort_indices(table, [(name, "ascending") for name in table.column_names])
    if not table.take(order).equals(table) and not _equal_but_for_nan(table, order):
        raise failed("order")
    classes = classes_of(table, quasi_identifiers, units)
    if classes.smallest < asked.k:
        raise failed("k")
    for name in sensitive:
        entropy = asked.l > 1 and asked.entropy
        if entropy and least_entropy(table, quasi_identifiers, name) < asked.l - _ROUNDING:
            raise failed("l")
        if asked.l > 1 and not entropy and least_distinct(table, quasi_identifiers, name) < asked.l:
            raise failed("l")
        if asked.t < 1 and greatest_distance(table, quasi_identifiers, name) > asked.t + _ROUNDING:
            raise failed("t")
    uniques = minimal_uniques_of_table(table, quasi_identifiers, units)
    return classes, uniques, scan_table(table)


def _equal_but_for_nan(table: pa.Table, order: pa.Array) -> bool:
    ordered = table.take(order)
    for field in table.schema:
        ours, theirs = table.column(field.name), ordered.column(field.name)
        if pa.types.is_floating(field.type):
            ours, theirs = (c.combine_chunks().view(pa.int64()) for c in (ours, theirs))
        if not ours.equals(theirs):
            return False
    return True

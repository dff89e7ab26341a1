"""Rows about people made into counts: how many there are of each kind, where they are enough.

For what has no anonymous row: trips from place to place, above all, become origin, destination and how
many. What fewer than the threshold share is left out as a row, for that it is there would tell.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.anonymize.verify_table import failed, verify_structure
from shared.card_protection import Aggregate
from shared.failures import Quarantined
from shared.messages import Reason


def aggregate_rows(table: pa.Table, units: pa.Array | None, way: Aggregate) -> tuple[pa.Table, int]:
    """One row per combination of `way.by` that `way.min` units share: (rows, how many are left out).

    Raises Quarantined when nothing is left, or the count's name is a column's.
    """
    if way.count in table.column_names:
        raise Quarantined(Reason(code="status_column_there", expected=way.count))
    by = list(way.by)
    if units is None:
        grouped = table.group_by(by).aggregate([([], "count_all")])
        counts = grouped.column("count_all")
    else:
        with_unit = table.append_column("\0unit", units)
        grouped = with_unit.group_by(by).aggregate([("\0unit", "count_distinct")])
        counts = grouped.column("\0unit_count_distinct")
    made = grouped.select(by).append_column(way.count, counts.cast(pa.int64()))
    enough = made.filter(pc.greater_equal(made.column(way.count), way.min))
    if not enough.num_rows:
        raise Quarantined(Reason(code="protection_unreachable", limit=way.min))
    order = pc.sort_indices(enough, [(name, "ascending") for name in enough.column_names])
    return enough.take(order).combine_chunks(), made.num_rows - enough.num_rows


def verify_aggregate(written: Path, schema: pa.Schema, rows: int, way: Aggregate) -> pa.Table:
    """Reads the file again. Raises Quarantined(`proof_failed`) for a small count, or a repeated row."""
    verify_structure(written, schema, rows)
    with pq.ParquetFile(written) as file:
        table = file.read()
    if pc.min(table.column(way.count)).as_py() < way.min:
        raise failed("small_cells")
    if table.group_by(list(way.by)).aggregate([]).num_rows != rows:
        raise failed("rows")
    return table

"""Which columns of a Parquet file are worth a dictionary: those whose values repeat.

Of the others a dictionary costs time and room, before the writer gives it up: measured on a table of
measures and identifiers a third of the one and a fifth of the other.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

SAMPLE = 10_000  # rows


def repeating(first: pa.Table | pa.RecordBatch) -> list[str]:
    """Names of the columns that have each value twice or more in the first rows; not those of
    structures and lists, whose values cannot be counted."""
    sample = first.slice(0, SAMPLE)
    return [
        field.name
        for field, column in zip(sample.schema, sample.columns, strict=True)
        if not pa.types.is_nested(field.type)
        and 2 * pc.count_distinct(column, mode="all").as_py() <= sample.num_rows
    ]

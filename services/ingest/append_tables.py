"""Puts the tables of several sources under each other, a code of each as one more column.

Columns of one name are one column, of a type that all allow: whole numbers and others are numbers,
what differs more is text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.ingest.cell_text import text_of
from shared.failures import Quarantined
from shared.messages import Reason

BATCH_ROWS = 20_000
_NUMBERS = {pa.int64(), pa.float64()}


def append_tables(parts: Sequence[tuple[str, Path]], column: str, out: Path) -> None:
    """Writes `out` from (code, table) pairs, in their order; `column` holds the code.

    Raises Quarantined: `header_twice` when a table has a column of that name, `column_unreadable`
    when a column is a geometry in one table and something else in another.
    """
    files = [(code, pq.ParquetFile(path, pre_buffer=False)) for code, path in parts]
    kinds: dict[str, set[pa.DataType]] = {}
    metadata: dict[bytes, bytes] = {}
    for _, file in files:
        for at, field in enumerate(file.schema_arrow):
            # A column without a value has no type to be reckoned with.
            known = kinds.setdefault(field.name, set())
            known.update([field.type] if _holds_values(file, at) else [])
        metadata = {**(file.schema_arrow.metadata or {}), **metadata}
    if column in kinds:
        raise Quarantined(Reason(code="header_twice", column=column))
    types = {}
    for at, (name, found) in enumerate(kinds.items(), 1):
        if pa.binary() in found and len(found) > 1:
            raise Quarantined(Reason(code="column_unreadable", position=at))
        types[name] = _common(found)
    schema = pa.schema([*types.items(), (column, pa.string())])
    geo = {b"geo": metadata[b"geo"]} if b"geo" in metadata else None
    with pq.ParquetWriter(out, schema.with_metadata(geo), compression="zstd") as writer:
        for code, file in files:
            for batch in file.iter_batches(BATCH_ROWS):
                given = dict(zip(batch.schema.names, batch.columns, strict=True))
                cells = [
                    _as(given[name], kind) if name in given else pa.nulls(len(batch), kind)
                    for name, kind in types.items()
                ]
                codes = pa.repeat(pa.scalar(code), len(batch))
                writer.write_batch(pa.record_batch([*cells, codes], schema=writer.schema))


def _holds_values(file: pq.ParquetFile, at: int) -> bool:
    groups = (file.metadata.row_group(n).column(at) for n in range(file.metadata.num_row_groups))
    return any(
        one.statistics is None or one.statistics.null_count < one.num_values for one in groups
    )


def _common(kinds: set[pa.DataType]) -> pa.DataType:
    if len(kinds) == 1:
        (kind,) = kinds
        return kind
    return pa.float64() if kinds == _NUMBERS else pa.string()


def _as(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if values.type == kind:
        return values
    if values.null_count == len(values):
        return pa.nulls(len(values), kind)
    return text_of(values) if pa.types.is_string(kind) else values.cast(kind)

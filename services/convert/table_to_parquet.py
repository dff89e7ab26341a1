"""Parquet: zstd, row groups for range reads, statistics and page index, our metadata and no other."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from services.convert.release_facts import ReleaseFacts
from services.convert.safe_table import Batch
from services.convert.written_file import CountingWriter

ROW_GROUP = 100_000
# Level 9 of 22: beyond it files hardly shrink and writing slows several times.
LEVEL = 9


class ParquetWriter:
    """Writes batches as row groups."""

    def __init__(self, out: CountingWriter, schema: pa.Schema, facts: ReleaseFacts) -> None:
        self._out = out
        # In the file's own metadata: pyarrow leaves a schema's out when it does not store the schema.
        self._facts = facts.pairs()
        self._writer = pq.ParquetWriter(
            pa.PythonFile(out, mode="w"),
            schema,
            compression="zstd",
            compression_level=LEVEL,
            write_page_index=True,
            store_schema=False,
        )

    def write(self, batch: Batch) -> None:
        if not batch.arrow.num_rows:
            return
        table = pa.Table.from_batches([batch.arrow])
        self._writer.write_table(table, row_group_size=ROW_GROUP)

    def close(self) -> None:
        self._writer.add_key_value_metadata(self._facts)
        self._writer.close()
        self._out.close()

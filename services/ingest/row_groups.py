"""Writes batches as a Parquet file's row groups, in a thread of its own, one group ahead at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from services.ingest.read_limits import MIB
from shared.repeating import repeating

ROW_GROUP_ROWS = 131_072
ROW_GROUP_BYTES = 32 * MIB


class RowGroups:
    """A file under way; whole once it is left without an error."""

    def __init__(self, out: Path, columns: Sequence[tuple[str, pa.DataType]]) -> None:
        self._out, self._schema = out, pa.schema(columns)
        self._writer: pq.ParquetWriter | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="parquet")
        self._writing: Future[None] | None = None
        self._held: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def __enter__(self) -> RowGroups:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._flush()
                self._wait()
        finally:
            self._pool.shutdown()
            if self._writer is not None:
                self._writer.close()

    def write(self, values: Sequence[pa.Array]) -> None:
        batch = pa.RecordBatch.from_arrays(list(values), schema=self._schema)
        self._held.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= ROW_GROUP_ROWS or self._bytes >= ROW_GROUP_BYTES:
            self._flush()

    def say(self, metadata: Mapping[str, str]) -> None:
        """Adds to the file's metadata."""
        if metadata:
            self._flush()
            self._wait()
            self._opened(self._schema.empty_table()).add_key_value_metadata(metadata)

    def _flush(self) -> None:
        if not self._held:
            return
        group = pa.Table.from_batches(self._held, self._schema)
        self._held, self._rows, self._bytes = [], 0, 0
        self._wait()
        self._writing = self._pool.submit(self._write, group)

    def _write(self, group: pa.Table) -> None:
        self._opened(group).write_table(group, row_group_size=group.num_rows)

    def _opened(self, first: pa.Table) -> pq.ParquetWriter:
        """The writer, made when the first rows say which columns are worth a dictionary."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._out,
                self._schema,
                compression="zstd",
                compression_level=3,
                version="2.6",
                use_dictionary=repeating(first),
            )
        return self._writer

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

"""Scans a table batch by batch, its columns side by side, while its reader goes on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from services.anonymize.scan_table import ColumnScan, Finding

# Most of a scan is patterns that Arrow runs without the lock; the smallest machine has two cores.
THREADS = 2


class BatchScan:
    """Every column's findings. A batch is scanned while the next one is read and the last is written."""

    def __init__(self, names: Sequence[str]) -> None:
        self._scans = [ColumnScan(name) for name in names]
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="scan")
        self._under_way: list[Future[None]] = []

    def close(self) -> None:
        """Looks at nothing more."""
        self._pool.shutdown(cancel_futures=True)

    def see(self, batch: pa.RecordBatch, first_row: int) -> None:
        """Takes the next batch, whose first row is `first_row` (from 0). Raises what the scan of the
        batch before it raised."""
        self._wait()
        columns = zip(self._scans, batch.columns, strict=True)
        self._under_way = [self._pool.submit(scan.see, cells, first_row) for scan, cells in columns]

    def findings(self) -> list[Finding]:
        """Of all batches, in the columns' order."""
        self._wait()
        return [finding for scan in self._scans for finding in scan.findings()]

    def _wait(self) -> None:
        for one in self._under_way:
            one.result()

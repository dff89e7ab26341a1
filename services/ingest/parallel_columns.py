"""Work on columns side by side, and on the next batch while this one is under work.

Arrow's kernels let other threads run; two keep two processors busy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class ColumnThreads:
    """Two threads, for as long as it is entered."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="columns")

    def __enter__(self) -> ColumnThreads:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def map(self, work: Callable[[T], R], columns: Iterable[T]) -> list[R]:
        """`work` done to every column, results in order."""
        return list(self._pool.map(work, columns))


def ahead(batches: Iterator[T]) -> Iterator[T]:
    """The same batches, the next one fetched meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch

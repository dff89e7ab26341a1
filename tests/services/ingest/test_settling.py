"""When a reading is settled, and what a number declared without a decimal mark takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pytest

from services.ingest.column_types import UTC, Reading, declared_reading
from services.ingest.header_names import NamedColumn
from services.ingest.parallel_columns import ColumnThreads
from services.ingest.settle_types import Settling
from services.ingest.source_table import NO_HINTS, Batch, Dropped, SourceFacts
from services.ingest.text_casts import cast_any_decimal
from shared.card_parts import SchemaField

MANY = 50


class _Moments:
    """Batches of one column, counted as they are asked for; the first holds nothing."""

    headers = ("releve_a",)
    facts = SourceFacts(format="csv")
    warnings = ()
    typed = False
    crs: str | None = None

    def __init__(self, moment: str) -> None:
        self.dropped = Dropped()
        self.given = 0
        self._moment = moment

    def batches(self, plain: Mapping[int, Reading] = NO_HINTS) -> Iterator[Batch]:
        for at in range(MANY):
            self.given += 1
            cells = pa.array([self._moment if at else None], pa.string())
            yield Batch(np.array([at], np.int64), (cells,))

    def lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        return {at: at + 2 for at in ordinals}


@pytest.mark.parametrize(
    ("moment", "arrow"),
    [("2026-03-01T10:00:00", pa.timestamp("us")), ("2026-03-01T10:00:00Z", UTC)],
    ids=["local", "utc"],
)
def test_the_first_moment_is_enough(moment: str, arrow: pa.DataType) -> None:
    """A batch without a value settles nothing, the first one with a value does."""
    source = _Moments(moment)
    named = [
        NamedColumn(
            1, "releve_a", declared=True, field=SchemaField(name="releve_a", type="datetime")
        )
    ]
    batches = source.batches()
    with ColumnThreads() as threads:
        settling = Settling(source, named, None, threads, 1)
        while not settling.settled:
            settling.feed(next(batches))
    assert settling.columns()[0].reading.arrow == arrow
    assert source.given == 2


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["3,25", None, "4.5"], [3.25, None, 4.5]),
        (["-0,5", "1,5E3", "007,5", "+2,5"], [-0.5, 1500.0, 7.5, 2.5]),
        (["1,234.5"], None),
        (["1,2,3"], None),
        (["12 345,5"], None),
        (["inf", "1,5"], None),
        (["1234567890123456,5"], None),
    ],
    ids=["either mark", "forms", "both marks", "two commas", "grouped", "infinite", "too long"],
)
def test_either_decimal_mark(cells: list[str | None], values: list[float | None] | None) -> None:
    """Without tidying, and to the same values as with it."""
    text = pa.array(cells, pa.string())
    found = cast_any_decimal(text)
    assert (None if found is None else found.to_pylist()) == values
    if values is not None:
        reading = declared_reading(SchemaField(name="mesure", type="number"), None)
        tidied = reading.cast(reading.tidy(text))
        assert tidied is not None
        assert tidied.to_pylist() == values

"""What a column looks like without its values: how many nulls, how long its texts are."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.text_tidying import short_years, units

# Counted up to here: more are told apart by nobody, and cost memory.
DISTINCT = 10_000


class ColumnProfile:
    """Counts over all batches of a column."""

    def __init__(self, *, declared: bool = False) -> None:
        self._declared = declared
        self._units: frozenset[str] = frozenset()
        self._nulls = 0
        self._marked = 0
        self._shortest: int | None = None
        self._longest: int | None = None
        self._distinct: pa.Array | None = None
        self._many = False
        self.short_years = 0

    def feed(self, values: pa.Array, raw: pa.Array) -> None:
        """`values` as they go on, `raw` as the source has them."""
        self._nulls += values.null_count
        self._marked += values.null_count - raw.null_count
        if pa.types.is_string(raw.type) and pa.types.is_temporal(values.type):
            self.short_years += short_years(raw)
        if self._declared and pa.types.is_string(raw.type) and _is_number(values.type):
            self._units |= units(raw)
        self._count(values)
        if not pa.types.is_string(values.type):
            return
        lengths = pc.min_max(pc.utf8_length(values)).as_py()
        if lengths["min"] is not None:
            low, high = self._shortest, self._longest
            self._shortest = lengths["min"] if low is None else min(low, lengths["min"])
            self._longest = lengths["max"] if high is None else max(high, lengths["max"])

    @property
    def units(self) -> int:
        """How many units the numbers carry; only those of a declared type carry any."""
        return len(self._units)

    def _count(self, values: pa.Array) -> None:
        if self._many or pa.types.is_binary(values.type):
            return
        fresh = pc.unique(values.drop_null())
        if self._distinct is not None:
            fresh = pc.unique(pa.concat_arrays([self._distinct, fresh]))
        self._distinct = fresh
        if len(fresh) > DISTINCT:
            self._many, self._distinct = True, None

    def facts(self) -> dict[str, int]:
        """`nulls`, of which `blank_or_marked` were blanks or null markers; lengths in characters;
        `distinct` values, or `distinct_over` that many. No value itself."""
        facts = {
            "nulls": self._nulls,
            "blank_or_marked": self._marked or None,
            "distinct": None if self._distinct is None else len(self._distinct),
            "distinct_over": DISTINCT if self._many else None,
            "min_length": self._shortest,
            "max_length": self._longest,
        }
        return {name: value for name, value in facts.items() if value is not None}


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))

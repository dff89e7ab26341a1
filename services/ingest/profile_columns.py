"""What a column looks like without its values: how many nulls, how long its texts are."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.text_tidying import short_years


class ColumnProfile:
    """Counts over all batches of a column."""

    def __init__(self) -> None:
        self._nulls = 0
        self._marked = 0
        self._shortest: int | None = None
        self._longest: int | None = None
        self.short_years = 0

    def feed(self, values: pa.Array, raw: pa.Array) -> None:
        """`values` as they go on, `raw` as the source has them."""
        self._nulls += values.null_count
        self._marked += values.null_count - raw.null_count
        if pa.types.is_string(raw.type) and pa.types.is_temporal(values.type):
            self.short_years += short_years(raw)
        if not pa.types.is_string(values.type):
            return
        lengths = pc.min_max(pc.utf8_length(values)).as_py()
        if lengths["min"] is not None:
            low, high = self._shortest, self._longest
            self._shortest = lengths["min"] if low is None else min(low, lengths["min"])
            self._longest = lengths["max"] if high is None else max(high, lengths["max"])

    def facts(self) -> dict[str, int]:
        """`nulls`, of which `blank_or_marked` were blanks or null markers; lengths in characters."""
        facts = {
            "nulls": self._nulls,
            "blank_or_marked": self._marked or None,
            "min_length": self._shortest,
            "max_length": self._longest,
        }
        return {name: value for name, value in facts.items() if value is not None}

"""Values as text formats write them: ISO 8601 moments, no number that is none, JSON records."""

from __future__ import annotations

import polars as pl


def finite(batch: pl.DataFrame) -> pl.DataFrame:
    """The batch with null where a number is not finite."""
    floats = [name for name, kind in batch.schema.items() if kind in (pl.Float32, pl.Float64)]
    return batch.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats
    )


def dated(batch: pl.DataFrame) -> pl.DataFrame:
    """The batch with moments as ISO 8601 text; those in UTC say so."""
    return batch.with_columns(
        pl.col(name).dt.to_string(f"%Y-%m-%dT%H:%M:%S%.f{'Z' if kind.time_zone else ''}")
        for name, kind in batch.schema.items()
        if isinstance(kind, pl.Datetime)
    )


def jsonable(batch: pl.DataFrame) -> pl.DataFrame:
    """The batch as Polars' JSON writer is to see it."""
    times = [name for name, kind in batch.schema.items() if kind == pl.Time]
    return dated(finite(batch)).with_columns(
        pl.col(name).dt.to_string("%H:%M:%S") for name in times
    )

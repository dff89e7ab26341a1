"""Values as text formats write them: ISO 8601 moments, no number that is none, JSON records."""

from __future__ import annotations

import polars as pl

from services.convert.column_names import cells_of


def finite(batch: pl.DataFrame) -> pl.DataFrame:
    """The batch with null where a number is not finite."""
    floats = [name for name, kind in batch.schema.items() if kind in (pl.Float32, pl.Float64)]
    return batch.with_columns(
        pl.when(cells_of(name).is_finite()).then(cells_of(name)).alias(name) for name in floats
    )


def dated(batch: pl.DataFrame) -> pl.DataFrame:
    """The batch with moments and times as ISO 8601 text, shares of a second included; moments in UTC
    say so."""
    forms = {
        name: "%H:%M:%S%.f" if kind == pl.Time else f"%Y-%m-%dT%H:%M:%S%.f{_zone(kind)}"
        for name, kind in batch.schema.items()
        if kind == pl.Time or isinstance(kind, pl.Datetime)
    }
    return batch.with_columns(cells_of(name).dt.to_string(form) for name, form in forms.items())


def _zone(kind: pl.DataType) -> str:
    return "Z" if getattr(kind, "time_zone", None) else ""


def jsonable(batch: pl.DataFrame) -> pl.DataFrame:
    """The batch as Polars' JSON writer is to see it."""
    return dated(finite(batch))

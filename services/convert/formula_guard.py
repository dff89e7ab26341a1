"""Makes harmless in CSV what a spreadsheet would run as a formula (OWASP, CSV injection).

A text that begins with = + - @, a tab or a line break (or their full-width forms) gets an apostrophe
before it. A text that is a number, such as -5 or +3.2, stays: it is a value, and runs nothing.
"""

from __future__ import annotations

import polars as pl

TRIGGER = r"^[=+\-@\t\r\n＝＋－＠]"
NUMBER = r"^[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?$"


def risky(column: str) -> pl.Expr:
    """Whether a text cell would run as a formula."""
    text = pl.col(column)
    return (text.str.contains(TRIGGER) & ~text.str.contains(NUMBER)).fill_null(value=False)


def guarded(column: str) -> pl.Expr:
    """The column with an apostrophe before what would run."""
    return (
        pl.when(risky(column))
        .then(pl.concat_str(pl.lit("'"), pl.col(column)))
        .otherwise(pl.col(column))
        .alias(column)
    )

"""Makes harmless in CSV what a spreadsheet would run as a formula (OWASP, CSV injection).

A text that begins with = + - @, a tab or a line break (or their full-width forms) gets an apostrophe
before it. A text that is a number, such as -5 or +3.2, stays: it is a value, and runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import polars as pl

from services.convert.column_names import cells_of

TRIGGER = r"^[=+\-@\t\r\n＝＋－＠]"
NUMBER = r"^[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?$"


def begins(column: str) -> pl.Expr:
    """Whether a text cell begins like a formula."""
    return cells_of(column).str.contains(TRIGGER).fill_null(value=False)


def risky(column: str) -> pl.Expr:
    """Whether a text cell would run as a formula."""
    return begins(column) & ~cells_of(column).str.contains(NUMBER).fill_null(value=False)


def guarded(column: str) -> pl.Expr:
    """The column with an apostrophe before what would run."""
    return (
        pl.when(risky(column))
        .then(pl.concat_str(pl.lit("'"), cells_of(column)))
        .otherwise(cells_of(column))
        .alias(column)
    )


def guarded_headers(names: Iterable[str]) -> dict[str, str]:
    """The names of a CSV's columns: those that would run get an apostrophe, and all stay different."""
    given = list(names)
    headers: dict[str, str] = {}
    for name in given:
        header = name
        if re.search(TRIGGER, name) and not re.fullmatch(NUMBER.strip("^$"), name):
            header = f"'{name}"
            while header in given or header in headers.values():
                header = f"'{header}"
        headers[name] = header
    return headers

"""Checks a GeoPackage's table before GDAL reads it: of a value that is not of its column's type, or
does not fit it, GDAL makes 0, null, or another number, and a column of a type that is none of the
format's (OGC 12-128r19, table 1) it leaves out.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.ingest.gdal_layers import GEOMETRY, Layer
from shared.failures import Quarantined
from shared.messages import Reason


def _past(bits: int) -> str:
    """What is no integer, or one that so many bits and a sign do not hold."""
    return (
        "{0} is not null and (typeof({0}) is not 'integer'"
        f" or {{0}} not between {-(1 << bits)} and {(1 << bits) - 1})"
    )


# Of GeoPackage's types (OGC 12-128r19, table 1) what SQLite, which keeps any value in any column, may
# hold there, and what it must not: GDAL makes 0, or null, of the latter.
_WRONG = {
    "BOOLEAN": ("boolean", "{0} is not null and {0} not in (0, 1)"),
    "TINYINT": ("integer", _past(15)),
    "SMALLINT": ("integer", _past(15)),
    "MEDIUMINT": ("integer", _past(31)),
    "INT": ("integer", "typeof({0}) not in ('integer', 'null')"),
    "INTEGER": ("integer", "typeof({0}) not in ('integer', 'null')"),
    "FLOAT": ("number", "typeof({0}) not in ('integer', 'real', 'null')"),
    "DOUBLE": ("number", "typeof({0}) not in ('integer', 'real', 'null')"),
    "REAL": ("number", "typeof({0}) not in ('integer', 'real', 'null')"),
    "TEXT": ("string", "typeof({0}) is 'blob'"),
    "DATE": ("date", "{0} is not null and date(julianday({0})) is not {0}"),
    "DATETIME": ("datetime", "{0} is not null and date(julianday({0})) is not substr({0}, 1, 10)"),
}


def check_geopackage(path: Path, layer: Layer) -> NDArray[np.bool_] | None:
    """Of each row, in order, whether it has a geometry: GDAL gives null for bytes that are none. None
    where the layer has no such column.

    Raises Quarantined, with the column's position: `type_mismatch` with the first row's rank for a
    value that is not of its column's type, `nul_character`, `column_unreadable` for one that GDAL
    leaves out; `geo_unreadable`."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
            database.execute("PRAGMA trusted_schema=OFF")
            return _check(database, layer)
    except (sqlite3.Error, UnicodeDecodeError):
        raise Quarantined(Reason(code="geo_unreadable")) from None


def _check(database: sqlite3.Connection, layer: Layer) -> NDArray[np.bool_] | None:
    columns = database.execute(f"PRAGMA table_info({_quoted(layer.name)})").fetchall()
    shapes = database.execute(
        "select lower(column_name) from gpkg_geometry_columns where lower(table_name) = lower(?)",
        (layer.name,),
    ).fetchall() if GEOMETRY in layer.columns else []  # fmt: skip
    for at, name, declared, _, _, key in columns:
        if name not in layer.columns:
            if not key and (name.lower(),) not in shapes:
                raise Quarantined(Reason(code="column_unreadable", position=at + 1))
            continue
        position = layer.columns.index(name) + 1
        kind = str(declared).upper().partition("(")[0]
        if kind == "TEXT":
            _, line, _ = _first(database, layer, name, "instr({0}, char(0)) > 0")
            if line:
                raise Quarantined(Reason(code="nul_character", position=position, line=line))
        if kind in _WRONG:
            expected, wrong = _WRONG[kind]
            count, line, found = _first(database, layer, name, wrong)
            if count:
                raise Quarantined(
                    Reason(
                        code="type_mismatch", position=position, line=line, count=count,
                        expected=expected, found="number_too_large" if found == "integer" else "text",
                    )
                )  # fmt: skip
    if not shapes:
        return None
    table, column = _quoted(layer.name), _quoted(shapes[0][0])
    there = database.execute(f"select {column} is not null from {table} order by rowid")  # noqa: S608 - quoted
    return np.fromiter((one for (one,) in there), bool)


def _first(
    database: sqlite3.Connection, layer: Layer, name: str, condition: str
) -> tuple[int, int, str]:
    """How many rows are so, the rank of the first, and SQLite's type of its value."""
    table, column = _quoted(layer.name), _quoted(name)
    where = condition.format(column)
    count, first = database.execute(
        f"select count(*), min(rowid) from {table} where {where}"  # noqa: S608 - quoted
    ).fetchone()
    if not count:
        return 0, 0, ""
    rank, found = database.execute(
        f"select (select count(*) from {table} where rowid <= ?1),"  # noqa: S608 - quoted
        f" typeof({column}) from {table} where rowid = ?1",
        (first,),
    ).fetchone()
    return count, rank, found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

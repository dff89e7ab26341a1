"""What databases other than PostgreSQL are told before a card's query, and what their errors mean.

PostgreSQL and SQLite are tested for real; MySQL and MariaDB by what they are told alone.
"""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

from psycopg.abc import Buffer
from psycopg.errors import DataError
from psycopg.types.datetime import DateLoader, TimeLoader, TimestampLoader, TimestamptzLoader
from psycopg.types.json import set_json_loads
from psycopg.types.string import TextLoader
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from services.ingest.download import away
from shared.failures import EcluseError, Quarantined
from shared.messages import Reason

_SQLITE_STEPS = 1000  # of its virtual machine, between two looks at the clock
_SQLITE_AWAY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_IOERR")
# Server error codes; 2000 to 2999 are the client's: no connection, or a lost one.
_MYSQL_SLOW, _MYSQL_REFUSED = frozenset({1969, 3024}), frozenset({1044, 1045, 1142})

# Read as PostgreSQL writes them: Python's forms say less (a month is no 30 days, a time of day has
# its offset).
_AS_WRITTEN = ("interval", "timetz")


def _or_text(kind: Any) -> Any:
    """A loader that reads `infinity`, 44 BC and 24:00 as PostgreSQL writes them: Python has none."""

    def load(self: Any, data: Buffer) -> object:
        try:
            return kind.load(self, data)
        except DataError:
            return bytes(data).decode("ascii")

    return type(kind.__name__, (kind,), {"load": load})


def _json(text: str | bytes) -> object:
    """JSON with every digit of its numbers; as written where a name comes twice in an object."""
    try:
        return json.loads(text, parse_float=Decimal, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        return text if isinstance(text, str) else text.decode()


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError
    return dict(pairs)


_MOMENTS = {
    "date": _or_text(DateLoader),
    "time": _or_text(TimeLoader),
    "timestamp": _or_text(TimestampLoader),
    "timestamptz": _or_text(TimestamptzLoader),
}


def statements(dialect: str, seconds: float) -> tuple[str, ...]:
    """What makes the session read only, and a statement end in time."""
    match dialect:
        case "sqlite":
            return ("PRAGMA query_only = ON",)
        case "mysql":
            limit = f"SET SESSION max_execution_time = {int(seconds * 1000)}"
            return (limit, "SET SESSION TRANSACTION READ ONLY")
        case "mariadb":
            limit = f"SET SESSION max_statement_time = {seconds:g}"
            return (limit, "SET SESSION TRANSACTION READ ONLY")
        case _:
            return ()


def bind(connection: Connection, seconds: float) -> None:
    """Makes the session read only and bounds its statements, as far as the database can."""
    for one in statements(connection.dialect.name, seconds):
        connection.exec_driver_sql(one)
    if connection.dialect.driver == "psycopg":
        _read_whole(connection.connection.driver_connection)
    if connection.dialect.name == "sqlite":
        deadline = time.monotonic() + seconds
        raw = connection.connection.driver_connection
        if raw is not None:
            raw.set_progress_handler(lambda: time.monotonic() > deadline, _SQLITE_STEPS)


def _read_whole(driver: Any) -> None:
    """Loses nothing of what psycopg would read as less than it is."""
    for name in _AS_WRITTEN:
        driver.adapters.register_loader(name, TextLoader)
    set_json_loads(_json, driver)
    for name, loader in _MOMENTS.items():
        driver.adapters.register_loader(name, loader)


def meaning(error: DBAPIError) -> EcluseError | None:
    """What an error of SQLite, MySQL or MariaDB means, by its code; None for others."""
    name = getattr(error.orig, "sqlite_errorname", None)
    if isinstance(name, str):
        if name == "SQLITE_INTERRUPT":
            return away("too slow")
        if name.startswith(_SQLITE_AWAY):
            return away("SQL")
        return Quarantined(Reason(code="query_failed", detail=name))
    code = error.orig.args[0] if error.orig is not None and error.orig.args else None
    if not isinstance(code, int):
        return None
    if code in _MYSQL_SLOW:
        return away("too slow")
    if 2000 <= code < 3000:
        return away("SQL")
    if code in _MYSQL_REFUSED:
        return Quarantined(Reason(code="account_refused"))
    return Quarantined(Reason(code="query_failed", detail=f"error {code}"))

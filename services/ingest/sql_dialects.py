"""What databases other than PostgreSQL are told before a card's query, and what their errors mean.

PostgreSQL and SQLite are tested for real; MySQL and MariaDB by what they are told alone.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from services.ingest.download import away
from shared.failures import EcluseError, Quarantined
from shared.messages import Reason

_SQLITE_STEPS = 1000  # of its virtual machine, between two looks at the clock
_SQLITE_AWAY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_IOERR")
# Server error codes; 2000 to 2999 are the client's: no connection, or a lost one.
_MYSQL_SLOW, _MYSQL_REFUSED = frozenset({1969, 3024}), frozenset({1044, 1045, 1142})


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
    if connection.dialect.name == "sqlite":
        deadline = time.monotonic() + seconds
        raw = connection.connection.driver_connection
        if raw is not None:
            raw.set_progress_handler(lambda: time.monotonic() > deadline, _SQLITE_STEPS)


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

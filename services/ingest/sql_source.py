"""Runs a card's SELECT on a declared database, its rows kept as a Parquet file: that is the source.

In a transaction that cannot write, within a time, by a cursor of the server: memory stays flat. The
same rows in the same order give the same bytes, so a query without ORDER BY makes releases that
differ for no reason.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InvalidRequestError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.pool import NullPool

from services.ingest.accounts import Database
from services.ingest.cell_text import as_text
from services.ingest.download import Fetched, away
from services.ingest.json_text import json_text
from services.ingest.read_limits import ReadLimits
from services.ingest.sql_dialects import bind, meaning
from services.ingest.staged_rows import Scalar, StagedRows
from shared.failures import Quarantined
from shared.messages import Reason
from shared.settings import Settings

ROWS = 5000
# SQLSTATE classes: connection, resources, operator's intervention; a statement that took too long.
_AWAY = ("08", "53", "57")
_TOO_SLOW = "57014"


async def from_database(database: Database, query: str, to: Path, settings: Settings) -> Fetched:
    """The query's rows, written to `to`.

    Raises Quarantined: `query_failed`, `account_refused`, `account_unknown`, `source_too_large`,
    `header_twice`; SourceAway when the database is, or the query takes too long.
    """
    return await asyncio.to_thread(_run, database.address(), query, to, settings)


def _run(url: str, query: str, to: Path, settings: Settings) -> Fetched:
    staged = StagedRows(to.with_suffix(".rows"), ReadLimits())
    try:
        engine = create_engine(
            make_url(url), poolclass=NullPool, connect_args=_connect_args(url, settings)
        )
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError):
        raise Quarantined(Reason(code="account_unknown", detail="database")) from None
    try:
        with engine.connect() as connection:
            _read(connection, query, staged, settings)
    except DBAPIError as error:
        raise _failure(error) from None
    except InvalidRequestError:
        raise Quarantined(Reason(code="query_failed", detail="no rows")) from None
    finally:
        engine.dispose()
    staged.close()
    _write(staged, to)
    with to.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    staged.remove()
    return Fetched(to, to.stat().st_size, digest)


def _connect_args(url: str, settings: Settings) -> dict[str, Any]:
    if not make_url(url).drivername.startswith("postgresql"):
        return {}
    milliseconds = int(settings.query_seconds * 1000)
    told = ("default_transaction_read_only=on", f"statement_timeout={milliseconds}")
    options = " ".join(f"-c {one}" for one in (*told, "client_encoding=UTF8"))
    return {"options": options, "connect_timeout": 30}


def _read(connection: Connection, query: str, staged: StagedRows, settings: Settings) -> None:
    # Without parameters a `%` is the query's own: LIKE 'a%'.
    told = connection.execution_options(stream_results=True, yield_per=ROWS, no_parameters=True)
    if connection.dialect.name == "postgresql":
        told = told.execution_options(postgresql_readonly=True)
    bind(connection, settings.query_seconds)
    result = told.exec_driver_sql(query)
    names = list(result.keys())
    if len(set(names)) != len(names):
        raise Quarantined(Reason(code="header_twice", detail="query"))
    staged.declare(names)
    # A statement's own time begins anew with every batch that is fetched.
    weight, deadline = 0, time.monotonic() + settings.source_timeout_seconds
    for rows in result.partitions(ROWS):
        for row in rows:
            cells = [_cell(cell) for cell in row]
            texts = (len(cell) for cell in cells if isinstance(cell, str | bytes))
            weight += sum(texts) + 8 * len(cells)
            staged.add(dict(zip(names, cells, strict=True)))
        if weight > settings.source_max_bytes:
            raise Quarantined(Reason(code="source_too_large", limit=settings.source_max_bytes))
        if time.monotonic() > deadline:
            raise away("too slow")


def _cell(cell: object) -> Scalar:
    if cell is None or isinstance(
        cell, bool | int | float | Decimal | str | dt.date | dt.datetime | dt.time
    ):
        return cell
    if isinstance(cell, bytes | memoryview):
        return bytes(cell)
    if isinstance(cell, list | dict | tuple):
        return json_text(cell)
    if isinstance(cell, dt.timedelta):
        return as_text(cell)
    return str(cell)  # an identifier (UUID), a network address, a range


def _write(staged: StagedRows, to: Path) -> None:
    batches = staged.batches()
    first = next(batches, None)
    schema = (
        first.schema if first is not None else pa.schema([(n, pa.null()) for n in staged.headers])
    )
    with pq.ParquetWriter(to, schema, compression="zstd") as writer:
        while first is not None:
            writer.write_batch(first)
            first = next(batches, None)


def _failure(error: DBAPIError) -> Exception:
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if not state and (known := meaning(error)) is not None:
        return known
    if state == _TOO_SLOW:
        return away("too slow")
    if state.startswith("28"):
        return Quarantined(Reason(code="account_refused"))
    if error.connection_invalidated or state.startswith(_AWAY):
        return away("SQL")
    if not state:
        # The driver's own word: of the connection, or of a query or value that it cannot carry.
        away_now = isinstance(error, OperationalError | InterfaceError)
        return (
            away("SQL") if away_now else Quarantined(Reason(code="query_failed", detail="driver"))
        )
    # 42601 and its like: a class of error of the standard, not the database's words.
    return Quarantined(Reason(code="query_failed", detail=f"SQLSTATE {state}"))

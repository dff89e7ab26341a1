"""One Kafka and one PostgreSQL per run; a prefix, a database and a store per test.

`ECLUSE_TEST_KAFKA` (bootstrap servers) and `ECLUSE_TEST_POSTGRES` (an owner's SQLAlchemy URL)
name servers that are there already. What cannot be had is an error, never a skip.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.kafka import LocalKafka
from deploy.local.postgres import LocalPostgres, PostgresServer
from tests.connected.town import Town
from tests.peers.udata_server import Udata


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Kafka."""
    if there := os.environ.get("ECLUSE_TEST_KAFKA"):
        yield there
        return
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server.bootstrap


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL."""
    if there := os.environ.get("ECLUSE_TEST_POSTGRES"):
        yield PostgresServer(there)
        return
    # Not under pytest's folder, which another run closes to the user that the server runs as.
    with (
        tempfile.TemporaryDirectory(prefix="ecluse-", ignore_cleanup_errors=True) as folder,
        LocalPostgres(Path(folder) / "postgres") as server,
    ):
        yield server


@pytest.fixture(scope="session")
def udata(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Udata]:
    """A real udata, in an environment of its own."""
    with Udata(tmp_path_factory.mktemp("udata")) as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The name of an empty database."""
    name = f"test_{secrets.token_hex(6)}"
    postgres.create_database(name)
    yield name
    postgres.drop_database(name)


@pytest.fixture
async def town(
    kafka: str, postgres: PostgresServer, database: str, tmp_path: Path
) -> AsyncIterator[Town]:
    """A city's installation of its own, prepared; no service runs yet."""
    town = Town(tmp_path, kafka, postgres, database)
    await town.prepare()
    yield town
    await town.stop()

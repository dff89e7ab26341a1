"""One Kafka, one PostgreSQL and one MinIO per run; a prefix, a database and a store per test.

`ECLUSE_TEST_KAFKA` (bootstrap servers), `ECLUSE_TEST_POSTGRES` (an owner's SQLAlchemy URL) and
`ECLUSE_TEST_S3_ENDPOINT`, `…_ACCESS_KEY`, `…_SECRET_KEY` (a MinIO's owner) name servers that are
there already. What cannot be had is an error, never a skip.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from deploy.local.kafka import LocalKafka
from deploy.local.minio import LocalMinio
from deploy.local.postgres import LocalPostgres, PostgresServer
from ecluse.migrate import migrate_all
from services.publish import tables
from shared.database import Database, open_engine
from shared.settings import Settings
from tests.connected.stores import Buckets, S3Server
from tests.connected.town import Town
from tests.peers.udata_server import Udata


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need servers come last, and of them those on MinIO: it may still be being built."""

    def late(item: pytest.Item) -> tuple[bool, bool]:
        connected = "connected" in item.path.parts
        return connected, connected and "minio" in item.nodeid

    items.sort(key=late)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure is told without garbage being collected meanwhile.

    What a failed town leaves behind may log a traceback when it is collected. Python 3.11 cannot parse
    source for that while it parses source for pytest's own, and the run would end with a SystemError.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


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
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real MinIO."""
    if there := os.environ.get("ECLUSE_TEST_S3_ENDPOINT"):
        told = (os.environ[f"ECLUSE_TEST_S3_{name}_KEY"] for name in ("ACCESS", "SECRET"))
        yield S3Server(there, *told)
        return
    with LocalMinio(tmp_path_factory.mktemp("minio")) as server:
        yield S3Server(server.endpoint, server.access_key, server.secret_key)


@pytest.fixture(scope="session")
def installation(minio: S3Server) -> Iterator[Buckets]:
    """Buckets and a user for each process, made by `ecluse store`."""
    made = Buckets.new(minio)
    made.set_up()
    yield made
    made.remove()


@pytest.fixture
def buckets(installation: Buckets) -> Buckets:
    """The buckets, empty."""
    installation.empty()
    return installation


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
async def publish(
    postgres: PostgresServer, database: str, tmp_path: Path
) -> AsyncIterator[Database]:
    """publish's database, empty."""
    settings = Settings.model_validate({"database": postgres.url(database), "spool": tmp_path})
    await asyncio.to_thread(migrate_all, settings)
    made = Database(open_engine(settings), tables.BOXES, settings, "publish")
    yield made
    await made.engine.dispose()


@pytest.fixture
async def town(
    kafka: str,
    postgres: PostgresServer,
    database: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Town]:
    """A city's installation of its own, prepared; no service runs yet.

    Its store is a folder, or MinIO (`tests/connected/stores.py`).
    """
    kind = getattr(request, "param", "folder")
    buckets: Buckets | None = request.getfixturevalue("buckets") if kind == "minio" else None
    town = Town(tmp_path, kafka, postgres, database, buckets)
    await town.prepare()
    yield town
    await town.stop()

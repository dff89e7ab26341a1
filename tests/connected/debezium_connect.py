"""A real Debezium in Kafka Connect, and a PostgreSQL that it can follow, each a child on loopback.

The connector's settings are those that docs/sending.md shows.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jgo
from sqlalchemy import make_url

from deploy.local.child import Child, free_port, serves
from deploy.local.kafka import java
from deploy.local.postgres import LocalPostgres
from tests.services.ingest_doors.client_desk import examples

DEBEZIUM = "3.6.1.Final"
# Of the Kafka that Debezium is built for: with a later one it lacks classes.
CONNECT = "4.3.0"
ARTIFACTS = (
    f"org.apache.kafka:connect-runtime:{CONNECT}",
    f"org.apache.kafka:connect-json:{CONNECT}",
    f"org.apache.kafka:kafka-clients:{CONNECT}",
    f"io.debezium:debezium-connector-postgres:{DEBEZIUM}",
    f"io.debezium:debezium-api:{DEBEZIUM}",
    # As old as the interface that Debezium brings.
    "org.slf4j:slf4j-simple:1.7.36",
)
START_SECONDS = 180.0


@asynccontextmanager
async def followed_database(
    folder: Path, database: str
) -> AsyncIterator[tuple[LocalPostgres, int]]:
    """A server that writes its log for logical decoding, with an empty database, and a port of
    loopback where it is found: its own door is a socket in its folder, which JDBC cannot open."""
    with LocalPostgres(folder) as server:
        server.run_sql("postgres", "alter system set wal_level = 'logical'")
        server.stop()
        server.start()
        server.create_database(database)
        socket = Path(str(make_url(server.url()).query["host"])) / ".s.PGSQL.5432"
        doors = await asyncio.start_server(
            lambda inward, outward: _through(inward, outward, socket), "127.0.0.1", 0
        )
        async with doors:
            yield server, doors.sockets[0].getsockname()[1]


async def _through(
    inward: asyncio.StreamReader, outward: asyncio.StreamWriter, socket: Path
) -> None:
    answers, asks = await asyncio.open_unix_connection(str(socket))
    await asyncio.gather(_pass(inward, asks), _pass(answers, outward))


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    except ConnectionError:
        pass
    finally:
        target.close()


def shown_connector() -> dict[str, str]:
    """The connector's settings as the page for domains shows them."""
    [text] = examples("properties", "PostgresConnector")
    pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
    return {name: value for name, _, value in pairs}


class Connect:
    """Kafka Connect, alone, with one connector."""

    def __init__(self, folder: Path, kafka: str, connector: dict[str, str]) -> None:
        folder.mkdir()
        self._folder, self._port = folder, free_port()
        worker = {
            "bootstrap.servers": kafka,
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "offset.storage.file.filename": str(folder / "offsets"),
            "offset.flush.interval.ms": "1000",
            "listeners": f"http://127.0.0.1:{self._port}",
        }
        self._files = [_properties(folder / "worker", worker), _properties(folder / "c", connector)]
        self._state = f"http://127.0.0.1:{self._port}/connectors/{connector['name']}/status"
        self._server = Child("Kafka Connect", folder / "connect.log")

    async def start(self) -> None:
        """Starts it and waits until it knows its connector. Raises LocalStackError."""
        tuning = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        program = "org.apache.kafka.connect.cli.ConnectStandalone"
        argv: list[str | Path] = [
            java(),
            *tuning,
            quiet,
            "-cp",
            _class_path(),
            program,
            *self._files,
        ]
        await asyncio.to_thread(
            self._server.start, argv, lambda: serves(self._state), START_SECONDS
        )

    async def stop(self) -> None:
        """Stops it in order."""
        await asyncio.to_thread(self._server.stop)

    def log(self) -> str:
        """What it printed."""
        return (self._folder / "connect.log").read_text(errors="replace")


def _properties(path: Path, told: dict[str, str]) -> Path:
    path.write_text("".join(f"{name}={value}\n" for name, value in told.items()), encoding="utf-8")
    return path


def _class_path() -> str:
    environment = jgo.build("+".join(ARTIFACTS))
    return os.pathsep.join(map(str, sorted(Path(environment.path).glob("*/*.jar"))))

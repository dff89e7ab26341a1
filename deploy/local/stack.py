"""Broker, database and every service on one machine, each service with its own credential."""

from __future__ import annotations

import secrets
import socket
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local.child import free_port
from deploy.local.kafka import LocalKafka
from deploy.local.postgres import LocalPostgres
from deploy.local.processes import ProcessGroup

ROLES_SQL = Path(__file__).parents[1] / "postgres" / "roles.sql"
SERVICES = ("portal", "publish", "notify", "convert", "anonymize", "ingest")
# Who needs the database, and as whom.
DATABASE_ROLES = {
    "anonymize": "ecluse_anonymize",
    "publish": "ecluse_publish",
    "notify": "ecluse_notify",
    "portal": "ecluse_portal",
}


def port_near(wanted: int) -> int:
    """The wanted port if nothing listens there, else a free one."""
    with socket.socket() as probe:
        return free_port() if probe.connect_ex(("127.0.0.1", wanted)) == 0 else wanted


class LocalStack:
    """Everything under one folder; stopped in order, nothing else touched."""

    def __init__(self, folder: Path, *, database: str = "ecluse") -> None:
        self.folder = folder.resolve()
        self.kafka = LocalKafka(self.folder / "kafka")
        self.postgres = LocalPostgres(self.folder / "postgres")
        self.processes = ProcessGroup(self.folder / "logs")
        self._database = database
        self.ports: dict[str, int] = {}
        self.env: dict[str, str] = {}

    def start_servers(self) -> None:
        """Kafka and PostgreSQL, side by side."""
        with ThreadPoolExecutor(2) as both:
            # The child watches the thread that made it: Kafka is started from this one.
            postgres = both.submit(self.postgres.start)
            self.kafka.start()
            postgres.result()
        self.postgres.create_database(self._database)

    def configure(self, **more: str) -> dict[str, str]:
        """The settings of all processes, as environment variables; `more` without prefix."""
        wanted = {"portal": 8100, "ingest": 8101, "anonymize": 8102, "convert": 8103,
                  "publish": 8104, "notify": 8105, "portal_metrics": 8110}  # fmt: skip
        self.ports = {name: port_near(port) for name, port in wanted.items()}
        told = {
            **{f"{name}_port": str(port) for name, port in self.ports.items()},
            "kafka": self.kafka.bootstrap,
            "store": str(self.folder / "store"),
            "spool": str(self.folder / "spool"),
            "public_url": self.url("portal"),
            "admin_url": self.url("publish"),
            "changes_url": self.url("ingest"),
            "partitions": "2",
            "session_timeout_seconds": "10",
            "retry_seconds": "0.5",
            "drop_poll_seconds": "1",
            "clock_seconds": "0.5",
            "city_secret": secrets.token_hex(32),
            **more,
        }
        self.env = {f"ECLUSE_{name.upper()}": value for name, value in told.items()}
        return self.env

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def database_url(self, role: str | None = None) -> str:
        """The database's address, as its owner or a role."""
        return self.postgres.url(self._database, role)

    def grant(self) -> None:
        """Makes the roles and what they may do. After the migrations."""
        self.postgres.run_sql(self._database, ROLES_SQL.read_text(encoding="utf-8"))

    def start_services(self, names: Iterable[str] = SERVICES) -> None:
        """Starts the services and waits until each is ready."""
        started = list(names)
        for name in started:
            self.start_service(name)
        for name in started:
            self.wait_service(name)

    def start_service(self, name: str) -> None:
        env = dict(self.env)
        # Each process gets what it needs: only those with a role know the database.
        if role := DATABASE_ROLES.get(name):
            env["ECLUSE_DATABASE"] = self.database_url(role)
        if name != "ingest":
            env.pop("ECLUSE_CITY_SECRET", None)
        argv = [sys.executable, "-m", "ecluse.cli", "serve", name]
        self.processes.start(name, argv, env)

    def wait_service(self, name: str) -> None:
        port = self.ports["portal_metrics" if name == "portal" else name]
        self.processes.wait_ready(name, f"http://127.0.0.1:{port}/ready")

    def stop(self) -> None:
        """Services first, then the servers."""
        self.processes.stop_all()
        self.kafka.stop()
        self.postgres.stop()

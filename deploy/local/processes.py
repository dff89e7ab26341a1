"""Child processes with names: started in order, watched, stopped in reverse."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.child import LocalStackError, end, serves, spawn, wait_until

GRACE_SECONDS = 15.0


class ProcessGroup:
    """What this process started, and nothing else."""

    def __init__(self, log_dir: Path) -> None:
        self._logs = log_dir
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        log_dir.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Starts a process; its output goes to `<name>.log`."""
        self._running[name] = spawn(argv, self._logs / f"{name}.log", env)

    @property
    def pids(self) -> dict[str, int]:
        """The processes that were started and not stopped."""
        return {name: process.pid for name, process in self._running.items()}

    def wait_ready(self, name: str, url: str, seconds: float = 120) -> None:
        """Waits until the process says it is ready. Raises LocalStackError."""

        def ready() -> bool:
            self.check()
            return serves(url)

        wait_until(ready, seconds, f"{name} is not ready: see {self._logs / f'{name}.log'}")

    def check(self) -> None:
        """Raises LocalStackError if one has died, with the end of its log."""
        for name, process in self._running.items():
            if process.poll() is not None:
                tail = (self._logs / f"{name}.log").read_text(errors="replace")[-2000:]
                raise LocalStackError(f"{name} stopped by itself ({process.returncode}):\n{tail}")

    def stop(self, name: str) -> None:
        """Stops one process in order."""
        end(self._running.pop(name), GRACE_SECONDS)

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
            end(process, GRACE_SECONDS)
        self._running.clear()

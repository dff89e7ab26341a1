"""Child processes on loopback: a free port, a start, a wait until it serves, an end in order."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

GRACE_SECONDS = 20.0
LOOK_SECONDS = 0.05
_PDEATHSIG = 1


class LocalStackError(RuntimeError):
    """A server could not be had; the text says what to install or where to look."""


def free_port() -> int:
    """A port on loopback that nothing listens on now.

    Below those that the system gives to outgoing connections (32768 on Linux, 49152 by RFC 6335): one
    of those could be taken before a server has bound it.
    """
    while True:
        port = 15_000 + secrets.randbelow(15_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def environment() -> dict[str, str]:
    """This process's environment, to hand on to a child."""
    return dict(os.environ)


def listens(port: int) -> bool:
    """Whether something takes connections on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def serves(url: str) -> bool:
    """Whether an address on loopback answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Looks until a condition holds. Raises LocalStackError with `otherwise` after so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LocalStackError(otherwise)
        time.sleep(LOOK_SECONDS)


def spawn(
    argv: Sequence[str | Path],
    log: Path,
    env: Mapping[str, str] | None = None,
    *,
    told: bool = False,
) -> subprocess.Popen[bytes]:
    """Starts a program that goes when this process does; what it prints goes to the end of `log`.

    `env` is added to this process's environment. `told`: its standard output is a pipe instead.
    """
    with log.open("ab") as prints:
        return subprocess.Popen(
            argv,
            env=environment() | dict(env or {}),
            stdout=subprocess.PIPE if told else prints,
            stderr=prints,
            stdin=subprocess.DEVNULL,
            # Ctrl-C in the terminal is for the parent, which stops its children in order.
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call
        )


def end(process: subprocess.Popen[bytes], seconds: float = GRACE_SECONDS) -> None:
    """Stops a process in order; kills it after so long."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Child:
    """One server at a time. It can be stopped, killed, and started again."""

    def __init__(self, name: str, log: Path) -> None:
        self._name, self._log = name, log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id. Raises LocalStackError if it does not run."""
        if self._process is None:
            raise LocalStackError(f"{self._name} is not running")
        return self._process.pid

    def start(
        self,
        argv: Sequence[str | Path],
        serving: Callable[[], bool],
        seconds: float,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Starts it and waits until it is `serving`. Raises LocalStackError."""
        process = self._process = spawn(argv, self._log, env)
        # One that has ended will not serve; that is found out below.
        failure = f"{self._name} did not start: see {self._log}"
        wait_until(lambda: process.poll() is not None or serving(), seconds, failure)
        if process.poll() is not None:
            raise LocalStackError(failure)

    def stop(self) -> None:
        """Stops it in order; kills it after 20 seconds."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def kill(self) -> None:
        """Kills it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _die_with_parent() -> None:
    """Runs in the child, before it becomes another program: it goes when its parent does."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)

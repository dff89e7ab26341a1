"""An installation whose services are processes of their own: they can be killed, and come again."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from deploy.local.child import spawn
from deploy.local.postgres import PostgresServer
from deploy.local.stack import SERVICES
from ecluse.serve import make_service
from tests.connected.stores import Buckets
from tests.connected.town import Town, eventually

# Processes that start beside five others on two cores, again and again.
START_PATIENCE = 600.0


class ProcessTown(Town):
    """A town of processes. One that dies is started again, armed with its next crash point."""

    def __init__(
        self,
        folder: Path,
        kafka: str,
        postgres: PostgresServer,
        database: str,
        buckets: Buckets | None = None,
        **more: str,
    ) -> None:
        # What a dead or hanging process has begun is taken over soon.
        soon = {"lease_seconds": "5", "database_idle_seconds": "5"}
        super().__init__(folder, kafka, postgres, database, buckets, **(soon | more))
        self.patience = START_PATIENCE
        self.points: dict[str, deque[str]] = {name: deque() for name in SERVICES}
        self.deaths: list[tuple[str, int, str]] = []
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._armed: dict[str, str] = {}
        self._watch: asyncio.Task[None] | None = None
        (folder / "logs").mkdir()
        # The same code says which groups read which topics; these are never started.
        idle = self.settings.model_copy(update={"spool": folder / "idle"})
        flows = [make_service(name, idle).flow for name in SERVICES if name != "portal"]
        self._groups = {
            flow.group(model): topic
            for flow in flows
            if flow
            for topic, model in flow.models.items()
        }

    def groups(self) -> dict[str, str]:
        return self._groups

    async def start(self, *names: str) -> None:
        for name in names or SERVICES:
            self._launch(name)
        for name in names or SERVICES:
            await self.ready(name)
        if self._watch is None:
            self._watch = asyncio.create_task(self._supervise())

    async def stop(self, *names: str) -> None:
        if not names and self._watch:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        chosen = [(name, self._processes.pop(name)) for name in names or list(self._processes)]
        for _, process in chosen:
            process.send_signal(signal.SIGCONT)  # one that hangs cannot end
            process.terminate()
        for _, process in chosen:
            try:
                await asyncio.to_thread(process.wait, 20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if not names:
            await self.http.aclose()

    def kill(self, name: str) -> None:
        """Kills a process as the kernel would; the supervisor starts it again."""
        self._processes[name].kill()

    def kill_for_good(self, *names: str) -> None:
        """Kills processes that nobody starts again."""
        for name in names:
            process = self._processes.pop(name)
            process.kill()
            process.wait()

    def limit_files(self, name: str, size: int) -> None:
        """No file that the process writes may grow over `size` bytes: a full disk."""
        process = psutil.Process(self.pid(name))
        process.rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def environment(self, name: str) -> dict[str, str]:
        """What a process of that name is told."""
        told = {
            f"ECLUSE_{field.upper()}": _plain(value)
            for field, value in self._settings_of(name).model_dump().items()
            if value is not None and field in self._told
        }
        return {**os.environ, **told}

    def _launch(
        self, name: str, instance: str = "", extra: Mapping[str, str] | None = None
    ) -> None:
        point = self.points[name].popleft() if self.points.get(name) else ""
        self._armed[name + instance] = point
        env = self.environment(name) | {
            "ECLUSE_CRASH_AT": f"{name}:{point}" if point else "",
            "ECLUSE_INSTANCE": f"{name}{instance}",
        }
        self._processes[name + instance] = spawn(
            [sys.executable, "-m", "ecluse.cli", "serve", name],
            self.folder / "logs" / f"{name}{instance}.log",
            env | dict(extra or {}),
        )

    async def another(self, name: str, instance: str, **extra: str) -> None:
        """A second process of a service, beside the first."""
        told = {f"ECLUSE_{field.upper()}": value for field, value in extra.items()}
        self._launch(name, instance, told)
        port = int(extra["portal_metrics_port" if name == "portal" else f"{name}_port"])
        await self.ready(name + instance, port)

    async def ready(self, name: str, port: int | None = None) -> None:
        """Waits until a process is ready."""
        field = "portal_metrics_port" if name == "portal" else f"{name}_port"
        at = port or getattr(self.settings, field)

        async def ready() -> bool:
            try:
                answer = await self.http.get(f"http://127.0.0.1:{at}/ready")
            except httpx.TransportError:
                return False
            return answer.status_code == 200

        await eventually(ready, f"{name} is not ready: {self.log(name)[-3000:]}", self.patience)

    def log(self, name: str) -> str:
        """What a process has written."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    async def _supervise(self) -> None:
        while True:
            for name, process in list(self._processes.items()):
                code = process.poll()
                if code is not None and name in self.points:
                    self.deaths.append((name, code, self._armed[name]))
                    self._launch(name)
            await asyncio.sleep(0.05)

    def arm(self, points: Mapping[str, Iterable[str]]) -> None:
        """These points come next, one a life. Takes effect as processes die: kill them to begin."""
        for name, wanted in points.items():
            self.points[name].extend(wanted)
            self.kill(name)

    def still_to_come(self) -> dict[str, list[str]]:
        """Points that no process has died at yet, by service; nothing when all have been met."""
        waiting = {
            name: [one for one in (self._armed[name], *self.points[name]) if one]
            for name in self.points
            if name in self._armed
        }
        return {name: wanted for name, wanted in waiting.items() if wanted}


def _plain(value: Any) -> str:
    """A setting as the environment says it."""
    if isinstance(value, list | tuple):
        inner = ",".join(f'"{one}"' for one in value)
        return f"[{inner}]"
    if isinstance(value, dict):
        return json.dumps(value, default=lambda secret: secret.get_secret_value())
    secret = getattr(value, "get_secret_value", None)
    return str(secret() if secret else value)

"""Toxiproxy: a server between a program and its server, through which an outage is made and ended."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import httpx

from deploy.local.go_program import GoProgram
from deploy.local.kafka import LocalStackError, die_with_parent, free_port

PROGRAM = GoProgram(
    "toxiproxy-server",
    "github.com/Shopify/toxiproxy/v2/cmd/server",
    "v2.5.0",
    built_as="server",
    go=(1, 19),
)
START_SECONDS = 30.0


class Toxiproxy:
    """One toxiproxy, its log in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", trust_env=False)

    def __enter__(self) -> Toxiproxy:
        binary = PROGRAM.binary()
        with (self._folder / "toxiproxy.log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary, "-host", "127.0.0.1", "-port", str(self._port)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LocalStackError(f"toxiproxy did not start: see {self._folder}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        self._http.close()

    def _answers(self) -> bool:
        try:
            return self._http.get("/version").is_success
        except httpx.TransportError:
            return False

    def proxy(self, name: str, upstream: str, port: int) -> None:
        """Lets what comes to `port` through to `upstream` (`127.0.0.1:<port>`)."""
        told = {"name": name, "listen": f"127.0.0.1:{port}", "upstream": upstream, "enabled": True}
        self._http.post("/proxies", json=told).raise_for_status()

    def cut(self, name: str) -> None:
        """Ends every connection and takes no new one."""
        self._http.post(f"/proxies/{name}", json={"enabled": False}).raise_for_status()

    def stall(self, name: str) -> None:
        """Connections stay, and nothing comes through them any more."""
        told = {"type": "timeout", "attributes": {"timeout": 0}, "name": "stall"}
        self._http.post(f"/proxies/{name}/toxics", json=told).raise_for_status()

    def mend(self, name: str) -> None:
        """As it was."""
        self._http.delete(f"/proxies/{name}/toxics/stall")
        self._http.post(f"/proxies/{name}", json={"enabled": True}).raise_for_status()

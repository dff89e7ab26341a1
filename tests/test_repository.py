"""Rules of the repository that no linter knows."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MADE = {".git", ".venv", ".ecluse", "__pycache__", "dist", "build"}
FILES = [
    path
    for path in ROOT.rglob("*")
    if path.is_file()
    and not any(
        part in MADE or part.endswith(("_cache", ".egg-info")) or part == ".hypothesis"
        for part in path.relative_to(ROOT).parts
    )
]
PARTS = ("services", "shared", "ecluse", "deploy", "bench")
CODE = [one for one in FILES if one.suffix == ".py" and one.relative_to(ROOT).parts[0] in PARTS]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_requirements_are_locked_by_hash_alone(lock: Path) -> None:
    """Every requirement has a version and hashes; no address stands in a lock."""
    text = read(lock)
    assert "://" not in text
    assert "--index" not in text
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert "==" in entry, entry[:60]
        assert "--hash=sha256:" in entry, entry[:60]


def test_every_extra_has_its_lock() -> None:
    """An image of each service installs by a lock of its own."""
    extras = set(PROJECT["project"]["optional-dependencies"])
    assert {path.stem for path in LOCKS} == extras | {"build", "uv", "udata-peer", "ckan-peer"}


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_only_settings_read_the_environment(path: Path) -> None:
    """One place reads the environment; the local stack passes it on to its children, and workers are
    told in theirs which allocator a library is to take."""
    allowed = {"shared/settings.py", "deploy/local/child.py", "shared/worker_memory.py"}
    if path.relative_to(ROOT).as_posix() not in allowed:
        assert not re.search(r"os\.environ|getenv", read(path))


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_holds_too_many_ideas(path: Path) -> None:
    """Around 300 lines it is time to look; past 450 it is time to part."""
    assert len(read(path).splitlines()) <= 450


# The command line says what our own errors say; Arrow's text is only searched, never shown.
SAID = ("cli.py", "terminal.py", "operator_commands.py", "__main__.py", "csv_to_table.py")


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_librarys_text_is_passed_on(path: Path) -> None:
    """`str(error)` of a caught error may quote a cell: ours are made from codes."""
    text = read(path)
    for name in re.findall(r"except [^\n]* as (\w+):", text):
        for said in re.findall(rf"(?:str|repr)\({name}\)|\{{{name}[!}}:]", text):
            assert path.name in SAID, said


def test_the_project_speaks_of_itself() -> None:
    """No path of a machine, no registry's host, no foreign folder in what is kept."""
    words = [
        "/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "../sha" + "red/", "pypi" + ".org",
        "files.python" + "hosted", "registry.npm" + "js", "repo1.ma" + "ven",
    ]  # fmt: skip
    for path in FILES:
        if path.suffix in (".xlsx", ".parquet", ".png") or "city" in path.parts:
            continue
        text = read(path)
        for word in words:
            assert word not in text, f"{path.relative_to(ROOT)}: {word}"


def test_the_makefile_says_what_there_is() -> None:
    """`make` alone lists the targets."""
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("install", "demo", "test", "lint", "lock", "clean"):
        assert re.search(rf"^{target} ", told.stdout, re.MULTILINE)


def test_python_versions_agree() -> None:
    """What the project promises is what this runs on."""
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.14"
    assert (3, 11) <= sys.version_info[:2] <= (3, 13)

"""The crash matrix names what the code names."""

from __future__ import annotations

import re
from pathlib import Path

from tests.connected.crash_matrix import ELSEWHERE, LIVES, POINTS, passes

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r'crash_point\(f?"([a-z-]+)"\)')
STEP = re.compile(r'transaction\(\s*"([a-z-]+)"')


def found(pattern: re.Pattern[str], *folders: str) -> set[str]:
    return {
        name
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        for name in pattern.findall(path.read_text(encoding="utf-8"))
    }


def test_every_point_of_the_code_is_met() -> None:
    """No point, and no transaction that writes, is left out unless another test meets it."""
    met = {point for points in POINTS.values() for point in points}
    named = found(NAMED, "shared", "services")
    assert {name for name in named - met if name.split("-")[-1] not in ELSEWHERE} == set()
    steps = found(STEP, "services")
    assert {one for one in steps - set(ELSEWHERE) if f"inside-{one}" not in met} == set()


def test_every_point_of_the_matrix_is_in_the_code() -> None:
    """A point that is renamed is not waited for in vain."""
    steps = found(STEP, "services")
    known = found(NAMED, "shared", "services") | {
        f"{when}-{step}" for step in steps for when in ("before", "inside", "after")
    }
    assert {point for points in POINTS.values() for point in points} - known == set()


def test_all_passes_meet_all_points() -> None:
    """Together the passes of the whole matrix are the matrix; the sample is its beginning."""
    whole = passes(whole=True)
    for name, points in POINTS.items():
        assert {point for one in whole for point in one[name]} == set(points)
    assert passes(whole=False) == whole[:2]
    assert all(len(points) == LIVES for one in whole for points in one.values())

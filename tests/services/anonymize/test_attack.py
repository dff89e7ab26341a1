"""An attacker with a voter list tries to find people in a published social dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.anonymize.anonymize_table import anonymize_table
from shared.card import Card

MakeCard = Callable[..., Card]
QUASI = ("sexe", "age", "commune")
TOWNS = ["69123", "69266", "69029", "69034", "42218", "42207"]


def town(people: int = 5000) -> list[dict[str, Any]]:
    """A made population: what a voter list tells of each, and who receives which benefit."""
    random = np.random.default_rng(2026)
    return [
        {
            "voter": n,
            "sexe": str(random.choice(["F", "M"])),
            "age": int(min(18 + random.gamma(3, 12), 104)),
            "commune": TOWNS[int(min(random.poisson(1), 5))],
            "aide": str(random.choice(["RSA", "APL", "AAH"], p=[0.5, 0.35, 0.15])),
            "benefits": bool(random.random() < 0.4),
        }
        for n in range(people)
    ]


def candidates(row: dict[str, Any], voters: list[dict[str, Any]]) -> int:
    """How many voters a published row may be."""
    return sum(all(fits(row[name], voter[name]) for name in QUASI) for voter in voters)


def fits(text: str | None, value: Any) -> bool:
    """Whether a published value may stand for a known one."""
    if text in ("*", str(value)):
        return True
    if text is None:
        return False
    if isinstance(value, int) and "-" in text:
        low, high = map(int, text.split("-"))
        return low <= value <= high
    return not isinstance(value, int) and value.startswith(text)


def test_the_attacker_finds_nobody(make_card: MakeCard, tmp_path: Path) -> None:
    """Whoever is known to receive a benefit is one of k in the file, and her benefit stays open; in the
    raw table the same attacker finds people by the hundred."""
    voters = town()
    holders = [one for one in voters if one["benefits"]]
    raw = Counter(tuple(one[name] for name in QUASI) for one in holders)
    alone = [one for one in holders if raw[tuple(one[name] for name in QUASI)] == 1]
    assert len(alone) > 100
    names = (*QUASI, "aide", "voter")
    source = {name: [one[name] for one in holders] for name in names}
    pq.write_table(pa.table(source), tmp_path / "in.parquet")
    card = make_card(
        dict.fromkeys((*QUASI, "aide"), "keep") | {"voter": "drop"},
        "people", quasi_identifiers=list(QUASI), k=5, l=2, suppression=5,
        hierarchies={"age": {"ranges": [5, 10, 20, 40]}, "commune": {"prefixes": [2]}},
    )  # fmt: skip
    anonymize_table(tmp_path / "in.parquet", card, tmp_path / "out.parquet")
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    for known in alone[:200]:
        seen = [row for row in rows if all(fits(row[n], known[n]) for n in QUASI)]
        # Left out altogether, or one of five at least, with two benefits or more among them.
        assert not seen or (len(seen) >= 5 and len({row["aide"] for row in seen}) >= 2)
    for row in rows[:: len(rows) // 100]:
        assert candidates(row, voters) >= 5


def test_the_attacker_s_reading_is_right() -> None:
    """The attack would find a match if there was one."""
    assert fits("20-39", 25)
    assert not fits("20-39", 40)
    assert fits("69", "69123")
    assert not fits("42", "69123")

"""Part three: what it costs to have many datasets declared, whether they change or not."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.city import City
from bench.pipeline import Load, idle_use, run_load
from bench.process_use import memory_bytes

LEVELS, QUICK_LEVELS = (10, 1_000, 10_000), (5, 25)
ROUNDS = 3


def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Declares more and more datasets; at each level starts all services anew and makes releases."""
    levels = QUICK_LEVELS if quick else LEVELS
    found = {}
    with City(folder) as city:
        city.start()
        known = 0
        for level in levels:
            _declare(city, [f"mobilier-{number:05d}" for number in range(known, level)])
            known = level
            city.stop()
            starts = city.start_each()
            _round(city, levels[0], level * 10, {})  # warms the processes
            idle = idle_use(city, 5.0)
            loads = [_round(city, levels[0], level * 10 + 1 + n, idle) for n in range(ROUNDS)]
            found[str(level)] = {
                "start": starts,
                "memory": memory_bytes(city.pids()),
                "cpu": sum(sum(load.cpu.values()) for load in loads) / ROUNDS,
                "idle": sum(idle.values()),
                "public": min(load.public[0] for load in loads),
            }
    return found


def _declare(city: City, names: list[str]) -> None:
    """By two at a time: one's signature is made while the other's card is checked."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(city.declare, (names[::2], names[1::2])))


def _round(city: City, changes: int, seed: int, idle: Mapping[str, float]) -> Load:
    """A release of the first datasets each."""
    names = [f"mobilier-{number:05d}" for number in range(changes)]
    return run_load(city, [(name, city.source(name, seed)) for name in names], 0.0, idle)

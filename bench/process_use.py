"""What processes used: CPU seconds and memory, of a process and all that it started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

import psutil


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system seconds of each process so far, its children's included, dead or alive."""
    return {name: sum(map(_cpu, _family(pid))) for name, pid in pids.items()}


def memory_bytes(pids: Mapping[str, int]) -> dict[str, int]:
    """Resident memory of each process and its children, now; what they share counts in each."""
    return {name: sum(map(_memory, _family(pid))) for name, pid in pids.items()}


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The seconds between two readings."""
    return {name: max(0.0, after[name] - before[name]) for name in before if name in after}


def _family(pid: int) -> Iterable[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        yield parent
        yield from parent.children(recursive=True)


def _cpu(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        used = process.cpu_times()
        # Children that are gone and were waited for count with their parent.
        return used.user + used.system + used.children_user + used.children_system
    return 0.0


def _memory(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0

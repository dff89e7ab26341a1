"""What this was measured on: no name of a host, no path."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.city import cores
from deploy.local.kafka import VERSION as KAFKA

PACKAGES = ("polars", "duckdb", "pandas", "pyarrow", "faststream", "aiokafka", "sqlalchemy")


def facts() -> dict[str, str]:
    """Date, machine and versions, as the report says them."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{cores()} cores ({_model()}), {memory:.0f} GiB of memory",
        "load": f"{psutil.getloadavg()[0]:.1f} processes wanted to run when it began",
        "versions": ", ".join(
            [
                f"Python {platform.python_version()}",
                f"Apache Kafka {KAFKA}",
                *(f"{name} {version(name)}" for name in PACKAGES),
            ]
        ),
    }


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

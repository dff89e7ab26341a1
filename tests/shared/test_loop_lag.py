"""How late an event loop comes round is told."""

from __future__ import annotations

import time

import pytest
from starlette.testclient import TestClient

from shared import metrics
from shared.app import Service
from shared.loop_lag import watch_lag
from shared.settings import Settings


class Host:
    """A clock, and sleeps that last longer than asked for by so many seconds each; then it ends."""

    def __init__(self, *late: float) -> None:
        self.now, self._late = 1000.0, list(late)

    async def sleep(self, seconds: float) -> None:
        if not self._late:
            raise KeyboardInterrupt
        self.now += seconds + self._late.pop(0)


def told(name: str, **labels: str) -> float:
    value = metrics.registry.get_sample_value(f"ecluse_event_loop_lag_seconds_{name}", labels)
    return value or 0.0


async def test_what_holds_the_loop_is_told() -> None:
    """Each look counts, in seconds beyond those asked for; the alert's line is at one second."""
    before = told("count"), told("sum"), told("bucket", le="1.0")
    host = Host(0.0, 1.75, 0.5)
    with pytest.raises(KeyboardInterrupt):
        await watch_lag(host.sleep, lambda: host.now)
    after = told("count"), told("sum"), told("bucket", le="1.0")
    assert [now - then for now, then in zip(after, before, strict=True)] == [3, 2.25, 2]


def test_every_process_looks() -> None:
    """A service without work of its own measures too, and says so on /metrics."""
    service = Service(name="idle", settings=Settings(), port=0)
    before, patience = told("count"), time.monotonic() + 60
    with TestClient(service.web()) as client:
        while told("count") == before and time.monotonic() < patience:
            answer = client.get("/metrics")
    assert told("count") > before
    assert "ecluse_event_loop_lag_seconds_count" in answer.text

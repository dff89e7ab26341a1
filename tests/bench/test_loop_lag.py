"""How long event loops stood still, as their metrics tell."""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from bench.loop_lag import METRIC, counts, longest


def test_the_longest_of_a_load_alone() -> None:
    """What came before the load does not count; beyond the last bound there is none."""
    registry = CollectorRegistry()
    lag = Histogram(METRIC, "Of a test.", buckets=(0.01, 0.5, 1), registry=registry)

    def read() -> dict[float, float]:
        return counts(generate_latest(registry).decode())

    lag.observe(0.8)
    before = read()
    assert before == {0.01: 0, 0.5: 0, 1: 1, math.inf: 1}
    lag.observe(0.002)
    lag.observe(0.3)
    after = read()
    assert longest({"ingest": before}, {"ingest": after}) == {"ingest": 0.5}
    lag.observe(7.0)
    assert longest({"ingest": after}, {"ingest": read()}) == {"ingest": math.inf}

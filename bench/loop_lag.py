"""How long each service's event loop stood still during a load, from its own metrics."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

METRIC = "ecluse_event_loop_lag_seconds"
# A service → how many of its looks came at most so many seconds late.
Looks = Mapping[str, Mapping[float, float]]


def looks(addresses: Mapping[str, str]) -> Looks:
    """The looks so far of each service, whose /metrics is under its address."""
    return {name: counts(httpx.get(f"{at}/metrics").text) for name, at in addresses.items()}


def counts(metrics: str) -> dict[float, float]:
    """The histogram's buckets in a page of metrics, by their upper bound in seconds."""
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(metrics)
        if family.name == METRIC
        for sample in family.samples
        if sample.name.endswith("_bucket")
    }


def longest(before: Looks, after: Looks) -> dict[str, float]:
    """The bound in seconds under which every look between the two stayed; infinite if none did."""
    found = {}
    for name, now in after.items():
        new = {bound: count - before[name].get(bound, 0.0) for bound, count in now.items()}
        most = max(new.values())
        found[name] = min(bound for bound, count in new.items() if count == most)
    return found

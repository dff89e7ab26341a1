"""Retentions of a store that is a folder: what MinIO does by its lifecycle rules, done once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.settings import Settings
from shared.storage import keep_days, open_store


async def sweep_folder(settings: Settings, now: datetime | None = None) -> dict[str, int]:
    """Deletes what is past its bucket's retention; how many objects of each. Raises OursAway."""
    store = open_store(settings, "operator")
    gone: dict[str, int] = {}
    for bucket, days in keep_days(settings).items():
        oldest = (now or datetime.now(UTC)) - timedelta(days=days)
        past = [found.key async for found in store.list(bucket) if found.modified < oldest]
        for key in past:
            await store.delete(bucket, key)
        gone[bucket] = len(past)
    return gone

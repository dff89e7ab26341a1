"""A store that is a folder: what is past its retention goes, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecluse.cli import app
from ecluse.sweep_folder import sweep_folder
from shared import keys
from shared.settings import Settings, settings
from shared.storage import BUCKETS, keep_days, open_store

NOW = datetime.now(UTC)
RAW = (
    keys.source("bancs", "0" * 64),
    keys.version("bancs", "1" * 64),
    keys.part("bancs", "bron"),
    keys.change("bancs", "c" + "0" * 31),
    keys.table("bancs", "r" + "0" * 31),
)


async def test_what_is_past_its_retention(tmp_path: Path) -> None:
    """All of `raw`, `safe` and `staged` by its age; schemas, reports, drops and what is public stay."""
    told = Settings.model_validate({"store": str(tmp_path), "keep_raw_days": 7})
    store = open_store(told, "operator")
    for key in RAW:
        await store.put_bytes("raw", key, b"x")
    schema = keys.schema("etalab/schema-bancs", "1.2.0")
    await store.put_bytes("reports", schema, b"x")
    for bucket in BUCKETS:
        await store.put_bytes(bucket, "bancs/one", b"x")
    assert sum((await sweep_folder(told)).values()) == 0
    week = NOW + timedelta(days=8)
    assert await sweep_folder(told, week) == {"raw": 6, "safe": 0, "staged": 0}
    assert await sweep_folder(told, NOW + timedelta(days=91)) == {"raw": 0, "safe": 1, "staged": 1}
    left = {b: [one.key async for one in store.list(b)] for b in BUCKETS}
    assert (
        {b for b in BUCKETS if left[b]}
        == {"drop", "reports", "public"}
        == (set(BUCKETS) - set(keep_days(told)))
    )
    assert sorted(left["reports"]) == sorted([schema, "bancs/one"])


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ecluse store --sweep` does it."""
    monkeypatch.setenv("ECLUSE_STORE", str(tmp_path))
    settings.cache_clear()
    answer = CliRunner().invoke(app, ["store", "--sweep"])
    settings.cache_clear()
    assert (answer.exit_code, answer.output) == (0, "past their retention, deleted: 0\n")

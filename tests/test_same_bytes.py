"""A stage that does a release again writes the same bytes, whatever process does it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from services.anonymize.anonymize_table import anonymize_table
from services.convert.convert_table import convert_table
from services.ingest.source_to_table import ReadLimits, source_to_table
from shared.workers import WorkerPool
from tests.cards import card

RELEASE = "r" + "0" * 30
TIMES, PROCESSES = 10, 2
SOURCE = "id;places\n" + "".join(f"B{number};{number % 7}\n" for number in range(3000))


async def test_ten_times_the_same_bytes(tmp_path: Path) -> None:
    """Tables and every file of a release, made ten times by different processes."""
    source = tmp_path / "source"
    source.write_text(SOURCE, encoding="utf-8")
    pool = WorkerPool(
        size=1,
        modules=(
            "services.ingest.source_to_table",
            "services.anonymize.anonymize_table",
            "services.convert.convert_table",
        ),
        jobs=3 * TIMES // PROCESSES,
        memory_bytes=2**31,
        seconds=120,
    )
    await pool.start()
    seen: dict[str, set[str]] = {}
    pids: set[int | None] = set()
    try:
        for number in range(TIMES):
            folder = tmp_path / str(number)
            files = folder / "files"
            files.mkdir(parents=True)
            typed, safe = folder / "typed.parquet", folder / "safe.parquet"
            pids.update(worker.process.pid for worker in pool._all)
            await pool.run(source_to_table, source, card(), typed, ReadLimits())
            await pool.run(anonymize_table, typed, card(), safe)
            await pool.run(convert_table, safe, card(), RELEASE, files)
            for path in (typed, safe, *sorted(files.iterdir())):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                seen.setdefault(path.name, set()).add(digest)
    finally:
        await pool.stop()
    assert len(pids) == PROCESSES
    assert {name: len(digests) for name, digests in seen.items() if len(digests) > 1} == {}
    assert {"typed.parquet", "safe.parquet", "bancs.csv", "bancs.json", "bancs.parquet"} <= set(
        seen
    )

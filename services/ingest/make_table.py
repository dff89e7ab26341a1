"""Makes the typed table of a release, in a worker, and keeps it with its quality report."""

from __future__ import annotations

import json
from pathlib import Path

from services.ingest.download import Fetched
from services.ingest.source_to_table import ReadLimits, source_to_table
from shared import keys
from shared.card import Card
from shared.event_parts import Model, ObjectRef
from shared.ids import ReleaseId
from shared.storage import Store
from shared.workers import WorkerPool


class IngestManifest(Model):
    """What ingest made of a release."""

    table: ObjectRef
    rows: int
    quality: ObjectRef


async def make_table(
    source: Fetched, card: Card, release: ReleaseId, folder: Path, store: Store, pool: WorkerPool
) -> IngestManifest:
    """Types and validates the source; writes table and quality report. Raises Quarantined."""
    out = folder / "table.parquet"
    made = await pool.run(source_to_table, source.path, card, out, ReadLimits(), source.notes)
    table = await store.put("raw", keys.table(card.dataset, release), out, made.sha256)
    quality = await store.put_bytes(
        "reports",
        keys.report(card.dataset, release, "ingest"),
        json.dumps(made.quality, ensure_ascii=False, sort_keys=True).encode(),
    )
    return IngestManifest(table=table, rows=made.rows, quality=quality)

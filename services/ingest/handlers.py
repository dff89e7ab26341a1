"""ingest: a change comes in, a typed table goes out."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from services.ingest.change_record import Run, take_up
from services.ingest.data_date import data_date
from services.ingest.download import Fetched
from services.ingest.drops import Drops, keys_of
from services.ingest.keep_source import keep_source
from services.ingest.make_table import IngestManifest, make_table
from services.ingest.refused_table import TableRefused, keep_refusal
from services.ingest.row_change import check_row_change
from services.ingest.schema_by_name import with_schema
from services.ingest.schema_drift import drift_since
from shared.card import Card
from shared.envelope import Received
from shared.events import (
    CatalogDataset,
    CatalogPublished,
    DatasetChanged,
    DatasetConfirmed,
    DatasetIngested,
    DropNotified,
)
from shared.failures import OursAway, Parked, Quarantined
from shared.ids import ReleaseId, release_id, source_id
from shared.manifest import made_once
from shared.messages import Reason
from shared.pinned_card import pin
from shared.settings import Settings
from shared.storage import Store
from shared.table import TableView
from shared.workers import WorkerPool

TABLE_SECONDS = 30.0


@dataclass(frozen=True)
class Room:
    """What ingest works with."""

    settings: Settings
    store: Store
    pool: WorkerPool
    cards: TableView[CatalogDataset]
    published: TableView[CatalogPublished]


async def on_changed(
    event: DatasetChanged, came: Received, room: Room
) -> DatasetIngested | DatasetConfirmed:
    """Fetches, keeps, types and validates what changed; or says that nothing did."""
    run = await take_up(event, came, room.store, room.settings.generation)
    entry = await _card_in_force(event, run, room)
    try:
        return await _ingest(event, came, run, entry, room)
    except Quarantined as failure:
        await keep_refusal(room.store, event.dataset, run.record.change, failure)
        # The report stays in the store; what travels are the reasons.
        raise Quarantined(*failure.reasons) from None


async def _ingest(
    event: DatasetChanged, came: Received, run: Run, entry: CatalogDataset, room: Room
) -> DatasetIngested | DatasetConfirmed:
    card = Card.model_validate(entry.body)
    await pin(room.store, card, entry.card)
    with tempfile.TemporaryDirectory(dir=room.settings.spool) as folder:
        source = await keep_source(run, card, Path(folder), room.settings, room.store, room.pool)
        secret = room.settings.city_secret.get_secret_value().encode()
        release = release_id(secret, event.dataset, source.sha256, entry.card.shaping)
        facts = {
            "dataset": event.dataset,
            "change": run.record.change,
            "run": run.run,
            "sequence": run.record.sequence,
            "kind": run.record.kind,
            "card": entry.card,
            "release": release,
            "occurred_at": came.at,
        }
        bytes_ = source_id(secret, event.dataset, source.sha256)
        told = source.validators.modified
        facts["updated_at"] = await data_date(room.store, event.dataset, bytes_, told, came)
        now_public = room.published.get(event.dataset)
        if now_public and now_public.release == release:
            return DatasetConfirmed.model_validate(facts)
        made = await made_once(
            room.store,
            "ingest",
            event.dataset,
            release,
            IngestManifest,
            lambda: _make(source, card, release, Path(folder), room),
            deep=run.again,
        )
    public = now_public.release if now_public else None
    try:
        check_row_change(made.rows, now_public.rows if now_public else None, card)
    except Quarantined as failure:
        quality = json.loads(await room.store.read(made.quality))
        raise TableRefused(*failure.reasons, quality=quality) from None
    drift = await drift_since(room.store, event.dataset, public, made.quality)
    return DatasetIngested.model_validate(facts | made.model_dump() | {"drift": drift})


async def _make(
    source: Fetched, card: Card, release: ReleaseId, folder: Path, room: Room
) -> IngestManifest:
    whole = await with_schema(card, folder, room.settings, room.store)
    return await make_table(source, whole, release, folder, room.store, room.pool)


async def on_notified(event: DropNotified, drops: Drops, settings: Settings) -> None:
    """Says again what the store says of its drop bucket: keyed by dataset, without the file's name."""
    for key in keys_of(event, settings.bucket("drop")):
        await drops.look_at(key)


async def _card_in_force(event: DatasetChanged, run: Run, room: Room) -> CatalogDataset:
    """The card that this run is for. Raises Parked: nobody declared the dataset, or it is paused."""

    def there() -> bool:
        entry = room.cards.get(event.dataset)
        return entry is not None and entry.card.revision >= run.card_revision

    if run.card_revision and not await room.cards.until(there, TABLE_SECONDS):
        raise OursAway(Reason(code="table_behind"))
    entry = room.cards.get(event.dataset)
    if entry is None:
        raise Parked(Reason(code="undeclared"))
    if entry.paused:
        raise Parked(Reason(code="paused"))
    return entry

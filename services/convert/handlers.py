"""convert: a safe table comes in, the files of a release go out."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from pydantic import ValidationError

from services.convert.conversion_report import make_report
from services.convert.convert_table import convert_table
from services.convert.row_difference import RowDifference, compare_rows
from services.convert.upload_along import upload_along
from services.convert.written_file import WrittenFile
from shared import keys
from shared.card import Card
from shared.event_parts import FileRef, Model, ObjectRef
from shared.events import CatalogPublished, DatasetAnonymized, DatasetConverted
from shared.failures import Quarantined
from shared.formats import file_name
from shared.ids import Digest
from shared.manifest import made_once
from shared.messages import Reason
from shared.pinned_card import read_pinned
from shared.settings import Settings
from shared.storage import Store
from shared.table import TableView
from shared.workers import WorkerPool


@dataclass(frozen=True)
class Room:
    """What convert works with. Without `published` nothing is compared."""

    settings: Settings
    store: Store
    pool: WorkerPool
    published: TableView[CatalogPublished] | None = None


class ConvertManifest(Model):
    """What convert made of a release."""

    files: tuple[FileRef, ...]
    datapackage: FileRef
    preview: FileRef
    rows: int
    columns: Digest
    extras: tuple[FileRef, ...] = ()
    report: ObjectRef | None = None
    refused: tuple[Reason, ...] = ()


class SafeManifest(Model):
    """What convert reads of anonymize's manifest."""

    table: ObjectRef


async def on_anonymized(event: DatasetAnonymized, room: Room) -> DatasetConverted:
    """Writes every format into `staged`. Raises Quarantined."""
    card = await read_pinned(room.store, event.dataset, event.card)
    made = await made_once(
        room.store,
        "convert",
        event.dataset,
        event.release,
        ConvertManifest,
        lambda: _make(event, card, room),
    )
    passage = event.model_dump(exclude={"table", "rows", "report"})
    return DatasetConverted.model_validate(passage | made.model_dump())


async def _make(event: DatasetAnonymized, card: Card, room: Room) -> ConvertManifest:
    with tempfile.TemporaryDirectory(dir=room.settings.spool) as folder:
        source, out = Path(folder) / "in.parquet", Path(folder) / "out"
        out.mkdir()
        await room.store.download(event.table, source)
        updated = event.updated_at.astimezone(UTC).date() if event.updated_at else None
        work = room.pool.run(convert_table, source, card, event.release, out, updated)
        made, uploaded = await upload_along(work, out, _places(event, card), room.store)
        difference = await _difference(event, card, source, room)

        async def stage(file: WrittenFile) -> FileRef:
            ref = uploaded.get(file.name)
            if ref is None:
                key = keys.file(event.dataset, event.release, file.name)
                ref = await room.store.put("staged", key, file.path, file.sha256)
            return FileRef(
                **ref.model_dump(),
                format=file.format,
                name=file.name,
                media_type=file.media_type,
                rows=file.rows,
            )

        return ConvertManifest(
            files=tuple([await stage(file) for file in made.files]),
            datapackage=await stage(made.datapackage),
            preview=await stage(made.preview),
            rows=made.rows,
            columns=made.columns,
            extras=tuple([await stage(file) for file in made.extras]),
            report=await room.store.put_bytes(
                "reports",
                keys.report(event.dataset, event.release, "convert"),
                make_report(made, difference),
            ),
            refused=made.refused,
        )


def _places(event: DatasetAnonymized, card: Card) -> dict[str, str]:
    """The files that may be long → where they go."""
    forms = (*(card.formats or ()), *(card.optional_formats or ()))
    names = {file_name(card.dataset, form) for form in forms} | {f"{card.dataset}.zip"}
    return {name: keys.file(event.dataset, event.release, name) for name in sorted(names)}


async def _difference(
    event: DatasetAnonymized, card: Card, after: Path, room: Room
) -> RowDifference | None:
    """The rows' difference with the release now public; None if there is none to compare with.

    It may be that the earlier safe table is deleted already: this stops nothing.
    """
    public = room.published.get(event.dataset) if room.published else None
    if public is None or public.release == event.release:
        return None
    key = keys.manifest(event.dataset, public.release, "anonymize")
    told = await room.store.get("reports", key)
    before = after.with_name("before.parquet")
    try:
        await room.store.download(SafeManifest.model_validate_json(told or b"").table, before)
    except (ValidationError, Quarantined):
        return None
    unique = card.table_schema.primary_key if card.table_schema else ()
    return await room.pool.run(compare_rows, before, after, unique, after.parent)

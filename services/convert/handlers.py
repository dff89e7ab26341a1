"""convert: a safe table comes in, the files of a release go out."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from services.convert.convert_table import convert_table
from services.convert.written_file import WrittenFile
from shared import keys
from shared.card import Card
from shared.events import DatasetAnonymized, DatasetConverted, FileRef, Model
from shared.ids import Digest
from shared.manifest import made_once
from shared.messages import Reason
from shared.pinned_card import read_pinned
from shared.settings import Settings
from shared.storage import Store
from shared.workers import WorkerPool


@dataclass(frozen=True)
class Room:
    """What convert works with."""

    settings: Settings
    store: Store
    pool: WorkerPool


class ConvertManifest(Model):
    """What convert made of a release."""

    files: tuple[FileRef, ...]
    datapackage: FileRef
    preview: FileRef
    rows: int
    columns: Digest
    extras: tuple[FileRef, ...] = ()
    refused: tuple[Reason, ...] = ()


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
        made = await room.pool.run(convert_table, source, card, event.release, out)

        async def stage(file: WrittenFile) -> FileRef:
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
            refused=made.refused,
        )

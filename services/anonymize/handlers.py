"""anonymize: a typed table comes in, a safe one goes out, or nothing does."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.anonymize.anonymize_table import anonymize_table
from services.anonymize.protect_table import PROTECTED, is_counts
from services.anonymize.pseudonym_key import pseudonym_keys
from services.anonymize.recode_beside import Before
from services.anonymize.register import Register, Turn
from services.anonymize.removals import read_removals
from services.anonymize.report_html import report_html
from shared import keys
from shared.card import Card
from shared.event_parts import Model, ObjectRef
from shared.events import DatasetAnonymized, DatasetIngested
from shared.failures import Quarantined
from shared.ids import Digest
from shared.manifest import made_once
from shared.messages import LANGUAGES, Reason
from shared.pinned_card import read_pinned
from shared.policy_signature import Trusted, check_policy
from shared.settings import Settings
from shared.storage import Store
from shared.workers import WorkerPool


@dataclass(frozen=True)
class Room:
    """What anonymize works with."""

    settings: Settings
    store: Store
    pool: WorkerPool
    trusted: Trusted
    register: Register | None = None  # none: nothing about people leaves


class AnonymizeManifest(Model):
    """What anonymize made of a release."""

    table: ObjectRef
    rows: int
    policy: Digest
    report: ObjectRef


async def on_ingested(event: DatasetIngested, room: Room) -> DatasetAnonymized:
    """Checks that the policy is in force, then applies it and scans. Raises Quarantined."""
    card = await read_pinned(room.store, event.dataset, event.card)
    # Before the manifest is looked for: a repeat must not outlive the policy it once had.
    check_policy(card, datetime.now(UTC).date(), room.trusted)
    made = await made_once(
        room.store,
        "anonymize",
        event.dataset,
        event.release,
        AnonymizeManifest,
        lambda: _make(event, card, room),
    )
    passage = event.model_dump(exclude={"table", "rows", "quality"})
    return DatasetAnonymized.model_validate(passage | made.model_dump())


async def _make(event: DatasetIngested, card: Card, room: Room) -> AnonymizeManifest:
    people = card.subject in PROTECTED and not is_counts(card)
    if not people and card.privacy.linked is None:
        return await _anonymized(event, card, room, None)
    if room.register is None:
        raise Quarantined(Reason(code="register_missing"))
    privacy = card.privacy
    wanted = (event.dataset, event.release, privacy.quasi_identifiers, privacy.linked)
    async with room.register.turn(*wanted) as turn:
        return await _anonymized(event, card, room, turn)


async def _anonymized(
    event: DatasetIngested, card: Card, room: Room, turn: Turn | None
) -> AnonymizeManifest:
    with tempfile.TemporaryDirectory(dir=room.settings.spool) as folder:
        source, out = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
        await room.store.download(event.table, source)
        key = pseudonym_keys(room.settings, card, event.release)
        before = Before(turn.earlier, turn.linked) if turn else Before()
        removed = await read_removals(room.store, room.settings, card)
        work = (source, card, out, key, before, removed)
        made = await room.pool.run(anonymize_table, *work)
        # The transaction ends before the manifest is written: what is not recorded is never shown.
        if turn and made.exposure:
            await turn.record(made.exposure)
        place = keys.table(event.dataset, event.release)
        table = await room.store.put("safe", place, out, made.sha256)
    report = await room.store.put_bytes(
        "reports",
        keys.report(event.dataset, event.release, "anonymize"),
        json.dumps(made.report, ensure_ascii=False, sort_keys=True).encode(),
    )
    for language in LANGUAGES:
        await room.store.put_bytes(
            "reports",
            keys.report_page(event.dataset, event.release, "anonymize", language),
            report_html(made.report, language).encode(),
        )
    return AnonymizeManifest(
        table=table, rows=made.rows, policy=card.policy_digest(), report=report
    )

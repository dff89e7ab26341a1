"""What came in with a change, kept in the raw zone: so that its first appearance fixes its sequence,
and so that it can be run again by naming it, without its address travelling.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from shared import keys
from shared.envelope import Received
from shared.event_parts import ChangeKind, Sequence
from shared.events import DatasetChanged
from shared.failures import Quarantined
from shared.ids import ChangeId, DatasetId, Digest, change_id
from shared.messages import Reason
from shared.storage import Store

M = TypeVar("M", bound=BaseModel)


class ChangeRecord(BaseModel):
    """`raw/<dataset>/changes/<change>.json`, created once."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    change: ChangeId
    sequence: Sequence
    kind: ChangeKind
    address: str | None


class FetchedRecord(BaseModel):
    """`raw/<dataset>/changes/<change>.fetched.json`: which bytes a change brought."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    sha256: Digest
    bytes: int
    notes: tuple[Reason, ...] = ()
    modified: str | None = None  # as the host says it


class Run(BaseModel):
    """One pass of a change: the change itself, or a re-run of it."""

    model_config = ConfigDict(frozen=True)

    record: ChangeRecord
    run: ChangeId
    source_of: ChangeId
    card_revision: int
    fetch_again: bool

    @property
    def again(self) -> bool:
        """Whether this is a re-run: what is kept may be what is wrong, and is looked at closely."""
        return self.run != self.record.change


async def take_up(event: DatasetChanged, came: Received, store: Store, generation: int) -> Run:
    """The run that an event asks for, its change's record found or created.

    A late duplicate finds the record of the first appearance and keeps its place in the order.
    """
    this = change_id(came.source, came.id)
    rerun = event.rerun
    if rerun is None:
        number = came.offset if came.sequence is None else came.sequence
        record = ChangeRecord(
            change=this,
            sequence=Sequence(generation=generation, number=number),
            kind=event.kind,
            address=event.address,
        )
        record = await _first(store, event.dataset, record)
        return Run(record=record, run=this, source_of=this, card_revision=0, fetch_again=False)
    source = await read_change(store, event.dataset, rerun.source_of)
    record = ChangeRecord(
        change=rerun.change,
        sequence=rerun.sequence,
        kind=event.kind,
        address=source.address if source else None,
    )
    return Run(
        record=record,
        run=this,
        source_of=rerun.source_of,
        card_revision=rerun.card_revision,
        fetch_again=rerun.fetch == "again",
    )


async def _first(store: Store, dataset: DatasetId, record: ChangeRecord) -> ChangeRecord:
    data = record.model_dump_json().encode()
    if await store.create("raw", keys.change(dataset, record.change), data):
        return record
    return await read_change(store, dataset, record.change) or record


async def read_change(store: Store, dataset: DatasetId, change: ChangeId) -> ChangeRecord | None:
    """The record of a change; None if it is not there (any more)."""
    return _read(ChangeRecord, await store.get("raw", keys.change(dataset, change)))


async def read_fetched(store: Store, dataset: DatasetId, change: ChangeId) -> FetchedRecord | None:
    """Which bytes a change brought; None if they were never fetched or are kept no more."""
    found = _read(FetchedRecord, await store.get("raw", keys.fetched(dataset, change)))
    if found and await store.size("raw", keys.source(dataset, found.sha256)) == found.bytes:
        return found
    return None


def _read(model: type[M], data: bytes | None) -> M | None:
    if data is None:
        return None
    try:
        return model.model_validate_json(data)
    except ValidationError:
        raise Quarantined(Reason(code="object_damaged")) from None

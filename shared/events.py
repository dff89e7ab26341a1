"""All events, in the past tense. This file is the architecture.

    domain ─ DatasetChanged ─▶ ingest ─ DatasetIngested ─▶ anonymize ─ DatasetAnonymized ─▶ convert
                                  └─ DatasetConfirmed ─▶ publish ◀─ DatasetConverted ───────┘
                                                            └─ DatasetPublished ─▶ notify ─ NewsPosted

Events carry references, never data. From `DatasetIngested` on none holds a cell value, a sample, a
file name or an undeclared column's name. Envelope: CloudEvents 1.0, Kafka binding, binary mode.
Additive changes stay within a version; an unknown major version goes to the dead letters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, Field

from shared.event_parts import (
    CardRef,
    ChangeKind,
    Drift,
    DroppedObject,
    End,
    FileRef,
    Model,
    ObjectRef,
    Rerun,
    Sequence,
    Stage,
    StageState,
)
from shared.ids import (
    ChangeId,
    DatasetId,
    Digest,
    EventId,
    PublicationId,
    ReleaseId,
    event_id,
)
from shared.messages import Reason


class Event(Model, ABC):
    """An event of ours: knows its topic, its CloudEvents type, its key and its id."""

    TOPIC: ClassVar[str]
    TYPE: ClassVar[str]

    @property
    @abstractmethod
    def key(self) -> str:
        """The Kafka key: the dataset, so that a dataset's events keep their order."""

    @property
    @abstractmethod
    def id(self) -> EventId:
        """The CloudEvents id: the same fact has the same id."""


class DatasetChanged(Event):
    """There is new data for this dataset, and where; or: run this change again.

    Raw zone: `address` may hold a file name. Ingest alone reads this topic.
    """

    TOPIC: ClassVar[str] = "dataset.changed"
    TYPE: ClassVar[str] = "fr.ecluse.dataset.changed.v1"

    dataset: DatasetId
    address: str | None = Field(
        default=None,
        max_length=2048,
        description="https, http, s3, file or drop; else the card's",
    )
    kind: ChangeKind = "update"
    rerun: Rerun | None = None
    due: AwareDatetime | None = Field(
        default=None, description="the card's schedule or capture asked for this, at this due time"
    )

    @property
    def key(self) -> str:
        return self.dataset

    @property
    def id(self) -> EventId:
        """Of those that Écluse writes: a re-run, a drop, what a schedule asked for. A domain system
        gives its own."""
        asked_by = self.rerun.asked_by if self.rerun else ""
        due = [self.due.isoformat()] if self.due else []
        return event_id(self.TYPE, self.dataset, self.address or "", asked_by, *due)


class DatasetCaptured(Event):
    """Rows of its source changed, as change data capture says: which dataset, and how far that was
    read. Nothing of the rows, nor of their keys.
    """

    TOPIC: ClassVar[str] = "dataset.captured"
    TYPE: ClassVar[str] = "fr.ecluse.dataset.captured.v1"

    dataset: DatasetId
    topic: str = Field(description="as the card names it")
    partition: int
    offset: int
    at: AwareDatetime

    @property
    def key(self) -> str:
        return self.dataset

    @property
    def id(self) -> EventId:
        place = f"{self.topic}/{self.partition}/{self.offset}"
        return event_id(self.TYPE, self.dataset, place, self.at.isoformat())


class DropNotified(Event):
    """A file was dropped, as the object store says it: its own JSON, not a CloudEvent.

    Raw zone: it names the file. Ingest alone reads this topic and says `DatasetChanged` instead.
    """

    TOPIC: ClassVar[str] = "drop.notified"
    TYPE: ClassVar[str] = "s3:ObjectCreated"

    objects: tuple[DroppedObject, ...] = Field(validation_alias="Records", min_length=1)

    @property
    def key(self) -> str:
        return f"{self.objects[0].bucket}/{self.objects[0].name}"

    @property
    def id(self) -> EventId:
        return event_id(self.TYPE, *(f"{one.bucket}/{one.name}" for one in self.objects))


class Passage(Event):
    """What every event of the flow says: which dataset, which change, under which card.

    `run` is the event that asked for this pass: the change itself, or a re-run of it.
    """

    dataset: DatasetId
    change: ChangeId
    run: ChangeId
    sequence: Sequence
    kind: ChangeKind
    card: CardRef
    release: ReleaseId
    occurred_at: AwareDatetime = Field(description="when the change came in (broker's clock)")
    updated_at: AwareDatetime | None = Field(
        default=None, description="when the source was last updated: the date that files carry"
    )

    @property
    def key(self) -> str:
        return self.dataset

    @property
    def id(self) -> EventId:
        return event_id(self.TYPE, self.run, self.release)


class DatasetConfirmed(Passage):
    """Nothing new: source and card are those of the release now public."""

    TOPIC: ClassVar[str] = "dataset.confirmed"
    TYPE: ClassVar[str] = "fr.ecluse.dataset.confirmed.v1"


class DatasetIngested(Passage):
    """It is fetched, typed and valid: here is the table."""

    TOPIC: ClassVar[str] = "dataset.ingested"
    TYPE: ClassVar[str] = "fr.ecluse.dataset.ingested.v1"

    table: ObjectRef
    rows: int = Field(ge=0)
    quality: ObjectRef
    drift: Drift | None = Field(
        default=None, description="None: the columns are the same, or first"
    )


class DatasetAnonymized(Passage):
    """It is safe to show: here is the table and the privacy report."""

    TOPIC: ClassVar[str] = "dataset.anonymized"
    TYPE: ClassVar[str] = "fr.ecluse.dataset.anonymized.v1"

    table: ObjectRef
    rows: int = Field(ge=0)
    policy: Digest
    report: ObjectRef


class DatasetConverted(Passage):
    """Here are the files, with size and checksum, and the preview."""

    TOPIC: ClassVar[str] = "dataset.converted"
    TYPE: ClassVar[str] = "fr.ecluse.dataset.converted.v1"

    files: tuple[FileRef, ...]
    datapackage: FileRef
    preview: FileRef
    rows: int = Field(ge=0)
    columns: Digest = Field(description="fingerprint of the published columns: names and types")
    extras: tuple[FileRef, ...] = Field(
        default=(), description="README, schema, map layer, ZIP of all: public beside the files"
    )
    report: ObjectRef | None = Field(
        default=None,
        description="what was made and refused, and the rows' difference with the public release",
    )
    refused: tuple[Reason, ...] = Field(
        default=(), description="optional formats that cannot hold the table, and why"
    )
    policy: Digest


class DatasetDecided(Event):
    """Announces a decision taken in publish's database. Nothing acts on it."""

    TOPIC: ClassVar[str] = "dataset.decided"
    TYPE: ClassVar[str] = "fr.ecluse.dataset.decided.v1"

    dataset: DatasetId
    change: ChangeId | None = None
    release: ReleaseId
    publication: PublicationId | None = None
    decision: int = Field(description="the row's id in publish's database")
    verdict: Literal["approved", "refused", "withdrawn"]
    automatic: bool

    @property
    def key(self) -> str:
        return self.dataset

    @property
    def id(self) -> EventId:
        return event_id(self.TYPE, str(self.decision))


class DatasetPublished(Event):
    """Public on the city's own portal, verified; or withdrawn. A contract for other systems too."""

    TOPIC: ClassVar[str] = "dataset.published"
    TYPE: ClassVar[str] = "fr.ecluse.dataset.published.v1"

    dataset: DatasetId
    change: ChangeId
    release: ReleaseId
    publication: PublicationId
    state: Literal["published", "withdrawn"]
    kind: ChangeKind
    first: bool = Field(description="the dataset's first publication")
    at: AwareDatetime
    files: tuple[FileRef, ...] = ()
    rows: int | None = None

    @property
    def key(self) -> str:
        return self.dataset

    @property
    def id(self) -> EventId:
        return event_id(self.TYPE, self.publication, self.state, self.at.isoformat())


class DatasetDelivered(Event):
    """Arrived on another portal, verified; or late, failed, gone. `reasons` say why not."""

    TOPIC: ClassVar[str] = "dataset.delivered"
    TYPE: ClassVar[str] = "fr.ecluse.dataset.delivered.v1"

    dataset: DatasetId
    release: ReleaseId
    publication: PublicationId
    portal: str = Field(max_length=100, description="its name in the card")
    state: Literal["arrived", "late", "failed", "gone"]
    reasons: tuple[Reason, ...] = ()
    at: AwareDatetime

    @property
    def key(self) -> str:
        return self.dataset

    @property
    def id(self) -> EventId:
        return event_id(self.TYPE, self.publication, self.portal, self.state, self.at.isoformat())


class CatalogDataset(Event):
    """The card in force (compacted)."""

    TOPIC: ClassVar[str] = "catalog.datasets"
    TYPE: ClassVar[str] = "fr.ecluse.catalog.dataset.v1"

    dataset: DatasetId
    domain: str
    card: CardRef
    body: dict[str, Any] = Field(description="the resolved card, as `shared.card.Card` reads it")
    paused: bool = False

    @property
    def key(self) -> str:
        return self.dataset

    @property
    def id(self) -> EventId:
        return event_id(self.TYPE, self.dataset, str(self.card.revision), str(self.paused))


class CatalogPublished(Event):
    """The release now public (compacted); a tombstone once withdrawn."""

    TOPIC: ClassVar[str] = "catalog.published"
    TYPE: ClassVar[str] = "fr.ecluse.catalog.published.v1"

    dataset: DatasetId
    change: ChangeId
    release: ReleaseId
    publication: PublicationId
    sequence: Sequence
    published_at: AwareDatetime
    rows: int
    columns: Digest

    @property
    def key(self) -> str:
        return self.dataset

    @property
    def id(self) -> EventId:
        return event_id(self.TYPE, self.publication, self.published_at.isoformat())


class NewsPosted(Event):
    """One news item, for the portal (compacted by news id)."""

    TOPIC: ClassVar[str] = "catalog.news"
    TYPE: ClassVar[str] = "fr.ecluse.catalog.news.v1"

    news: str = Field(pattern=r"^n[0-9a-f]{31}$")
    dataset: DatasetId
    publication: PublicationId
    kind: Literal["first", "update", "correction", "backfill", "withdrawn"]
    title: dict[str, str]
    body: dict[str, str]
    at: AwareDatetime

    @property
    def key(self) -> str:
        return self.news

    @property
    def id(self) -> EventId:
        return event_id(self.TYPE, self.news)


class LedgerRow(Event):
    """What a stage did with a release: started, done, waiting, quarantined and why.

    `change` is None only for a message so broken that no change can be told from it.
    """

    TOPIC: ClassVar[str] = "ledger"
    TYPE: ClassVar[str] = "fr.ecluse.ledger.row.v1"

    dataset: DatasetId | None = None
    change: ChangeId | None = None
    run: ChangeId | None = None
    release: ReleaseId | None = None
    sequence: Sequence | None = None
    kind: ChangeKind | None = None
    revision: int | None = Field(default=None, description="of the card that the run is under")
    stage: Stage
    state: StageState
    end: End | None = None
    attempt: int = Field(default=1, ge=1)
    reasons: tuple[Reason, ...] = ()
    rows: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    at: AwareDatetime
    origin: str | None = Field(default=None, description="topic/partition/offset of the input")

    @property
    def key(self) -> str:
        return self.dataset or "-"

    @property
    def id(self) -> EventId:
        return event_id(
            self.TYPE,
            self.origin or "",
            self.run or "",
            self.stage,
            self.state,
            str(self.attempt),
        )


class DeadLetter(Event):
    """A message that cannot be handled: where it lies and why, never what it says.

    Written to `<topic>.dead`; the original is read again from its own topic by `ecluse replay`.
    """

    TOPIC: ClassVar[str] = ".dead"
    TYPE: ClassVar[str] = "fr.ecluse.message.dead.v1"

    topic: str
    partition: int
    offset: int
    group: str
    reasons: tuple[Reason, ...]
    change: ChangeId | None = None
    at: AwareDatetime

    @property
    def key(self) -> str:
        return f"{self.topic}/{self.partition}"

    @property
    def id(self) -> EventId:
        return event_id(self.TYPE, self.topic, str(self.partition), str(self.offset), self.group)


EVENTS: tuple[type[Event], ...] = (
    DatasetChanged,
    DatasetCaptured,
    DropNotified,
    DatasetConfirmed,
    DatasetIngested,
    DatasetAnonymized,
    DatasetConverted,
    DatasetDecided,
    DatasetPublished,
    DatasetDelivered,
    CatalogDataset,
    CatalogPublished,
    NewsPosted,
    LedgerRow,
    DeadLetter,
)

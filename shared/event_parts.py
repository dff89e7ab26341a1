"""What events are made of: kinds, places in an order, references to objects, cards and re-runs."""

from __future__ import annotations

from datetime import datetime
from functools import total_ordering
from typing import Literal

from pydantic import AliasPath, BaseModel, ConfigDict, Field

from shared.ids import ChangeId, Digest

ChangeKind = Literal["update", "correction", "backfill"]
Stage = Literal["ingest", "anonymize", "convert", "publish", "notify"]
End = Literal["published", "unchanged", "superseded", "refused", "dead"]
StageState = Literal["started", "done", "waiting", "parked", "quarantined", "failed", "ended"]
BucketName = Literal["drop", "raw", "safe", "reports", "staged", "public"]


class Model(BaseModel):
    """Frozen; tolerant of added fields; its errors never show what was sent."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


@total_ordering
class Sequence(Model):
    """Where a change stands among the changes of its dataset.

    `generation` is a setting, raised when topics are made anew; `number` the domain's own
    CloudEvents `sequence` if it sends one, else the offset of the change's first appearance.
    """

    generation: int = Field(ge=0)
    number: int = Field(ge=0)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return (self.generation, self.number) < (other.generation, other.number)


class ObjectRef(Model):
    """An object of the store; a reader checks size and SHA-256 while it streams."""

    bucket: BucketName
    key: str = Field(max_length=512)
    bytes: int = Field(ge=0)
    sha256: Digest


class FileRef(ObjectRef):
    """A file of a release. `name` is what a citizen downloads: `<dataset>.<format>`."""

    format: str
    name: str
    media_type: str
    rows: int | None = None


class CardRef(Model):
    """The card that a change runs under, pinned at `reports/<dataset>/cards/<digest>.json`."""

    digest: Digest
    shaping: Digest
    revision: int = Field(ge=1)


class Rerun(Model):
    """Run a change again: which one, where it stood, whose source to take, under which card."""

    change: ChangeId
    sequence: Sequence
    source_of: ChangeId
    card_revision: int = Field(ge=1)
    fetch: Literal["kept", "again"] = "kept"
    asked_by: str = Field(max_length=128, description="the row that asked: makes the run's id")


class DroppedObject(Model):
    """One record of a bucket notification: which object it is about, its key URL-encoded."""

    bucket: str = Field(max_length=63, validation_alias=AliasPath("s3", "bucket", "name"))
    name: str = Field(max_length=4096, validation_alias=AliasPath("s3", "object", "key"))


class Drift(Model):
    """How the columns differ from those of the release now public. Declared names alone; columns
    that the card does not name are counted."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renamed: dict[str, str] = Field(
        default={}, description="old name → new name, by place and type"
    )
    retyped: dict[str, tuple[str, str]] = Field(default={}, description="name → type before, after")
    undeclared: int = Field(default=0, description="more undeclared columns than before, or fewer")


def utc(moment: datetime) -> datetime:
    """`moment` without sub-millisecond digits, as events and portals show it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

"""publish's tables (schema `publish`). The portal sees them only through the views of `portal`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import boxes

metadata = MetaData(schema="publish")
BOXES = boxes(metadata)


def moment(name: str, *, now: bool = False) -> Column[object]:
    """A column of a moment in UTC; `now`: never empty, the time of the row if nothing is told."""
    if now:
        return Column(name, DateTime(timezone=True), server_default=func.now(), nullable=False)
    return Column(name, DateTime(timezone=True))


cards = Table(
    "cards",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("domain", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("shaping", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("paused", Boolean, nullable=False, server_default="false"),
    Column("declared_by", Text, nullable=False),
    moment("declared_at", now=True),
)

# One row a dataset: what is public now. Locked before anything about the dataset is decided.
datasets = Table(
    "datasets",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("publication", Text),
    Column("release", Text),
    Column("generation", BigInteger),
    Column("number", BigInteger),
    Column("revision", Integer),
    moment("first_published_at"),
    moment("published_at"),
    moment("modified_at"),
    moment("confirmed_at"),
    moment("withdrawn_at"),
)

changes = Table(
    "changes",
    metadata,
    Column("change", Text, primary_key=True),
    Column("dataset", Text),
    Column("kind", Text),
    Column("generation", BigInteger),
    Column("number", BigInteger),
    Column("release", Text),
    Column("stage", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("end", Text),
    Column("reasons", JSONB, nullable=False, server_default="[]"),
    Column("waits", Integer, nullable=False, server_default="0"),
    moment("first_at", now=True),
    moment("at", now=True),
    Index("changes_dataset", "dataset", "generation", "number"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("event", Text, primary_key=True),
    Column("change", Text),
    Column("dataset", Text),
    Column("body", JSONB, nullable=False),
    moment("at", now=True),
    Index("ledger_change", "change"),
)

publications = Table(
    "publications",
    metadata,
    Column("publication", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("shaping", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("columns", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("files", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("evidence", JSONB, nullable=False, server_default="{}"),
    moment("occurred_at"),
    moment("updated_at"),
    moment("made_at", now=True),
    moment("published_at"),
    Index("publications_dataset", "dataset", "state"),
    Index("publications_release", "release"),
)

withdrawn = Table(
    "withdrawn",
    metadata,
    Column("release", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    moment("at", now=True),
)

files = Table(
    "files",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("release", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("rows", BigInteger),
    moment("modified_at"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("publication", Text),
    Column("release", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("automatic", Boolean, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text),
    moment("at", now=True),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("publication", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("portal", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("code", Text),
    moment("next_try", now=True),
    moment("lease_until"),
    moment("done_at"),
    UniqueConstraint("publication", "portal", "act"),
    Index("deliveries_due", "state", "next_try"),
)

ticks = Table(
    "ticks",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("due", DateTime(timezone=True), primary_key=True),
    moment("sent_at"),
)

# Datasets whose source changes: fetched once it is quiet (`captures.py`).
captures = Table(
    "captures",
    metadata,
    Column("dataset", Text, primary_key=True),
    moment("first_at", now=True),
    moment("last_at", now=True),
)

# How far each captured topic was read, for each dataset that listens to it.
capture_marks = Table(
    "capture_marks",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("place", Text, primary_key=True),
    Column("offset", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    moment("at", now=True),
    Column("actor", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text),
)

news = Table(
    "news",
    metadata,
    Column("news", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("title", JSONB, nullable=False),
    Column("body", JSONB, nullable=False),
    moment("at"),
)

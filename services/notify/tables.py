"""notify's tables (schema `notify`)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, MetaData, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import boxes

metadata = MetaData(schema="notify")
BOXES = boxes(metadata)

news = Table(
    "news",
    metadata,
    Column("news", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("publication", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

# What another portal has promised to harvest, when it is looked at next, and what was found.
harvest_checks = Table(
    "harvest_checks",
    metadata,
    Column("publication", Text, primary_key=True),
    Column("portal", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("next_at", DateTime(timezone=True), nullable=False),
    Column("lease_until", DateTime(timezone=True)),
    Column("verdict", Text),
    Column("reasons", JSONB, nullable=False, server_default="[]"),
    # Why the last look did not succeed.
    Column("away", JSONB),
    # The portal's own id of the dataset.
    Column("remote", Text),
    Column("checked_at", DateTime(timezone=True)),
    # What the portal's dry run said against it; null before there was one.
    Column("preview", JSONB),
    Column("previewed_at", DateTime(timezone=True)),
    Column("preview_next", DateTime(timezone=True), server_default=func.now(), nullable=False),
    # Nothing more is expected: taken and read, replaced by a later release, withdrawn, or given up.
    Column("settled_at", DateTime(timezone=True)),
    Column("made_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)

# Every change of a check's verdict or reasons.
harvest_history = Table(
    "harvest_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("publication", Text, nullable=False),
    Column("portal", Text, nullable=False),
    Column("verdict", Text),
    Column("reasons", JSONB, nullable=False),
    Column("at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)

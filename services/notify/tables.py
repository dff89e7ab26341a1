"""notify's tables (schema `notify`)."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, MetaData, Table, Text, func
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

# What another portal has promised to harvest, and until when it may take.
harvest_checks = Table(
    "harvest_checks",
    metadata,
    Column("publication", Text, primary_key=True),
    Column("portal", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("verdict", Text),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("checked_at", DateTime(timezone=True)),
    Column("made_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)

"""anonymize's tables (schema `anonymize`)."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, DateTime, MetaData, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "anonymize"
MIGRATIONS = Path(__file__).parent / "migrations"

metadata = MetaData(schema=SCHEMA)

# What each release about people showed, pending and withdrawn ones too: levels and counts, no rows.
exposures = Table(
    "exposures",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("release", Text, primary_key=True),
    Column("body", JSONB, nullable=False),
    Column("at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)

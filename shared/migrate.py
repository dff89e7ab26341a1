"""Brings a service's schema to its newest version (Alembic), in its own version table."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text


def _config(url: str, scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.attributes["url"] = url
    return config


def upgrade(url: str, scripts: Path, schema: str) -> None:
    """Creates `schema` if needed and runs its migrations. Safe to run again, and by two at once."""
    engine = create_engine(url, hide_parameters=True)
    config = _config(url, scripts)
    with engine.begin() as connection:
        # Two deployments at once: the second waits, then finds nothing to do.
        lock = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
        connection.execute(lock, {"name": f"ecluse-migrate-{schema}"})
        connection.execute(text(f"create schema if not exists {schema}"))
        config.attributes["connection"] = connection
        config.attributes["schema"] = schema
        command.upgrade(config, "head")
    engine.dispose()


def is_current(url: str, scripts: Path, schema: str) -> bool:
    """Whether the schema is at its newest version."""
    engine = create_engine(url, hide_parameters=True)
    head = ScriptDirectory.from_config(_config(url, scripts)).get_current_head()
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "alembic_version", "version_table_schema": schema}
        )
        found = context.get_current_revision()
    engine.dispose()
    return found == head

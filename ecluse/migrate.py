"""Brings the database's schemas to their newest version."""

from __future__ import annotations

from shared.settings import Settings


def migrate_all(chosen: Settings) -> list[str]:
    """Migrates every schema whose service is installed here."""
    import services.anonymize.tables  # noqa: PLC0415 - not in every image
    import services.notify.app  # noqa: PLC0415 - not in every image
    import services.publish.app  # noqa: PLC0415 - not in every image
    from shared.migrate import upgrade  # noqa: PLC0415 - not in every image

    url = chosen.database.get_secret_value()
    modules = (services.publish.app, services.notify.app, services.anonymize.tables)
    for module in modules:
        upgrade(url, module.MIGRATIONS, module.SCHEMA)
    return [module.SCHEMA for module in modules]

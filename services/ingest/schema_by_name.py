"""Fetches a schema that a card names (`schema: {name: …, version: …}`) from the national catalogue.

schema.data.gouv.fr publishes one list of all schemas, their versions, and where each lies. What was
fetched once is kept in `reports`, which time does not empty: a version never changes, and a
catalogue that is away holds up nobody who has been there before. A schema holds no data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services.ingest.fetch_source import fetch_source
from shared import keys
from shared.card import Card
from shared.card_parts import TableSchema
from shared.failures import Quarantined, SourceAway
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import Store


async def with_schema(card: Card, folder: Path, settings: Settings, store: Store) -> Card:
    """The card, the schema that it names put into it.

    Raises Quarantined(`schema_unknown`) when the catalogue has none such,
    SourceAway(`schema_away`).
    """
    named = card.table_schema
    if named is None or named.fields or not named.name or not named.version:
        return card
    key = keys.schema(named.name, named.version)
    kept = await store.get("reports", key)
    if kept is None:
        path = folder / "schema.json"
        try:
            address = await _address(named.name, named.version, folder, settings, store)
            await fetch_source(address, path, settings, store)
        except SourceAway:
            called = f"{named.name} {named.version}"
            raise SourceAway(Reason(code="schema_away", expected=called)) from None
        kept = path.read_bytes()
    schema = _read(kept, named.name, named.version)
    await store.create("reports", key, kept)
    return card.model_copy(update={"table_schema": schema})


async def _address(name: str, version: str, folder: Path, settings: Settings, store: Store) -> str:
    path = folder / "schemas.json"
    await fetch_source(settings.schema_catalogue, path, settings, store)
    for schema in _listed(_json(path.read_bytes()), "schemas"):
        if schema.get("name") != name or schema.get("schema_type") not in (None, "tableschema"):
            continue
        for one in _listed(schema, "versions"):
            address = one.get("schema_url")
            if _plain(one.get("version_name")) == _plain(version) and isinstance(address, str):
                return address
    raise Quarantined(Reason(code="schema_unknown", expected=f"{name} {version}"))


def _plain(version: object) -> str:
    return str(version).removeprefix("v")


def _listed(content: object, name: str) -> list[dict[str, Any]]:
    found = content.get(name) if isinstance(content, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _json(content: bytes) -> object:
    try:
        found: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found


def _read(content: bytes, name: str, version: str) -> TableSchema:
    found = _json(content)
    try:
        schema = TableSchema.model_validate(
            {**(found if isinstance(found, dict) else {}), "name": name, "version": version}
        )
    except ValidationError:
        raise Quarantined(Reason(code="schema_unknown", expected=f"{name} {version}")) from None
    if not schema.fields:
        raise Quarantined(Reason(code="schema_unknown", expected=f"{name} {version}"))
    return schema

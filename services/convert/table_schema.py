"""The published columns as a Table Schema (Data Package v2): names, types, titles, rules, meanings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.card import Card

PROFILE = "https://datapackage.org/profiles/2.0/tableschema.json"


def make_schema(card: Card, types: Mapping[str, str]) -> bytes:
    """`schema.json`. The types are those of the table as published."""
    names = {name: name for name in types}
    content = {"$schema": PROFILE, **table_schema(card, types, names)}
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def table_schema(
    card: Card, types: Mapping[str, str], headers: Mapping[str, str]
) -> dict[str, Any]:
    """The schema of a file whose columns are called `headers`: column → header."""
    schema: dict[str, Any] = {
        "fields": [_field(name, headers[name], kind, card) for name, kind in types.items()],
        "missingValues": [""],
    }
    key = card.table_schema.primary_key if card.table_schema else ()
    if key and set(key) <= set(types):
        schema["primaryKey"] = [headers[name] for name in key]
    return schema


def _field(name: str, header: str, kind: str, card: Card) -> dict[str, Any]:
    said = card.columns.get(name)
    field: dict[str, Any] = {"name": header, "type": kind}
    if header != name:
        field["title"] = name
    if said and said.title:
        field["title"] = said.title["fr"]
    if said and said.description:
        field["description"] = said.description["fr"]
    if said and said.unit:
        field["unit"] = said.unit
    if said and said.codes:
        field["categories"] = [
            {"value": code, "label": meaning["fr"]} for code, meaning in said.codes.items()
        ]
    return field

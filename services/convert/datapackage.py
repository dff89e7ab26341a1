"""`datapackage.json` (Data Package v2): every public fact about a release, beside its files.

An allow-list: no approver, reason, opinion, source address or query; the date is that of
the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from services.convert.formula_guard import guarded_headers
from services.convert.release_facts import ReleaseFacts
from services.convert.table_schema import table_schema
from services.convert.written_file import WrittenFile
from shared.card import Card
from shared.public_protection import public_protection
from shared.strategy import LICENCES

PACKAGE = "https://datapackage.org/profiles/2.0/datapackage.json"
RESOURCE = "https://datapackage.org/profiles/2.0/dataresource.json"


def make_datapackage(
    card: Card,
    facts: ReleaseFacts,
    files: Sequence[WrittenFile],
    types: Mapping[str, str],
    guarded: Mapping[str, int],
    profile: Mapping[str, Mapping[str, Any]],
    renamed: Mapping[str, Mapping[str, str]],
) -> bytes:
    """The descriptor as JSON. `types` are the published columns' Table Schema types, `renamed` what
    readers of a format call a column."""
    name = card.licence or "lov2"
    title, path = LICENCES[name]
    package: dict[str, Any] = {
        "$schema": PACKAGE,
        "name": card.dataset,
        "id": facts.release,
        "title": card.title["fr"],
        "description": card.description["fr"],
        "keywords": list(card.keywords),
        "licenses": [{"name": _LICENCE_IDS[name], "title": title, "path": path}],
        "contributors": _contributors(card),
        "sources": [
            {"title": one.title, "path": one.url} if one.url else {"title": one.title}
            for one in card.derived_from
        ],
        "attribution": card.attribution,
        "legalNotes": card.legal_notes,
        "modified": facts.updated,
        "updateFrequency": card.frequency,
        "protection": public_protection(card),
        "resources": [
            _resource(file, card, types, guarded, profile)
            | ({"renamedByGdal": renamed[file.format]} if file.format in renamed else {})
            for file in files
        ],
    }
    if card.spatial:
        package["spatial"] = card.spatial.model_dump(mode="json", exclude_none=True)
    if card.temporal:
        package["temporal"] = card.temporal.model_dump(
            mode="json", exclude_none=True, by_alias=True
        )
    said = {key: value for key, value in package.items() if value not in (None, "", [], {})}
    return (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode()


_LICENCE_IDS = {"lov2": "etalab-2.0", "odbl": "ODbL-1.0"}


def _contributors(card: Card) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if card.producer:
        found.append({"title": card.producer.name, "roles": ["publisher"]})
    if card.contact:
        found.append(
            {"title": card.contact.name, "email": card.contact.email, "roles": ["contact"]}
        )
    return found


def _resource(
    file: WrittenFile,
    card: Card,
    types: Mapping[str, str],
    guarded: Mapping[str, int],
    profile: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "$schema": RESOURCE,
        "name": f"{card.dataset}-{file.format}",
        "path": file.name,
        # The standard's word for text with tabs, whatever the file is called.
        "format": "tsv" if file.format == "txt" else file.format,
        "mediatype": file.media_type,
        "bytes": file.bytes,
        "hash": f"sha256:{file.sha256}",
        "rowCount": file.rows,
    }
    cells = dict(sorted(guarded.items()))
    if file.format in ("csv", "txt"):
        headers = guarded_headers(types)
        delimiter = "\t" if file.format == "txt" else card.csv_delimiter or ","
        resource |= {
            "type": "table",
            "encoding": "utf-8",
            "dialect": {"delimiter": delimiter, "lineTerminator": "\r\n", "quoteChar": '"'},
            "schema": _profiled(table_schema(card, types, headers), types, profile),
        }
        if guarded:
            resource["formulaGuard"] = {"prefix": "'", "cells": cells}
    if file.format in ("xlsx", "ods") and guarded:
        resource["formulaGuard"] = {"cellType": "string", "cells": cells}
    return resource


def _profiled(
    schema: dict[str, Any], types: Mapping[str, str], profile: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The schema with how many values each column lacks, how many differ, the least and greatest."""
    shown = ("nulls", "distinct", "min", "max")
    for name, field in zip(types, schema["fields"], strict=True):
        told = profile.get(name, {})
        field["profile"] = {fact: told[fact] for fact in shown if fact in told}
    return schema

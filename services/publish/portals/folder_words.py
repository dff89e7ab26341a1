"""A dataset as a folder: `dataset.json` beside its files, and `index.json` of all folders. Pure."""

from __future__ import annotations

import json

from services.publish.portals.connector import Description, Fields, Ids, Seen, Wanted
from shared.strategy import LICENCES

INDEX, DOCUMENT = "index.json", "dataset.json"
SHOWN = ("identifier", "title", "modified", "release")


def describe(wanted: Wanted) -> Description:
    """The dataset's public facts and its files."""
    card = wanted.card
    name, address = LICENCES.get(str(card.licence), (str(card.licence), ""))
    told: Fields = {
        "identifier": wanted.uri,
        "release": wanted.release,
        "title": dict(card.title),
        "description": dict(card.description),
        "keywords": list(card.keywords),
        "licence": {"name": name, "url": address},
        "attribution": card.attribution,
        "frequency": card.frequency,
        "modified": wanted.modified_at.isoformat(),
        "page": wanted.page,
    }
    resources: dict[str, Fields] = {
        one.uri: {
            "title": one.title,
            "path": one.file.name,
            "format": one.file.format,
            "mediatype": one.file.media_type,
            "bytes": one.file.bytes,
            "hash": f"sha256:{one.file.sha256}",
        }
        for one in wanted.files
    }
    return Description(told, resources)


def document(told: Description) -> bytes:
    """`dataset.json`."""
    resources = [{"identifier": uri, **fields} for uri, fields in told.resources.items()]
    return _json({**told.dataset, "resources": resources})


def entry(told: Fields) -> Fields:
    """What the index shows of a dataset: identifier, title, date, release."""
    return {name: told.get(name) for name in SHOWN}


def index(entries: dict[str, Fields]) -> bytes:
    """`index.json`, from each folder's entry."""
    return _json({"datasets": [{"folder": name, **entries[name]} for name in sorted(entries)]})


def entries(content: bytes | None) -> dict[str, Fields] | None:
    """The entries of an `index.json` by folder; None if it is none."""
    try:
        listed = json.loads(content or b"")["datasets"]
        return {str(one["folder"]): entry(one) for one in listed}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def seen(content: bytes, folder: str, public_url: str, sizes: dict[str, int] | None) -> Seen | None:
    """What `dataset.json` says, as far as the files of `sizes` (name → bytes) are there."""
    try:
        told = json.loads(content)
        listed = {one.pop("identifier"): one for one in told.pop("resources")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    there = {
        uri: one
        for uri, one in listed.items()
        if sizes is None or sizes.get(str(one.get("path"))) == one.get("bytes")
    }
    return Seen(
        ids=Ids(folder, {uri: f"{folder}/{one['path']}" for uri, one in there.items()}),
        dataset=told,
        resources=there,
        addresses={uri: f"{public_url}/{folder}/{one['path']}" for uri, one in there.items()},
        raw={"sizes": dict(sizes or {})},
    )


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"

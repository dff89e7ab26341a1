"""A dataset in CKAN's words, and CKAN's answers in the same form. Pure; checked against CKAN 2.12."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Mapping

from services.publish.portals.connector import (
    Description,
    Fields,
    Ids,
    Seen,
    Wanted,
    WantedFile,
)
from shared.messages import Reason
from shared.strategy import LICENCES as LICENCE_FACTS

KEY, RELEASE, FILE_KEY = "ecluse_dataset", "ecluse_release", "ecluse_distribution"
# By preference. CKAN's own list knows no Licence Ouverte: what asks for the same is the next best.
LICENCES: dict[str, tuple[str, ...]] = {
    "lov2": ("lov2", "etalab-2.0", "fr-lo-2.0"),
    "odbl": ("odc-odbl", "ODbL-1.0"),
}
FALLBACK_LICENCES: dict[str, tuple[str, ...]] = {
    "lov2": ("other-at", "other-open", "notspecified"),
    "odbl": ("other-open", "notspecified"),
}
NAME, TAG = 100, (2, 100)
PLAIN = ("title", "notes", "license_id", "url", "author", "maintainer", "maintainer_email")
OF_A_FILE = ("name", "url", "format", "mimetype", "size", "hash", FILE_KEY)


def resource_id(portal: str, uri: str) -> str:
    """The id of a resource, chosen by us from its URI and the portal's name: the same for ever.

    UUID version 5 over the URI (RFC 9562, 5.5).
    """
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, portal), uri))


def dataset_name(prefix: str, uri: str) -> str:
    """The dataset's name in addresses: the last part of its URI, after the portal's prefix."""
    return f"{prefix}{uri.rpartition('/')[2]}"[:NAME]


def tag(word: str) -> str | None:
    """A keyword with the characters that CKAN takes; None if too little is left."""
    made = " ".join(re.sub(r"[^\w .-]", " ", word).split())[: TAG[1]].strip()
    return made if len(made) >= TAG[0] else None


def describe(
    wanted: Wanted, licences: Collection[str], own: Mapping[str, str], *, upload: bool
) -> Description:
    """The dataset in CKAN's words. `licences` are the portal's, `own` the settings' for it."""
    card = wanted.card
    warnings: list[Reason] = []
    extras: dict[str, str] = {
        KEY: wanted.uri,
        RELEASE: wanted.release,
        "identifier": wanted.uri,
        "modified": wanted.modified_at.date().isoformat(),
    }
    if card.frequency:
        extras["frequency"] = card.frequency
    if card.licence in LICENCE_FACTS:
        extras["licence"], extras["licence_url"] = LICENCE_FACTS[str(card.licence)]
    if card.spatial:
        extras["spatial_zones"] = " ".join(card.spatial.zones)
        extras["spatial_granularity"] = card.spatial.granularity
    if card.temporal:
        extras["temporal_start"] = card.temporal.start.isoformat()
        if card.temporal.end:
            extras["temporal_end"] = card.temporal.end.isoformat()
    if card.theme:
        extras["theme"] = card.theme
    told: Fields = {
        "title": card.title["fr"],
        "notes": card.description["fr"].strip(),
        "license_id": _licence(str(card.licence), licences, own, warnings),
        "url": wanted.page,
        "author": card.producer.name if card.producer else "",
        "maintainer": card.contact.name if card.contact else "",
        "maintainer_email": card.contact.email if card.contact else "",
        "tags": sorted({made for word in card.keywords if (made := tag(word))}),
        "extras": extras,
    }
    resources = {one.uri: _resource(one, upload=upload) for one in wanted.files}
    return Description(told, resources, tuple(warnings))


def _licence(
    ours: str, licences: Collection[str], own: Mapping[str, str], warnings: list[Reason]
) -> str:
    wished = (own[ours],) if ours in own else LICENCES.get(ours, (ours,))
    for code in wished:
        if code in licences:
            return code
    rest = FALLBACK_LICENCES.get(ours, ("notspecified",))
    found = next((code for code in rest if code in licences), "notspecified")
    warnings.append(Reason(code="portal_licence_unknown", expected=wished[0], found=found))
    return found


def _resource(one: WantedFile, *, upload: bool) -> Fields:
    file = one.file
    told: Fields = {
        "name": one.title,
        "url": one.address,
        "format": file.format,
        "mimetype": file.media_type,
        "size": file.bytes,
        "hash": f"sha256:{file.sha256}",
        FILE_KEY: one.uri,
    }
    if upload:
        # The portal gives an uploaded file its own address, and guesses its type.
        del told["url"], told["mimetype"]
    return told


def sent(told: Fields) -> Fields:
    """The dataset's fields as the API takes them."""
    extras, tags = _dict(told["extras"]), _list(told["tags"])
    return told | {
        "tags": [{"name": one} for one in tags],
        "extras": [{"key": key, "value": value} for key, value in sorted(extras.items())],
    }


def foreign_extras(body: Fields, told: Fields) -> list[object]:
    """Extras that are not ours: a patch replaces the whole list, so they are sent back."""
    ours = _dict(told["extras"])
    return [one for one in _list(body.get("extras")) if _dict(one).get("key") not in ours]


def foreign_resources(body: Fields) -> list[Fields]:
    """Resources that are not ours, whole."""
    found = [_dict(one) for one in _list(body.get("resources"))]
    return [one for one in found if not one.get(FILE_KEY)]


def seen(body: Fields, ours: Collection[str] = ()) -> Seen:
    """CKAN's answer about a dataset, in the form of `describe`."""
    extras = {
        str(_dict(one).get("key")): _dict(one).get("value") for one in _list(body.get("extras"))
    }
    dataset: Fields = {name: body.get(name) or "" for name in PLAIN}
    dataset["notes"] = str(dataset["notes"]).strip()
    dataset["tags"] = sorted(str(_dict(one).get("name")) for one in _list(body.get("tags")))
    dataset["extras"] = {key: value for key, value in extras.items() if _is_ours(key, ours)}
    ids: dict[str, str] = {}
    resources: dict[str, Fields] = {}
    addresses: dict[str, str] = {}
    others: list[str] = []
    for each in _list(body.get("resources")):
        resource = _dict(each)
        uri = resource.get(FILE_KEY)
        if not isinstance(uri, str) or uri in ids:
            others.append(str(resource.get("id")))
            continue
        ids[uri] = str(resource.get("id"))
        addresses[uri] = str(resource.get("url"))
        hosted = resource.get("url_type") == "upload"
        resources[uri] = {
            name: resource.get(name)
            for name in OF_A_FILE
            if not (hosted and name in ("url", "mimetype"))
        }
        resources[uri]["format"] = str(resource.get("format") or "").lower()
    return Seen(
        ids=Ids(str(body["id"]), ids),
        dataset=dataset,
        resources=resources,
        addresses=addresses,
        others=tuple(others),
        hidden=bool(body.get("private")) or body.get("state") != "active",
        raw=body,
    )


_OUR_EXTRAS = frozenset(
    {
        KEY, RELEASE, "identifier", "modified", "frequency", "licence", "licence_url", "theme",
        "spatial_zones", "spatial_granularity", "temporal_start", "temporal_end",
    }
)  # fmt: skip


def _is_ours(key: str, ours: Collection[str]) -> bool:
    return key in _OUR_EXTRAS or key in ours


def key_of(body: Fields) -> object:
    """Our key in a dataset's extras; None if it is not ours."""
    return next(
        (
            _dict(one).get("value")
            for one in _list(body.get("extras"))
            if _dict(one).get("key") == KEY
        ),
        None,
    )


def _dict(value: object) -> Fields:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []

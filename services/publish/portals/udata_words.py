"""A dataset in udata's words. Pure; checked against udata 17. Its answers: `udata_answers`."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from services.publish.portals.connector import (
    Description,
    Fields,
    Wanted,
    WantedFile,
)
from shared.messages import Reason

# Where our own keys stand in `extras`.
KEY, RELEASE, FILE_KEY = "ecluse:dataset", "ecluse:release", "ecluse:distribution"
# Of a file that the portal hosts: which bytes were sent. udata computes a SHA-1 of its own; ours stands
# beside, so that another file put there by hand is not taken for the one that was sent.
SENT, SENT_SHA1 = "ecluse:sha256", "ecluse:sha1"
LICENCES = {"lov2": "lov2", "odbl": "odc-odbl"}
# Taken where the portal does not have the licence: nothing more open than what was said.
FALLBACK_LICENCES = ("other-open", "notspecified")
GRANULARITIES = {
    "point": "poi",
    "street": "other",
    "iris": "fr:iris",
    "commune": "fr:commune",
    "epci": "fr:epci",
    "departement": "fr:departement",
    "region": "fr:region",
    "country": "country",
}
MOST_NAMED = 5
BETWEEN = re.compile(r"[-'’\s]+")
TITLE, DESCRIPTION, TAG = 350, 100_000, (3, 96)
TEXTS = ("title", "description", "tags")


@dataclass(frozen=True)
class Known:
    """What this udata has: ids of licences, granularities, schemas; each zone of the card → the ids of
    those that it may mean there.

    `hosts`: endings of files whose bytes it takes; None if they are to be linked.
    """

    licences: Collection[str]
    granularities: Collection[str]
    zones: Mapping[str, tuple[str, ...]]
    schemas: Collection[str]
    contact: str | None
    hosts: Collection[str] | None = None


def resource_id(uri: str) -> str:
    """The id that we propose for a resource: the same for ever, known before it is made.

    UUID version 5 over the URI (RFC 9562, 5.5). udata 17.18 gives one of its own instead.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, uri))


def tag(word: str) -> str | None:
    """A keyword as udata writes tags; None if it cannot be one."""
    whole = word.lower().replace("œ", "oe").replace("æ", "ae")
    ascii_only = unicodedata.normalize("NFKD", whole)
    plain = ascii_only.encode("ascii", "ignore").decode()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[: TAG[1]].strip("-")
    return made if len(made) >= TAG[0] else None


def describe(wanted: Wanted, known: Known) -> Description:
    """The dataset in udata's words; what this udata does not have is left out with a warning."""
    card = wanted.card
    warnings: list[Reason] = []
    told: Fields = {
        "title": card.title["fr"][:TITLE],
        "description": card.description["fr"].strip()[:DESCRIPTION],
        "license": _licence(wanted, known, warnings),
        "frequency": card.frequency or "unknown",
        "tags": sorted({made for word in card.keywords if (made := tag(word))}),
        "spatial": _spatial(wanted, known, warnings),
        "extras": {KEY: wanted.uri, RELEASE: wanted.release},
    }
    if card.temporal:
        period = {"start": card.temporal.start.isoformat()}
        if card.temporal.end:
            period["end"] = card.temporal.end.isoformat()
        told["temporal_coverage"] = period
    if known.contact:
        told["contact_points"] = [known.contact]
    schema = _schema(wanted, known, warnings)
    resources = {}
    for one in wanted.files:
        hosts = known.hosts is not None and ending(one) in known.hosts
        if known.hosts is not None and not hosts:
            warnings.append(Reason(code="portal_format_linked", detail=one.file.format))
        resources[one.uri] = _hosted(one, schema) if hosts else _resource(one, schema)
    return Description(told, resources, tuple(warnings))


def _licence(wanted: Wanted, known: Known, warnings: list[Reason]) -> str:
    ours = str(wanted.card.licence)
    code = LICENCES.get(ours, ours)
    if code in known.licences:
        return code
    found = next((one for one in FALLBACK_LICENCES if one in known.licences), "notspecified")
    warnings.append(Reason(code="portal_licence_unknown", expected=code, found=found))
    return found


def _spatial(wanted: Wanted, known: Known, warnings: list[Reason]) -> Fields:
    spatial = wanted.card.spatial
    if spatial is None:
        return {"zones": [], "granularity": "other"}
    found = set()
    for zone in sorted(set(spatial.zones)):
        match known.zones.get(zone, ()):
            case ():
                warnings.append(Reason(code="portal_zone_unknown", expected=zone))
            case (one,):
                found.add(one)
            case several:
                # A wrong territory is worse than none.
                named = ", ".join(several[:MOST_NAMED])
                warnings.append(Reason(code="portal_zone_several", expected=zone, found=named))
    granularity = GRANULARITIES.get(spatial.granularity, spatial.granularity)
    if granularity not in known.granularities:
        granularity = "other"
    return {"zones": sorted(found), "granularity": granularity}


def zones_meant(asked: str, suggested: object) -> tuple[str, ...]:
    """The ids of the zones that have this very code; or this very name, if none has the code.

    `suggested`: what the portal's search found, which takes parts of words as well.
    """
    zones = [as_dict(one) for one in as_list(suggested)]
    by_code = [str(one["id"]) for one in zones if one.get("code") == asked]
    by_name = [str(one["id"]) for one in zones if _plain(one.get("name")) == _plain(asked)]
    return tuple(sorted(set(by_code or by_name)))


def searched(asked: str) -> str:
    """What to ask the portal's search for, which knows letters alone: the longest word, the last one
    (« Saint » begins thousands of names)."""
    parts = [one for one in BETWEEN.split(asked) if one] or [asked]
    return max(reversed(parts), key=len)


def _plain(name: object) -> str:
    """A name without what people write differently: case, hyphens, apostrophes."""
    return BETWEEN.sub(" ", str(name)).casefold().strip()


def _schema(wanted: Wanted, known: Known, warnings: list[Reason]) -> Fields | None:
    schema = wanted.card.table_schema
    if schema is None or not schema.name:
        return None
    if schema.name not in known.schemas:
        warnings.append(Reason(code="portal_schema_unknown", expected=schema.name))
        return None
    return {"name": schema.name, "version": schema.version}


def _resource(one: WantedFile, schema: Fields | None) -> Fields:
    file = one.file
    told: Fields = {
        "title": one.title[:TITLE],
        "type": "main",
        "filetype": "remote",
        "url": one.address,
        "format": file.format,
        "mime": file.media_type,
        "filesize": file.bytes,
        "checksum": {"type": "sha256", "value": file.sha256},
        "extras": {FILE_KEY: one.uri},
    }
    # A schema is of a table's text form.
    if schema and file.format == "csv":
        told["schema"] = schema
    return told


def ending(one: WantedFile) -> str:
    """What udata goes by when it takes a file or not: what stands after the last dot of its name."""
    return one.file.name.rpartition(".")[2].lower()


def is_hosted(fields: Fields) -> bool:
    """Whether a resource's bytes are, or may be, the portal's to give."""
    return fields.get("filetype") == "file" or SENT in as_dict(fields.get("extras"))


def before_upload(one: WantedFile, fields: Fields, there: Fields | None) -> Fields:
    """A resource that is to be hosted, until its bytes are there: as it was, or a link to ours."""
    if there and is_hosted(there):
        return {**fields, "extras": {FILE_KEY: one.uri}}
    plain = _resource(one, None)
    return {**plain, **{name: fields[name] for name in ("title", "schema") if name in fields}}


def _hosted(one: WantedFile, schema: Fields | None) -> Fields:
    # Address, format and type are what the portal makes of the file.
    told: Fields = {
        "title": one.title[:TITLE],
        "type": "main",
        "filetype": "file",
        "filesize": one.file.bytes,
        "extras": {FILE_KEY: one.uri, SENT: one.file.sha256},
    }
    if schema and one.file.format == "csv":
        told["schema"] = schema
    return told


def as_dict(value: object) -> dict[str, object]:
    """The object, or an empty one for what is none."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """The list, or an empty one for what is none."""
    return value if isinstance(value, list) else []

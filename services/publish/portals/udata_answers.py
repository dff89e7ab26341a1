"""udata's answers about a dataset, in the form of `udata_words`. Pure; checked against udata 17."""

from __future__ import annotations

from datetime import UTC, datetime

from services.publish.portals.connector import Fields, Ids, Seen, Served
from services.publish.portals.udata_words import (
    FILE_KEY,
    KEY,
    RELEASE,
    SENT,
    SENT_SHA1,
    as_dict,
    as_list,
    is_hosted,
)

# What udata-hydra writes into a resource's `extras` once it has read the file.
PARSING, DERIVED = "analysis:parsing:", ("parquet", "geojson", "pmtiles")


def seen(body: dict[str, object], tabular_url: str = "") -> Seen:
    """udata's answer about a dataset, in the form of `describe`."""
    dataset: Fields = {
        "title": body.get("title"),
        "description": str(body.get("description") or "").strip(),
        "license": body.get("license"),
        "frequency": body.get("frequency"),
        "tags": sorted(str(one) for one in as_list(body.get("tags"))),
        "spatial": _seen_spatial(body.get("spatial")),
        "extras": {
            name: value
            for name, value in as_dict(body.get("extras")).items()
            if name in (KEY, RELEASE)
        },
    }
    if period := as_dict(body.get("temporal_coverage")):
        dataset["temporal_coverage"] = {
            name: str(period[name])[:10] for name in ("start", "end") if period.get(name)
        }
    if points := as_list(body.get("contact_points")):
        dataset["contact_points"] = [as_dict(one).get("id") for one in points]
    ids: dict[str, str] = {}
    resources: dict[str, Fields] = {}
    others: list[str] = []
    for each in as_list(body.get("resources")):
        resource = as_dict(each)
        uri = as_dict(resource.get("extras")).get(FILE_KEY)
        if not isinstance(uri, str) or uri in ids:
            others.append(str(resource.get("id")))
            continue
        ids[uri] = str(resource.get("id"))
        resources[uri] = _seen_resource(resource)
    return Seen(
        ids=Ids(str(body["id"]), ids),
        dataset=dataset,
        resources=resources,
        addresses={uri: str(one["url"]) for uri, one in resources.items()},
        others=tuple(others),
        hidden=bool(body.get("private") or body.get("deleted") or body.get("archived")),
        served=served(body, tabular_url),
        raw={
            "extras": as_dict(body.get("extras")),
            "resources": {
                str(as_dict(one).get("id")): as_dict(as_dict(one).get("extras"))
                for one in as_list(body.get("resources"))
            },
        },
    )


def with_others(told: Fields, there: object) -> Fields:
    """The fields with what others wrote into `extras` there: udata replaces them as a whole.

    A mark of bytes that were sent stays with a file that is hosted, and goes with a link.
    """
    kept = {n: value for n, value in as_dict(there).items() if n != SENT or is_hosted(told)}
    return {**told, "extras": {**kept, **as_dict(told.get("extras"))}}


def served(body: dict[str, object], tabular_url: str) -> tuple[Served, ...]:
    """What udata hosts of ours, and what its crawler (udata-hydra) derived from files of ours.

    The crawler's words stand in a resource's `extras`; its rows are read through an API of their own,
    at `tabular_url` by the resource's id.
    """
    found = []
    for each in as_list(body.get("resources")):
        resource = as_dict(each)
        extras, rid = as_dict(resource.get("extras")), str(resource.get("id"))
        if not extras.get(FILE_KEY) and not resource.get("harvest"):
            # A person's document.
            continue
        if is_hosted(resource):
            found.append(Served(rid, "file", str(resource.get("url") or "")))
        began = _moment(extras.get(f"{PARSING}started_at"))
        for kind in DERIVED:
            if address := extras.get(f"{PARSING}{kind}_url"):
                found.append(Served(rid, kind, str(address), began))
        if extras.get(f"{PARSING}parsing_table"):
            base = tabular_url.rstrip("/")
            address = f"{base}/api/resources/{rid}/data/" if base else ""
            found.append(Served(rid, "tabular", address, began))
    return tuple(found)


def _moment(value: object) -> datetime | None:
    """A date of the crawler's; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _seen_spatial(value: object) -> Fields:
    found = as_dict(value)
    return {
        "zones": sorted(str(zone) for zone in as_list(found.get("zones"))),
        "granularity": found.get("granularity") or "other",
    }


def _seen_resource(resource: dict[str, object]) -> Fields:
    names = ("title", "type", "filetype", "url", "format", "mime", "filesize")
    told: Fields = {name: resource.get(name) for name in names}
    checksum = as_dict(resource.get("checksum"))
    told["checksum"] = {name: checksum.get(name) for name in ("type", "value")}
    if is_hosted(resource) and told["title"] == str(told["url"]).rpartition("/")[2]:
        # What udata calls a file that was just uploaded: nobody wrote it.
        told["title"] = ""
    extras = as_dict(resource.get("extras"))
    told["extras"] = {FILE_KEY: extras.get(FILE_KEY)}
    if SENT in extras and extras.get(SENT_SHA1) == checksum.get("value"):
        told["extras"] = {FILE_KEY: extras.get(FILE_KEY), SENT: extras[SENT]}
    schema = as_dict(resource.get("schema"))
    if schema.get("name"):
        told["schema"] = {name: schema.get(name) for name in ("name", "version")}
    return told

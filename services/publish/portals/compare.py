"""What differs between what a portal was told, what was left there, and what it holds. Pure."""

from __future__ import annotations

from typing import NamedTuple

from services.publish.portals.connector import Description, Fields, Seen


class Difference(NamedTuple):
    """One field: of the dataset (`resource` None) or of the distribution with that URI."""

    field: str
    resource: str | None = None


# Of a resource these may be kept as a person wrote them; the others say which file it is.
TEXTS = frozenset({"title", "description", "name"})
# No person leaves these empty: where they are, the portal made them itself, of a file that we sent.
NAMES = frozenset({"title", "name"})
# Never left to anybody: what we find the dataset by, and what may be done with it by law.
OURS = frozenset({"extras", "license", "license_id", "hidden"})
MISSING = "resource"


def left(seen: Seen) -> Fields:
    """What is remembered of how the portal was left, for `edits`."""
    return {"dataset": seen.dataset, "resources": seen.resources, "hidden": seen.hidden}


def edits(before: Fields | None, now: Seen | None) -> tuple[Difference, ...]:
    """What somebody changed on the portal since it was left there."""
    if not before or now is None:
        return ()
    found = [
        Difference(name)
        for name, value in _object(before.get("dataset")).items()
        if now.dataset.get(name) != value
    ]
    for uri, fields in _object(before.get("resources")).items():
        if uri not in now.resources:
            found.append(Difference(MISSING, uri))
            continue
        found += [
            Difference(name, uri)
            for name, value in _object(fields).items()
            if now.resources[uri].get(name) != value
            and (now.resources[uri].get(name) or name not in NAMES)
        ]
    if now.hidden and not before.get("hidden"):
        found.append(Difference("hidden"))
    return tuple(sorted(found, key=lambda one: (one.resource or "", one.field)))


def without(told: Description, kept: tuple[Difference, ...], seen: Seen) -> Description:
    """What is told, with fields that a person wrote left as they are on the portal.

    A file's address, size and checksum are never left to anybody, nor is the licence.
    """
    dataset = dict(told.dataset)
    resources = {uri: dict(fields) for uri, fields in told.resources.items()}
    for one in kept:
        if one.resource is None and one.field in dataset and one.field not in OURS:
            dataset[one.field] = seen.dataset.get(one.field)
        elif one.field in TEXTS and one.resource in resources and one.resource in seen.resources:
            resources[one.resource][one.field] = seen.resources[one.resource].get(one.field)
    return Description(dataset, resources, told.warnings)


def left_as_before(now: Fields, before: Fields, kept: tuple[Difference, ...]) -> Fields:
    """How the portal was left, with fields that a person wrote as they were before that person."""
    dataset = dict(_object(now.get("dataset")))
    resources = {uri: _object(one) for uri, one in _object(now.get("resources")).items()}
    was, were = _object(before.get("dataset")), _object(before.get("resources"))
    for one in kept:
        if one.resource is None and one.field in was and one.field not in OURS:
            dataset[one.field] = was[one.field]
        elif one.field in TEXTS and one.resource in resources:
            old = _object(were.get(one.resource)).get(one.field)
            resources[one.resource] = {**resources[one.resource], one.field: old}
    return {**now, "dataset": dataset, "resources": resources}


def differences(told: Description, seen: Seen) -> tuple[Difference, ...]:
    """Where the portal does not hold what it was told; resources of others do not count."""
    found = [Difference(n) for n, value in told.dataset.items() if seen.dataset.get(n) != value]
    for uri, fields in told.resources.items():
        there = seen.resources.get(uri)
        if there is None:
            found.append(Difference(MISSING, uri))
            continue
        found += [Difference(n, uri) for n, value in fields.items() if there.get(n) != value]
    found += [Difference("leftover", uri) for uri in seen.resources if uri not in told.resources]
    return tuple(sorted(found, key=lambda one: (one.resource or "", one.field)))


def _object(value: object) -> Fields:
    return value if isinstance(value, dict) else {}

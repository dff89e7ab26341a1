"""The verdict on a harvest: did another portal take the release that its feed promised it?

A pure function of what our feed says and of what the portal's API says. The steps are those of a person
who looks: did the run take place, is the dataset in it, is it the version of our feed, is every file
there once, could the portal read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from services.notify.udata_api import (
    HarvestSource,
    Item,
    Job,
    RemoteDataset,
    Resource,
)
from services.notify.udata_said import broken_by, failure_of, is_checked, messages_of, trouble_with
from shared.messages import Reason

Verdict = Literal[
    "RECEIVED",
    "RECEIVED_OLD_VERSION",
    "SKIPPED",
    "FAILED",
    "OTHER_OWNER",
    "ARCHIVED",
    "DUPLICATED",
    "NOT_IN_FEED",
    "JOB_NOT_RUN",
    "RESOURCE_MISSING",
    "FILE_UNREADABLE",
]
ENDED = ("done", "done-errors", "failed")


@dataclass(frozen=True)
class Distribution:
    """A file as our feed gives it: stable address, size in bytes, SHA-256 in hexadecimal."""

    url: str
    format: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Promise:
    """A dataset as our feed gives it. `identifier` is its URI, `modified` its dct:modified."""

    name: str
    identifier: str
    landing_page: str
    modified: datetime
    distributions: tuple[Distribution, ...]


@dataclass(frozen=True)
class Seen:
    """What the portal says. `source` None: no such source. `dataset` None: deleted, hidden or not asked.

    `remote` is the portal's id of the dataset, from the run's item or from an earlier check.
    """

    source: HarvestSource | None
    items: tuple[Item, ...] = ()
    dataset: RemoteDataset | None = None
    remote: str | None = None


@dataclass(frozen=True)
class Finding:
    """A verdict, why, and whether looking again could still change it for the better or the worse."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    settled: bool = False


def judge(
    promise: Promise | None,
    seen: Seen,
    *,
    published_at: datetime,
    organization: str = "",
    overdue: bool = False,
) -> Finding | None:
    """The verdict; None while it is too early for one.

    `published_at`: what the portal read before does not count. `organization`: the city's id there;
    empty: not compared. `overdue`: the time is over by which the portal should have run.
    """
    if promise is None:
        return _because("NOT_IN_FEED", Reason(code="harvest_not_in_own_feed"))
    job = seen.source.last_job if seen.source else None
    if job is None or (job.started or job.created) < published_at:
        # A portal that took it in an earlier run, or by hand, has it all the same.
        return _received(promise, seen, published_at, overdue) or _not_run(seen, overdue)
    if job.status not in ENDED:
        stuck = Reason(code="harvest_job_stuck", detail=job.status[:40])
        return _because("JOB_NOT_RUN", stuck) if overdue else None
    return (
        _not_taken(promise, seen, job, published_at, overdue)
        or _elsewhere(seen, organization)
        or _compared(promise, seen.dataset, published_at, overdue)
    )


def is_ours(promise: Promise, item: Item) -> bool:
    """Whether an item of a job is this dataset."""
    return item.remote_id == promise.identifier


def _received(
    promise: Promise, seen: Seen, published_at: datetime, overdue: bool
) -> Finding | None:
    if seen.dataset is None:
        return None
    found = _compared(promise, seen.dataset, published_at, overdue)
    return found if found and found.verdict in ("RECEIVED", "FILE_UNREADABLE") else None


def _not_run(seen: Seen, overdue: bool) -> Finding | None:
    """Why no run has taken place since. A source that cannot run is told at once."""
    source = seen.source
    if source is None or source.deleted:
        return _because("JOB_NOT_RUN", Reason(code="harvest_source_gone"))
    if source.validation.state != "accepted":
        return _because("JOB_NOT_RUN", Reason(code="harvest_source_not_accepted"))
    if not source.active:
        return _because("JOB_NOT_RUN", Reason(code="harvest_source_inactive"))
    return _because("JOB_NOT_RUN", Reason(code="harvest_job_not_run")) if overdue else None


def _not_taken(
    promise: Promise, seen: Seen, job: Job, published_at: datetime, overdue: bool
) -> Finding | None:
    """What the run's items say against it; None if the dataset was taken."""
    mine = [one for one in seen.items if is_ours(promise, one)]
    if not mine:
        # A run that broke off changes nothing for what an earlier one had taken.
        taken = job.status == "failed" and _received(promise, seen, published_at, overdue)
        return taken or _absent(promise, seen, job)
    said = [failure_of(messages_of(one.errors)) for one in mine if one.status == "failed"]
    if "duplicate" in said or len(mine) > 1:
        return _because(
            "DUPLICATED", Reason(code="harvest_identifier_twice", count=max(2, len(mine)))
        )
    [item] = mine
    match item.status:
        case "archived":
            return _because("ARCHIVED", Reason(code="harvest_archived"))
        case "skipped":
            code = "harvest_no_title" if "title" in messages_of(item.errors) else "harvest_skipped"
            return _because("SKIPPED", Reason(code=code))
        case "failed" if said == ["owner"]:
            return _because("OTHER_OWNER", Reason(code="harvest_other_owner"))
        case "failed":
            return _because("FAILED", Reason(code="harvest_item_failed", detail=said[0]))
        case "done":
            return None
    return _because("FAILED", Reason(code="harvest_item_failed", detail="unfinished"))


def _absent(promise: Promise, seen: Seen, job: Job) -> Finding:
    """The run does not know the identifier: it broke off before, or read another feed than ours."""
    if seen.dataset and _archived(seen.dataset):
        return _because("ARCHIVED", Reason(code="harvest_archived"))
    if job.status == "failed":
        detail = broken_by(job.errors)
        return _because("FAILED", Reason(code="harvest_run_failed", detail=detail))
    reasons = []
    if any(one.remote_url == promise.landing_page for one in seen.items):
        reasons.append(Reason(code="harvest_identifier_changed"))
    if nameless := sum(one.remote_id is None for one in seen.items):
        reasons.append(Reason(code="harvest_no_identifier", count=nameless))
    if "max items reached" in messages_of(job.errors):
        reasons.append(Reason(code="harvest_too_many", count=len(seen.items)))
    return _because("NOT_IN_FEED", *(reasons or [Reason(code="harvest_not_in_feed")]))


def _elsewhere(seen: Seen, organization: str) -> Finding | None:
    """Taken, but the dataset is not where it should be."""
    dataset = seen.dataset
    if dataset is None or dataset.deleted:
        return _because("ARCHIVED", Reason(code="harvest_dataset_gone"))
    if _archived(dataset):
        return _because("ARCHIVED", Reason(code="harvest_archived"))
    owner = dataset.organization.id if dataset.organization else ""
    if organization and owner != organization:
        return _because("OTHER_OWNER", Reason(code="harvest_other_owner"))
    return None


def _compared(
    promise: Promise, dataset: RemoteDataset | None, published_at: datetime, overdue: bool
) -> Finding:
    """The portal's dataset against our feed."""
    harvest = dataset.harvest if dataset else None
    if dataset is None or harvest is None:
        return _because("ARCHIVED", Reason(code="harvest_dataset_gone"))
    read = harvest.last_update
    # udata gives no date where it took ours for a future one: the files then say which version it is.
    other = harvest.modified_at and _second(harvest.modified_at) != _second(promise.modified)
    if read is None or read < published_at or other:
        return _because("RECEIVED_OLD_VERSION", Reason(code="harvest_old_version"))
    held = {
        one.url: [each for each in dataset.resources if each.url == one.url]
        for one in promise.distributions
    }
    return (
        _files_missing(promise, held, published_at)
        or _files_unlike(promise, held)
        or _files_unreadable(promise, held, published_at)
        or _arrived(promise, dataset, held, published_at, overdue)
    )


def _files_missing(
    promise: Promise, held: dict[str, list[Resource]], published_at: datetime
) -> Finding | None:
    missing = [
        Reason(code="harvest_file_missing", detail=one.format)
        for one in promise.distributions
        if not held[one.url]
    ]
    # udata never removes a file: one that the feed no longer gave stays as it was.
    left = [
        Reason(code="harvest_file_left", detail=one.format)
        for one in promise.distributions
        if held[one.url] and all(_before(each, published_at) for each in held[one.url])
    ]
    return _because("RESOURCE_MISSING", *missing, *left) if missing or left else None


def _files_unlike(promise: Promise, held: dict[str, list[Resource]]) -> Finding | None:
    """A file that is there twice, or with the size or checksum of another version."""
    twice = [
        Reason(code="harvest_file_twice", detail=one.format, count=len(held[one.url]))
        for one in promise.distributions
        if len(held[one.url]) > 1
    ]
    if twice:
        return _because("DUPLICATED", *twice)
    other = [
        Reason(code="harvest_old_file", detail=one.format)
        for one in promise.distributions
        for each in held[one.url]
        if (each.filesize is not None and each.filesize != one.bytes)
        or (each.checksum and each.checksum.type == "sha256" and each.checksum.value != one.sha256)
    ]
    return _because("RECEIVED_OLD_VERSION", *other) if other else None


def _files_unreadable(
    promise: Promise, held: dict[str, list[Resource]], published_at: datetime
) -> Finding | None:
    """What the portal's crawler could not read. A look from before the release says nothing of it."""
    bad = [
        Reason(code="harvest_file_unreadable", expected=one.format, detail=found)
        for one in promise.distributions
        for each in held[one.url]
        if (found := trouble_with(each, published_at))
    ]
    return _because("FILE_UNREADABLE", *bad) if bad else None


def _arrived(
    promise: Promise,
    dataset: RemoteDataset,
    held: dict[str, list[Resource]],
    published_at: datetime,
    overdue: bool,
) -> Finding:
    orphans = [
        one
        for one in dataset.resources
        if one.url not in held and one.harvest and one.url.startswith(f"{promise.landing_page}/")
    ]
    reasons = [Reason(code="harvest_received")]
    if orphans:
        reasons.append(Reason(code="harvest_orphans", count=len(orphans)))
    checked = all(is_checked(each, published_at) for many in held.values() for each in many)
    # The crawler comes hours later: until then, or until the time is over, it is worth another look.
    return Finding("RECEIVED", tuple(reasons), settled=checked or overdue)


def _before(resource: Resource, published_at: datetime) -> bool:
    read = resource.harvest.last_update if resource.harvest else None
    return read is not None and read < published_at


def _archived(dataset: RemoteDataset) -> bool:
    return bool(dataset.archived or (dataset.harvest and dataset.harvest.archived_at))


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _because(verdict: Verdict, *reasons: Reason) -> Finding:
    return Finding(verdict, reasons)

"""What a portal's dry run of the feed says against a dataset. Pure."""

from __future__ import annotations

from services.notify.harvest_verdict import Distribution, Promise
from services.notify.udata_api import Preview, PreviewedDataset, Resource
from services.notify.udata_said import broken_by, failure_of, messages_of
from shared.messages import Reason

# udata's word for a licence that it did not find in its list.
NO_LICENCE = (None, "", "notspecified")


def judge_preview(promise: Promise, preview: Preview) -> tuple[Reason, ...]:
    """Why the next harvest would not take the dataset as our feed means it; empty if it would."""
    if preview.status == "failed":
        return (Reason(code="preview_run_failed", detail=broken_by(preview.errors)),)
    mine = [one for one in preview.items if one.remote_id == promise.identifier]
    if not mine:
        if any(one.status == "skipped" for one in preview.items):
            return (Reason(code="preview_skipped"),)
        return (Reason(code="preview_absent"),)
    said = [failure_of(messages_of(one.errors)) for one in mine if one.status == "failed"]
    if said:
        return (Reason(code="preview_refused", detail=said[0]),)
    if any(one.status == "skipped" for one in mine):
        return (Reason(code="preview_skipped"),)
    [*_, item] = mine
    if item.status != "done" or item.dataset is None:
        return (Reason(code="preview_refused", detail="unfinished"),)
    return _compared(promise, item.dataset)


def _compared(promise: Promise, dataset: PreviewedDataset) -> tuple[Reason, ...]:
    """The dataset that the portal would make, against the feed's."""
    reasons = [
        Reason(code="preview_file_dropped", detail=one.format)
        for one in promise.distributions
        if not any(_is(one, each) for each in dataset.resources)
    ]
    if dataset.license in NO_LICENCE:
        reasons.append(Reason(code="preview_licence_unknown"))
    return tuple(reasons)


def _is(one: Distribution, resource: Resource) -> bool:
    checksum = resource.checksum
    return (
        resource.url == one.url
        and resource.filesize == one.bytes
        and checksum is not None
        and (checksum.type, checksum.value) == ("sha256", one.sha256)
    )

"""Where things lie in the store. Keys are made from identifiers alone, never from a file's name."""

from __future__ import annotations

import hashlib

from shared.event_parts import Stage
from shared.ids import ChangeId, DatasetId, Digest, ReleaseId
from shared.messages import Language


def source(dataset: DatasetId, sha256: Digest) -> str:
    """`raw`: source bytes as they came."""
    return f"{dataset}/sources/{sha256}"


def change(dataset: DatasetId, change_id: ChangeId) -> str:
    """`raw`: what came in with a change: its address, its sequence."""
    return f"{dataset}/changes/{change_id}.json"


def fetched(dataset: DatasetId, change_id: ChangeId) -> str:
    """`raw`: which source bytes a change brought."""
    return f"{dataset}/changes/{change_id}.fetched.json"


def dated(dataset: DatasetId, source_id: str) -> str:
    """`reports`: when source bytes were last updated, by their keyed identifier."""
    return f"{dataset}/dates/{source_id}.json"


def table(dataset: DatasetId, release: ReleaseId) -> str:
    """`raw`, `safe`: the release as one table."""
    return f"{dataset}/tables/{release}.parquet"


def card(dataset: DatasetId, digest: Digest) -> str:
    """`reports`: the card pinned for a change."""
    return f"{dataset}/cards/{digest}.json"


def manifest(dataset: DatasetId, release: ReleaseId, stage: Stage) -> str:
    """`reports`: what a stage made of a release; written last, created once."""
    return f"{dataset}/manifests/{release}.{stage}.json"


def report(dataset: DatasetId, release: ReleaseId, stage: Stage) -> str:
    """`reports`: the quality or privacy report: codes, counts, positions."""
    return f"{dataset}/reports/{release}.{stage}.json"


def refusal(dataset: DatasetId, change_id: ChangeId) -> str:
    """`reports`: why a change is quarantined, and the quality report of what it brought."""
    return f"{dataset}/refusals/{change_id}.json"


def report_page(dataset: DatasetId, release: ReleaseId, stage: Stage, language: Language) -> str:
    """`reports`: the same report as a page to read."""
    return f"{dataset}/reports/{release}.{stage}.{language}.html"


def file(dataset: DatasetId, release: ReleaseId, name: str) -> str:
    """`staged`, `public`: a file of a release."""
    return f"{dataset}/{release}/{name}"


def schema(name: str, version: str) -> str:
    """`reports`: a schema of the national catalogue, as it was fetched. No dataset begins with a dot."""
    return f".schemas/{hashlib.sha256(f'{name}@{version}'.encode()).hexdigest()}.json"


def version(dataset: DatasetId, address: Digest) -> str:
    """`raw`: which version of a source was fetched last, by the digest of its address."""
    return f"{dataset}/versions/{address}.json"


def part(dataset: DatasetId, name: str) -> str:
    """`raw`: the last good table of one of several sources."""
    return f"{dataset}/parts/{name}.parquet"


def removal(dataset: DatasetId, digest: str) -> str:
    """`reports`: someone who asked to be removed, by keyed digest."""
    return f"{dataset}/removals/{digest}"

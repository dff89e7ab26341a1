"""Identifiers: of changes, releases, publications and events. All are computed, none is drawn.

The same fact has the same identifier wherever and however often it is computed: this is what makes
every effect of an at-least-once passage safe to repeat.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated

from pydantic import StringConstraints

# CKAN takes names of 2 to 100 characters of this alphabet; so do object keys and addresses.
DatasetId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,98}[a-z0-9]$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ChangeId = Annotated[str, StringConstraints(pattern=r"^c[0-9a-f]{31}$")]
ReleaseId = Annotated[str, StringConstraints(pattern=r"^r[0-9a-f]{31}$")]
PublicationId = Annotated[str, StringConstraints(pattern=r"^p[0-9a-f]{31}$")]
EventId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,256}$")]

# Raised by hand when the bytes that convert writes for the same table and card change.
OUTPUT_VERSION = 4


def _joined(*parts: str) -> bytes:
    # Lengths first, so that no two lists of parts give the same bytes.
    return b"".join(f"{len(part.encode())}:{part}".encode() for part in parts)


def change_id(source: str, event_id: str) -> ChangeId:
    """The change's id, from the CloudEvents `source` and `id`, unique together (CloudEvents 1.0)."""
    return "c" + hashlib.sha256(_joined("change", source, event_id)).hexdigest()[:31]


def release_id(secret: bytes, dataset: str, source_sha256: str, shaping_digest: str) -> ReleaseId:
    """The release's id: keyed, so that nobody without the city's secret can test a guess at a row.

    `source_sha256` is that of the source bytes, `shaping_digest` that of the card's fields which
    shape the output. The same content is the same release.
    """
    parts = _joined(dataset, source_sha256, shaping_digest, str(OUTPUT_VERSION))
    return "r" + hmac.new(secret, parts, hashlib.sha256).hexdigest()[:31]


def source_id(secret: bytes, dataset: str, source_sha256: str) -> str:
    """An identifier of source bytes outside the raw zone; keyed, as a release's is."""
    parts = _joined("source", dataset, source_sha256)
    return "s" + hmac.new(secret, parts, hashlib.sha256).hexdigest()[:31]


def publication_id(change: ChangeId, release: ReleaseId) -> PublicationId:
    """The pair of a change and a release."""
    return "p" + hashlib.sha256(_joined("publication", change, release)).hexdigest()[:31]


def event_id(kind: str, *parts: str) -> EventId:
    """The CloudEvents id of an event of ours: the same fact, however often sent, has the same id."""
    return hashlib.sha256(_joined(kind, *parts)).hexdigest()[:40]

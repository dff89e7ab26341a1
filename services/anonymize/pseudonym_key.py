"""The key of a release's pseudonyms: one per dataset and release, so that no two can be joined by it."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.ids import DatasetId, ReleaseId
from shared.settings import Settings

LEAST_CHARACTERS = 32


def pseudonym_key(settings: Settings, dataset: DatasetId, release: ReleaseId) -> bytes | None:
    """HKDF-SHA-256 (RFC 5869) of the secret; None without one, which stops whoever needs it."""
    secret = settings.pseudonym_secret.get_secret_value().encode()
    if len(secret) < LEAST_CHARACTERS:
        return None
    purpose = f"pseudonym:{dataset}:{release}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)

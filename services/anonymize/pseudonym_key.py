"""The keys of a release's pseudonyms: one per dataset and release, so that no two can be joined by it,
unless the card declares that they are to be (`linked`): signed like all of the policy."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.card import Card
from shared.ids import ReleaseId
from shared.settings import Settings

LEAST_CHARACTERS = 32


def pseudonym_keys(
    settings: Settings, card: Card, release: ReleaseId
) -> dict[str | None, bytes] | None:
    """The release's own key (None), and one for each group that the card declares as linked."""
    groups = {rule.linked for rule in card.privacy.columns.values() if rule.linked}
    purposes = {None: f"{card.dataset}:{release}"} | {name: f"linked:{name}" for name in groups}
    made = {name: _key(settings, purpose) for name, purpose in purposes.items()}
    found = {name: key for name, key in made.items() if key is not None}
    return found or None


def _key(settings: Settings, of: str) -> bytes | None:
    """HKDF-SHA-256 (RFC 5869) of the secret; None without one, which stops whoever needs it."""
    secret = settings.pseudonym_secret.get_secret_value().encode()
    if len(secret) < LEAST_CHARACTERS:
        return None
    purpose = f"pseudonym:{of}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)

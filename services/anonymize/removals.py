"""People who asked to be removed (RGPD, art. 17 and 21): known by keyed digests alone.

The list lies in `reports`, one empty object per person and dataset: the raw zone is emptied by time,
and a list that expires would let people come back. A digest is an HMAC with a key that anonymize
alone has: whoever reads the list learns how many asked, and no name.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.anonymize.coarser import canonical_value
from services.anonymize.pseudonym_key import LEAST_CHARACTERS
from shared import keys
from shared.card import Card
from shared.failures import Quarantined
from shared.ids import DatasetId
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import Store


@dataclass(frozen=True)
class Removals:
    """Whose rows are left out: digests of what the card's `unit` column says of them."""

    key: bytes
    digests: frozenset[str]

    def of(self, units: pa.Array) -> pa.BooleanArray:
        """Which rows are those of someone on the list."""
        coded = units.dictionary_encode()
        listed = [
            removal_digest(str(one), self.key) in self.digests
            for one in coded.dictionary.to_pylist()
        ]
        return pa.array(listed, pa.bool_()).take(coded.indices).fill_null(False)


def removal_key(settings: Settings, dataset: DatasetId) -> bytes:
    """HKDF-SHA-256 (RFC 5869) of the secret. Raises Quarantined without one."""
    secret = settings.pseudonym_secret.get_secret_value().encode()
    if len(secret) < LEAST_CHARACTERS:
        raise Quarantined(Reason(code="pseudonym_key_missing"))
    purpose = f"removal:{dataset}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)


def removal_digest(unit: str, key: bytes) -> str:
    """HMAC-SHA-256 (RFC 2104) of the one spelling of what names a person in the source."""
    return hmac.new(key, canonical_value(unit).encode(), hashlib.sha256).hexdigest()


async def read_removals(store: Store, settings: Settings, card: Card) -> Removals | None:
    """The dataset's list; None when nobody asked.

    Raises Quarantined when the card counts more than there are, or its rows cannot be told apart.
    """
    prefix = keys.removal(card.dataset, "")
    found = frozenset([one.key.removeprefix(prefix) async for one in store.list("reports", prefix)])
    if len(found) < (card.privacy.removals or 0):
        reason = Reason(code="removals_missing", count=len(found), limit=card.privacy.removals)
        raise Quarantined(reason)
    if not found:
        return None
    if card.privacy.unit is None:
        raise Quarantined(Reason(code="removal_without_unit", count=len(found)))
    return Removals(removal_key(settings, card.dataset), found)


async def add_removals(
    store: Store, settings: Settings, dataset: DatasetId, units: Iterable[str]
) -> int:
    """Puts people on the list: how many it has now. Whoever is on it already stays once."""
    key = removal_key(settings, dataset)
    for unit in units:
        await store.create("reports", keys.removal(dataset, removal_digest(unit, key)), b"")
    prefix = keys.removal(dataset, "")
    return len([one async for one in store.list("reports", prefix)])

"""The card that a change runs under, read from where ingest pinned it."""

from __future__ import annotations

from pydantic import ValidationError

from shared import keys
from shared.card import Card
from shared.event_parts import CardRef
from shared.failures import Quarantined
from shared.ids import DatasetId
from shared.messages import Reason
from shared.storage import Store


async def pin(store: Store, card: Card, ref: CardRef) -> None:
    """Pins a card; one of the same digest is the same card."""
    body = card.model_dump_json(by_alias=True, exclude_none=True).encode()
    await store.create("reports", keys.card(card.dataset, ref.digest), body)


async def read_pinned(store: Store, dataset: DatasetId, ref: CardRef) -> Card:
    """The pinned card, checked against its digest. Raises Quarantined if it is gone or changed."""
    body = await store.get("reports", keys.card(dataset, ref.digest))
    if body is None:
        raise Quarantined(Reason(code="object_missing"))
    try:
        card = Card.model_validate_json(body)
    except ValidationError:
        raise Quarantined(Reason(code="object_damaged")) from None
    if card.digest() != ref.digest or card.shaping_digest() != ref.shaping:
        raise Quarantined(Reason(code="object_damaged"))
    return card

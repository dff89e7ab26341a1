"""Whether far fewer or more rows came than are public (`quality: {row_stop: …}` in the card)."""

from __future__ import annotations

from shared.card import Card
from shared.failures import Quarantined
from shared.messages import Reason


def check_row_change(rows: int, before: int | None, card: Card) -> None:
    """Raises Quarantined(`row_count`) when the change from `before`, in per cent, is out of bounds."""
    if not before or card.quality.row_stop is None:
        return
    low, high = card.quality.row_stop
    if not low <= 100 * (rows - before) / before <= high:
        bounds = f"{low:+d} % … {high:+d} %"
        raise Quarantined(Reason(code="row_count", count=rows, limit=before, expected=bounds))

"""What every file that can hold it says of its release: whose it is, under what licence, from where.

The date is that of the data, never of processing, and there is no name of a person: the same release
is the same bytes.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from shared.card import Card
from shared.strategy import LICENCES


@dataclass(frozen=True)
class ReleaseFacts:
    """The public facts that travel inside a file. `sources` are what the data were made from,
    `updated` the day of their last update (UTC, ISO 8601)."""

    dataset: str
    release: str
    title: str
    description: str
    attribution: str
    licence: str
    licence_url: str
    producer: str
    sources: str
    period: str
    updated: str = ""

    def pairs(self) -> dict[str, str]:
        """Name → text, sorted by name; empty ones left out."""
        return {name: text for name, text in sorted(vars(self).items()) if text}

    def period_words(self) -> str:
        """« depuis le 2020-01-01 », « du 2020-01-01 au 2020-12-31 »; empty without a period."""
        start, _, end = self.period.partition("/")
        if not start:
            return ""
        return f"depuis le {start}" if end == ".." else f"du {start} au {end}"

    def credit(self) -> str:
        """Whose the data are and of what day: what both licences ask to be said."""
        updated = f"mise à jour du {self.updated}" if self.updated else ""
        return ", ".join(part for part in (self.attribution or self.producer, updated) if part)

    def sentence(self) -> str:
        """The attribution that both licences ask for, in one French sentence."""
        parts = [self.credit(), f"{self.licence} ({self.licence_url})"]
        if self.period:
            parts.append(f"données {self.period_words()}")
        if self.sources:
            parts.append(f"d'après {self.sources}")
        parts.append(f"version {self.release}")
        return ", ".join(part for part in parts if part)


def release_facts(card: Card, release: str, updated: dt.date | None = None) -> ReleaseFacts:
    """The facts of a card and a release; `updated` is the day of the data's last update."""
    licence, address = LICENCES[card.licence or "lov2"]
    period = ""
    if card.temporal:
        period = f"{card.temporal.start.isoformat()}/"
        period += card.temporal.end.isoformat() if card.temporal.end else ".."
    return ReleaseFacts(
        dataset=card.dataset,
        release=release,
        title=card.title["fr"],
        description=card.description["fr"],
        attribution=card.attribution or "",
        licence=licence,
        licence_url=address,
        producer=card.producer.name if card.producer else "",
        sources=" ; ".join(
            ", ".join(part for part in (one.title, one.attribution, one.licence, one.url) if part)
            for one in card.derived_from
        ),
        period=period,
        updated=updated.isoformat() if updated else "",
    )

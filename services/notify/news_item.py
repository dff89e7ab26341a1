"""The news item of a publication: what a citizen reads on the portal and in the feeds."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

from shared.card import Card
from shared.events import DatasetPublished, NewsPosted

Kind = Literal["first", "update", "correction", "backfill", "withdrawn"]
_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre",
    "octobre", "novembre", "décembre",
)  # fmt: skip

_TITLES: dict[Kind, tuple[str, str]] = {
    "first": ("Nouveau jeu de données : {title}", "New dataset: {title}"),
    "update": ("Mise à jour : {title}", "Update: {title}"),
    "correction": ("Correction : {title}", "Correction: {title}"),
    "backfill": ("Données complétées : {title}", "Data completed: {title}"),
    "withdrawn": ("Jeu de données retiré : {title}", "Dataset withdrawn: {title}"),
}
_BODIES: dict[Kind, tuple[str, str]] = {
    "first": (
        "« {title} » est publié en données ouvertes : {rows} lignes, en {formats}.",
        "“{title}” is published as open data: {rows} rows, as {formats}.",
    ),
    "update": (
        "« {title} » a été mis à jour le {date} : {rows} lignes, en {formats}.",
        "“{title}” was updated on {date}: {rows} rows, as {formats}.",
    ),
    "correction": (
        "« {title} » a été corrigé le {date}. Si vous l'avez déjà téléchargé, reprenez-le.",
        "“{title}” was corrected on {date}. If you downloaded it before, please do so again.",
    ),
    "backfill": (
        "« {title} » a été complété le {date} par des données plus anciennes : {rows} lignes.",
        "“{title}” was completed with earlier data on {date}: {rows} rows.",
    ),
    # Neutral: why a dataset is withdrawn may itself be personal.
    "withdrawn": (
        "« {title} » n'est plus disponible depuis le {date}.",
        "“{title}” is no longer available since {date}.",
    ),
}


def make_news(event: DatasetPublished, card: Card) -> NewsPosted:
    """One item a publication (or withdrawal), the same however often it is made."""
    kind: Kind = (
        "withdrawn" if event.state == "withdrawn" else "first" if event.first else event.kind
    )
    french, english = card.title["fr"], card.title.get("en", card.title["fr"])
    formats = ", ".join(file.format.upper() for file in event.files) or "-"
    rows = event.rows or 0
    fr = {
        "title": french,
        "rows": f"{rows:,}".replace(",", "\u202f"),
        "formats": formats,
        "date": french_date(event.at),
    }
    en = {
        "title": english,
        "rows": f"{rows:,}",
        "formats": formats,
        "date": event.at.strftime("%-d %B %Y"),
    }
    number = hashlib.sha256(f"news:{event.id}".encode()).hexdigest()[:31]
    return NewsPosted(
        news=f"n{number}",
        dataset=event.dataset,
        publication=event.publication,
        kind=kind,
        title={"fr": _TITLES[kind][0].format_map(fr), "en": _TITLES[kind][1].format_map(en)},
        body={"fr": _BODIES[kind][0].format_map(fr), "en": _BODIES[kind][1].format_map(en)},
        at=event.at,
    )


def french_date(moment: datetime) -> str:
    """`1er mars 2026`."""
    day = "1er" if moment.day == 1 else str(moment.day)
    return f"{day} {_MONTHS[moment.month - 1]} {moment.year}"


def wanted(event: DatasetPublished, card: Card) -> bool:
    """Whether the card asks for news of this. Withdrawals are always told."""
    if event.state == "withdrawn":
        return True
    return card.news.first if event.first else card.news.updates

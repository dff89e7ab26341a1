"""News as RSS and Atom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import feedgenerator

from services.publish.portal.catalogue import News

KINDS: dict[str, tuple[Any, str]] = {
    "rss": (feedgenerator.Rss201rev2Feed, "application/rss+xml"),
    "atom": (feedgenerator.Atom1Feed, "application/atom+xml"),
}


def make_feed(
    kind: str, news: Sequence[News], *, public_url: str, city: str, path: str, language: str
) -> tuple[bytes, str]:
    """The feed and its media type. Identifiers never change."""
    maker, media = KINDS[kind]
    french = language == "fr"
    feed = maker(
        title=f"{city} : actualités des données ouvertes" if french else f"{city}: open data news",
        link=f"{public_url}/news",
        description="Publications, mises à jour et corrections."
        if french
        else "Publications, updates and corrections.",
        language=language,
        feed_url=f"{public_url}{path}",
        feed_guid=f"{public_url}{path}",
    )
    for item in news:
        feed.add_item(
            title=item.title.get(language, item.title["fr"]),
            link=f"{public_url}/datasets/{item.dataset}",
            description=item.body.get(language, item.body["fr"]),
            unique_id=f"{public_url}/news/{item.news}",
            unique_id_is_permalink=False,
            pubdate=item.at,
            updateddate=item.at,
        )
    return feed.writeString("utf-8").encode(), media

"""News: one item a publication, plain, the same however often it is made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.notify.news_item import french_date, make_news, wanted
from shared.events import DatasetPublished
from tests.cards import card


def published(**changes: Any) -> DatasetPublished:
    files = [
        {
            "bucket": "public",
            "key": f"bancs/r/{form}",
            "bytes": 3,
            "sha256": "0" * 64,
            "format": form,
            "name": f"bancs.{form}",
            "media_type": "text/csv",
        }
        for form in ("csv", "json")
    ]
    plain: dict[str, Any] = {
        "dataset": "bancs",
        "change": "c" + "0" * 31,
        "release": "r" + "0" * 31,
        "publication": "p" + "0" * 31,
        "state": "published",
        "kind": "update",
        "first": False,
        "at": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "files": files,
        "rows": 12345,
    }
    return DatasetPublished.model_validate(plain | changes)


@pytest.mark.parametrize(
    ("changes", "kind", "title", "body"),
    [
        ({"first": True}, "first", "Nouveau jeu de données", "12\u202f345 lignes, en CSV, JSON."),
        ({}, "update", "Mise à jour", "le 1er mars 2026"),
        ({"kind": "correction"}, "correction", "Correction", "reprenez-le"),
        ({"kind": "backfill"}, "backfill", "Données complétées", "plus anciennes"),
        ({"state": "withdrawn", "files": []}, "withdrawn", "retiré", "n'est plus disponible"),
    ],
)
def test_each_kind_has_its_words(changes: dict[str, Any], kind: str, title: str, body: str) -> None:
    """A citizen reads what happened, in French and English."""
    item = make_news(published(**changes), card())
    assert item.kind == kind
    assert title in item.title["fr"]
    assert "Bancs publics" in item.title["fr"]
    assert body in item.body["fr"]
    assert "Public benches" in item.title["en"]
    assert item.body["en"]


def test_the_same_publication_is_the_same_item() -> None:
    """Made twice, it has one identity; a withdrawal has another."""
    assert make_news(published(), card()) == make_news(published(), card())
    assert (
        make_news(published(), card()).news != make_news(published(state="withdrawn"), card()).news
    )


def test_a_card_may_be_quiet() -> None:
    """Updates can be left untold; a withdrawal is always told."""
    quiet = card(news={"first": True, "updates": False})
    assert wanted(published(first=True), quiet)
    assert not wanted(published(), quiet)
    assert wanted(published(state="withdrawn"), quiet)


def test_french_dates() -> None:
    """The first of a month is « 1er »."""
    assert french_date(datetime(2026, 8, 1, tzinfo=UTC)) == "1er août 2026"
    assert french_date(datetime(2026, 2, 28, tzinfo=UTC)) == "28 février 2026"

"""What a portal's team is asked."""

from __future__ import annotations

from services.publish.removal_request import removal_request
from shared.card_parts import Translated

URI = "https://data.ville.example/datasets/bancs"
TITLE: Translated = {"fr": "Bancs publics", "en": "Public benches"}


def test_a_request_names_the_dataset_and_what_is_still_open() -> None:
    """In both languages; an address that nobody knows is not asked about."""
    addresses = ["https://hydra.example/a.parquet", ""]
    made = removal_request(TITLE, URI, "data.gouv.fr", addresses)
    assert "« Bancs publics »" in made["fr"]
    assert '"Public benches"' in made["en"]
    for text in made.values():
        assert URI in text
        assert text.count("\n- ") == 1
        assert "- https://hydra.example/a.parquet\n" in text


def test_a_request_without_addresses_is_a_sentence() -> None:
    """The portal knows what it made; a title in one language serves for both."""
    made = removal_request({"fr": "Bancs"}, URI, "data.gouv.fr", [])
    assert "mis en cache,\net de nous" in made["fr"]
    assert "in a cache,\nand confirm" in made["en"]
    assert '"Bancs"' in made["en"]

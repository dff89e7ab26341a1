"""What everybody may know of how a dataset was anonymised."""

from __future__ import annotations

from shared.public_protection import public_protection
from tests.cards import card


def test_what_was_taken_out_and_why() -> None:
    """Grounds, laws, thresholds and published columns, in both languages; never the name of a column
    that was taken out, nor who decided."""
    columns = {
        "tranche": {"generalize": {"ranges": 10}},
        "aide": "keep",
        "numero_allocataire": {"drop": "personal_data"},
        "diagnostic": {"drop": "private_life"},
    }
    privacy = {"columns": columns, "quasi_identifiers": ["tranche"], "k": 11,
               "decided": {"by": "Mme X", "date": "2026-03-01"}}  # fmt: skip
    said = public_protection(card(subject="people", schema=None, privacy=privacy))
    assert set(said) == {"fr", "en"}
    text = " ".join(said["fr"])
    assert "1 colonne(s) de données personnelles retirée(s) (CRPA art. L. 312-1-2)" in said["fr"]
    assert "au moins 11 personnes semblables par tranche" in text
    assert "moins précises : tranche" in text
    for hidden in ("numero_allocataire", "diagnostic", "Mme X"):
        assert hidden not in text + " ".join(said["en"])


def test_a_source_published_as_it_is_says_nothing() -> None:
    """Benches have nobody to protect."""
    assert public_protection(card()) == {}

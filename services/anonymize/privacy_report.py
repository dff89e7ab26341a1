"""The privacy report: what was removed and on what ground, what was looked for, in codes and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.anonymize.detectors import DETECTORS, VERSION
from services.anonymize.scan_table import Scan
from shared.card import Card
from shared.card_parts import GROUND_LAW
from shared.messages import Language

ANCHORS = ("CRPA art. L. 312-1-2", "CRPA art. D. 312-1-3", "RGPD art. 4 et 5")
_GROUNDS = {
    "personal_data": ("données personnelles", "personal data"),
    "private_life": ("vie privée", "private life"),
    "business_secret": ("secret des affaires", "business secret"),
    "security": ("sécurité", "security"),
    "third_party_rights": ("droits de tiers", "third-party rights"),
    "statistical_secrecy": ("secret statistique", "statistical secrecy"),
}


def make_report(
    card: Card,
    kept: Sequence[str],
    rows: int,
    scan: Scan,
    accepted: Mapping[tuple[str, str], int],
) -> dict[str, object]:
    """The report as JSON-compatible data. Columns are named as the card declares them."""
    rules = card.privacy.columns
    return {
        "dataset": card.dataset,
        "subject": card.subject,
        "policy": card.policy_digest(),
        "schema": card.schema_fingerprint(),
        "kept": [{"column": name, "basis": rules[name].basis} for name in kept],
        "dropped": [
            {"column": name, "ground": rule.ground, "law": GROUND_LAW[rule.ground or ""]}
            for name, rule in rules.items()
            if rule.action == "drop"
        ],
        "scan": {
            "rows": rows,
            "cells": scan.cells,
            "detectors": [detector.name for detector in DETECTORS],
            "version": VERSION,
        },
        "accepted": [
            {"column": column, "detector": detector, "cells": count}
            for (column, detector), count in accepted.items()
        ],
        "verdict": "clean",
        "law": list(ANCHORS),
    }


def report_text(report: Mapping[str, Any], language: Language) -> str:
    """The report as a référent reads it."""
    french = language == "fr"
    scan = report["scan"]
    lines = [
        f"Toutes les cellules des colonnes publiées ont été examinées : {scan['cells']} cellules, "
        f"{scan['rows']} lignes."
        if french
        else f"Every cell of the published columns was scanned: {scan['cells']} cells, "
        f"{scan['rows']} rows."
    ]
    for one in report["dropped"]:
        ground = _GROUNDS[one["ground"]][0 if french else 1]
        lines.append(
            f"Colonne {one['column']} : retirée ({ground}, {one['law']})."
            if french
            else f"Column {one['column']}: dropped ({ground}, {one['law']})."
        )
    for one in report["kept"]:
        if one["basis"]:
            lines.append(
                f"Colonne {one['column']} : personnelle, gardée sur le fondement « {one['basis']} »."
                if french
                else f"Column {one['column']}: personal, kept on the basis `{one['basis']}`."
            )
    for one in report["accepted"]:
        lines.append(
            f"Colonne {one['column']} : {one['cells']} cellule(s) signalée(s) ({one['detector']}), "
            "acceptée(s) par la fiche."
            if french
            else f"Column {one['column']}: {one['cells']} cell(s) flagged ({one['detector']}), "
            "accepted by the card."
        )
    return "\n".join(lines)

"""What was anonymised and why, for everybody: the short version of the privacy report.

An allow-list: names of published columns, grounds and laws, thresholds. Neither the names of columns
that were taken out, nor who decided, nor any count of the table's.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from shared.card import Card
from shared.card_parts import GROUND_LAW
from shared.messages import Language

_SAID: dict[Language, dict[str, str]] = {
    "fr": {
        "personal_data": "{n} colonne(s) de données personnelles retirée(s) ({law})",
        "private_life": "{n} colonne(s) touchant à la vie privée retirée(s) ({law})",
        "business_secret": "{n} colonne(s) couverte(s) par le secret des affaires retirée(s) ({law})",
        "security": "{n} colonne(s) retirée(s) pour raison de sécurité ({law})",
        "third_party_rights": "{n} colonne(s) retirée(s) pour les droits de tiers ({law})",
        "statistical_secrecy": "{n} colonne(s) couverte(s) par le secret statistique retirée(s) ({law})",
        "coarser": "colonnes rendues moins précises : {names}",
        "people": "chaque ligne publiée est celle d'au moins {k} personnes semblables par {names}",
        "households": "chaque ligne publiée est celle d'au moins {k} ménages semblables par {names}",
        "measures": "secret statistique : les petits effectifs sont cachés dans {names}",
        "aggregate": "les lignes sont des comptes d'au moins {k}",
    },
    "en": {
        "personal_data": "{n} column(s) of personal data taken out ({law})",
        "private_life": "{n} column(s) about private life taken out ({law})",
        "business_secret": "{n} column(s) of business secrets taken out ({law})",
        "security": "{n} column(s) taken out for security ({law})",
        "third_party_rights": "{n} column(s) taken out for the rights of others ({law})",
        "statistical_secrecy": "{n} column(s) of statistical secrecy taken out ({law})",
        "coarser": "columns made less precise: {names}",
        "people": "each published row is that of at least {k} persons alike by {names}",
        "households": "each published row is that of at least {k} households alike by {names}",
        "measures": "statistical secrecy: small counts are hidden in {names}",
        "aggregate": "rows are counts of {k} at least",
    },
}  # fmt: skip


def public_protection(card: Card) -> dict[Language, list[str]]:
    """Sentences in French and in English; none for a card that publishes its source as it is."""
    facts = list(_facts(card))
    if not facts:
        return {}
    return {
        language: [said[key].format_map(fact) for key, fact in facts]
        for language, said in _SAID.items()
    }


def _facts(card: Card) -> list[tuple[str, dict[str, Any]]]:
    privacy = card.privacy
    grounds = Counter(rule.ground for rule in privacy.columns.values() if rule.action == "drop")
    facts: list[tuple[str, dict[str, Any]]] = [
        (ground, {"n": count, "law": GROUND_LAW[ground]})
        for ground, count in sorted(grounds.items(), key=str)
        if ground
    ]
    coarser = [n for n, rule in privacy.columns.items() if rule.action not in ("keep", "drop")]
    if coarser:
        facts.append(("coarser", {"names": ", ".join(coarser)}))
    if card.subject in ("people", "households") and privacy.quasi_identifiers and privacy.k:
        names = ", ".join(privacy.quasi_identifiers)
        facts.append((card.subject, {"k": privacy.k, "names": names}))
    if privacy.measures:
        facts.append(("measures", {"names": ", ".join(privacy.measures)}))
    if privacy.aggregate:
        facts.append(("aggregate", {"k": privacy.aggregate.min}))
    return facts

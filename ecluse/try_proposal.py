"""`ecluse try --propose`: a draft of the policy, from a sample file, as YAML to paste into the card."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ecluse.try_card import PROPOSAL
from services.anonymize.propose_policy import Proposal, hierarchy_for, propose_policy
from services.ingest.open_source import open_source
from services.ingest.source_to_table import ReadLimits, source_to_table
from shared.card import Card
from shared.card_parts import TableSchema
from shared.card_source import Derived, Source
from shared.failures import Quarantined
from shared.messages import Language

_SAY: dict[str, tuple[str, str]] = {
    "draft": (
        "Proposition, à relire et à décider : la machine ne décide rien.",
        "A draft, to be read and decided: the machine decides nothing.",
    ),
    "finding": ("l'examen y trouve : {found}", "the scan finds in it: {found}"),
    "header": ("son nom annonce une donnée personnelle", "its name announces a personal datum"),
    "free_text": ("texte libre", "free text"),
    "row_identifier": (
        "une valeur différente à chaque ligne : à retirer (drop) si les lignes sont des personnes",
        "another value in every row: drop it if rows are people",
    ),
    "quasi_identifier": ("quasi-identifiant", "quasi-identifier"),
    "nothing": ("rien de particulier", "nothing particular"),
    "effects": (
        "Si les lignes sont des personnes, jusqu'à 5 % de lignes laissées de côté :",
        "If rows are people, up to 5 % of the rows left out:",
    ),
    "effect": (
        "k = {k} : perte d'information {loss} sur 1, {left} ligne(s) laissée(s) de côté",
        "k = {k}: information loss {loss} out of 1, {left} row(s) left out",
    ),
    "unreachable": ("k = {k} : hors d'atteinte", "k = {k}: out of reach"),
}


def columns_of(content: Mapping[str, Any], source: Path) -> tuple[str, ...]:
    """The columns that a card without a policy would have to decide about: those of its schema, else
    of the file as the card says to read it. Of what cannot be read, one that is not there: the trial
    says what is wrong."""
    schema = content.get("schema")
    fields = schema.get("fields") if isinstance(schema, dict) else None
    try:
        if fields:
            return tuple(field.name for field in TableSchema.model_validate(schema).fields)
        told = Source.model_validate(content.get("source") or {})
        with tempfile.TemporaryDirectory() as folder:
            headers = open_source(source, told, (), ReadLimits(), Path(folder)).headers
        added = [Derived.model_validate(one).add.values() for one in content.get("derive") or ()]
    except (Quarantined, ValidationError):
        return ("?",)
    return tuple(name for name in (*headers, *chain(*added)) if name)


def propose(card: Card, source: Path) -> Proposal:
    """The proposal for a file, read as the card says. Raises Quarantined when it cannot be read."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.parquet"
        source_to_table(source, card, table, ReadLimits())
        return propose_policy(table)


def proposal_yaml(proposal: Proposal, language: Language) -> str:
    """The draft: each column's rule with the reason beside it, and the effects to choose from."""
    at = 0 if language == "fr" else 1

    def say(name: str, **facts: object) -> str:
        return _SAY[name][at].format(**facts)

    lines = [f"# {say('draft')}", "privacy:", "  columns:"]
    for one in proposal.columns:
        reason = say(one.why, found=", ".join(one.detectors))
        lines.append(f"    {_key(one.name)}: {one.rule}  # {reason}")
    if proposal.quasi_identifiers:
        names = ", ".join(_key(name) for name in proposal.quasi_identifiers)
        lines += [f"  quasi_identifiers: [{names}]", "  hierarchies:"]
        ways = {name: hierarchy_for(name) for name in proposal.quasi_identifiers}
        told = [
            f"    {_key(name)}: {json.dumps(way.model_dump(exclude_none=True))}"
            for name, way in ways.items()
            if way
        ]
        lines = lines + told if told else lines[:-1]
        lines.append(f"  # {say('effects')}")
        for effect in proposal.effects:
            if effect.loss is None:
                lines.append(f"  #   {say('unreachable', k=effect.k)}")
                continue
            loss = f"{effect.loss:.3f}"
            loss = loss.replace(".", ",") if language == "fr" else loss
            lines.append(f"  #   {say('effect', k=effect.k, loss=loss, left=effect.left_out)}")
    return "\n".join(lines) + "\n"


def write_proposal(card: Card, source: Path, folder: Path, language: Language) -> None:
    """Writes the draft into the folder; of a file that cannot be read, none: the trial says why."""
    try:
        proposal = propose(card, source)
    except Quarantined:
        return
    (folder / PROPOSAL).write_text(proposal_yaml(proposal, language), encoding="utf-8")


def _key(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)

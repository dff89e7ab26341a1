"""A draft of the policy from a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecluse.try_proposal import proposal_yaml
from services.anonymize.propose_policy import TRIED_K, propose_policy
from shared.card import Card
from shared.card_file import parse_yaml

Write = Callable[..., Path]
SECRET = "canari-5512"


def table(rows: int = 400) -> dict[str, Any]:
    random = np.random.default_rng(4)
    return {
        "dossier": [f"D{n}" for n in range(rows)],
        "contact": [f"{SECRET}{n}@exemple.fr" for n in range(rows)],
        "Prénom": ["x"] * rows,
        "âge": random.integers(18, 90, rows),
        "code_commune": random.choice(["69123", "69266", "42218"], rows),
        "observations": [f"{SECRET} : trottoir abîmé devant la mairie, n° {n}" for n in range(rows)],
        "aide": random.choice(["RSA", "APL"], rows),
    }  # fmt: skip


def test_each_column_has_a_rule_and_a_reason(write: Write) -> None:
    """Findings, personal headers and free text are dropped; what tells people apart is named."""
    proposal = propose_policy(write(table()))
    assert {one.name: one.why for one in proposal.columns} == {
        "dossier": "row_identifier",
        "contact": "finding",
        "Prénom": "header",
        "âge": "quasi_identifier",
        "code_commune": "quasi_identifier",
        "observations": "free_text",
        "aide": "nothing",
    }
    assert proposal.quasi_identifiers == ("âge", "code_commune")
    losses = [one.loss for one in proposal.effects]
    assert [one.k for one in proposal.effects] == list(TRIED_K)
    assert all(loss is not None and 0 < loss < 1 for loss in losses)
    assert losses == sorted(losses, key=lambda loss: loss or 0)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_draft_is_a_policy(language: Any, write: Write) -> None:
    """It can be pasted into a card, says why, and holds no cell."""
    text = proposal_yaml(propose_policy(write(table())), language)
    assert SECRET not in text
    content = parse_yaml(text)
    card = Card.model_validate(
        {"dataset": "aides", "domain": "social", "title": "Aides", "description": "Aides.",
         "subject": "people", **content}
    )  # fmt: skip
    assert card.privacy.columns["contact"].action == "drop"
    assert card.privacy.quasi_identifiers == ("âge", "code_commune")
    assert "email" in text
    assert text.count("k = ") == 3
    assert card.privacy.hierarchies["âge"].ranges == (5, 10, 20)


def test_a_table_without_people(write: Write) -> None:
    """Without quasi-identifiers there is nothing to protect and no effect to compare."""
    proposal = propose_policy(
        write({"essence": ["Chêne", "Tilleul", "Chêne"], "hauteur": [1.5, 2.0, 3.0]})
    )
    assert proposal.quasi_identifiers == ()
    assert proposal.effects == ()
    assert "quasi_identifiers" not in proposal_yaml(proposal, "fr")

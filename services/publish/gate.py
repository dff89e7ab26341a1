"""The decision: what a new publication may do without a person, and what has to wait for one.

Pure: the evidence and the card in, a verdict out.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.card import Card


class Evidence(NamedTuple):
    """What is known of a publication beside the one that is public."""

    first: bool
    same_columns: bool
    same_protection: bool
    row_change: float | None
    withdrawn: bool
    # Nothing is public since a stricter policy withdrew what a weaker one had let out.
    tightened: bool = False


class Verdict(NamedTuple):
    """Whether it may go out by itself; if not, why a person has to look."""

    automatic: bool
    because: tuple[str, ...]


def weigh(card: Card, evidence: Evidence) -> Verdict:
    """First releases by the card's `first`, later ones by `then` and its conditions."""
    if evidence.withdrawn:
        # Withdrawn by a person: only a person puts it back.
        return Verdict(automatic=False, because=("withdrawn_before",))
    if evidence.tightened:
        # However first releases go out: this dataset's data were public, and showed too much.
        return Verdict(automatic=False, because=("policy_tightened",))
    if evidence.first:
        if card.approval.first == "automatic":
            return Verdict(automatic=True, because=())
        return Verdict(automatic=False, because=("first_release",))
    if card.approval.then == "person":
        return Verdict(automatic=False, because=("card_asks_for_person",))
    low, high = card.quality.row_change or (-100, 10_000)
    change = evidence.row_change
    holds = {
        "same_columns": evidence.same_columns,
        "same_protection": evidence.same_protection,
        # A finding that the policy does not accept never reaches the gate.
        "no_new_finding": evidence.same_protection,
        "row_change_within_bounds": change is not None and low <= change * 100 <= high,
    }
    because = tuple(name for name in card.approval.conditions if not holds[name])
    return Verdict(automatic=not because, because=because)


def row_change(before: int | None, after: int) -> float | None:
    """The share by which the row count changed; None without a row count to compare with."""
    return None if not before else (after - before) / before

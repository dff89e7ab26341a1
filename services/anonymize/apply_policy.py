"""What the card's policy lets out of a table, column by column, and which findings it accepts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.anonymize.normalise import fold_header
from services.anonymize.scan_table import Finding
from shared.card import Card
from shared.failures import Quarantined
from shared.messages import Reason

DETECTORS = ("email", "phone", "nir", "header")


@dataclass(frozen=True)
class Accepted:
    """A finding that a person foresaw: by the column's legal basis, or declared with a reason."""

    finding: Finding
    by: str
    reason: str


def kept_columns(names: Sequence[str], card: Card) -> tuple[str, ...]:
    """The columns to publish, in the table's order.

    Policy and table must name the same columns, letter for letter: a name that merely looks alike
    is another one, and position says nothing. Raises Quarantined with everything that is wrong.
    """
    if card.subject in ("people", "households"):
        raise Quarantined(Reason(code="subject_needs_protection", detail=card.subject))
    reasons = [*_unknown_detectors(card), *_wrong_columns(names, card)]
    if reasons:
        raise Quarantined(*reasons)
    kept = tuple(name for name in names if card.privacy.columns[name].action == "keep")
    if not kept:
        raise Quarantined(Reason(code="nothing_kept"))
    return kept


def _unknown_detectors(card: Card) -> Iterable[Reason]:
    for one in card.privacy.accepted_findings:
        if one.detector not in DETECTORS:
            yield Reason(code="detector_unknown", column=one.column, expected=", ".join(DETECTORS))


def _wrong_columns(names: Sequence[str], card: Card) -> Iterable[Reason]:
    rules = card.privacy.columns
    first: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        other = first.setdefault(fold_header(name), position)
        if other != position:
            yield Reason(code="columns_collide", position=position, detail=str(other))
        if name not in rules:
            yield Reason(code="column_undeclared", position=position)
    present = set(names)
    for name in rules:
        if name not in present:
            yield Reason(code="column_gone", column=name)


def judge(findings: Iterable[Finding], card: Card) -> tuple[Accepted, ...]:
    """The findings that the policy accepts. Raises Quarantined with every one that it does not."""
    declared = {(one.column, one.detector): one.reason for one in card.privacy.accepted_findings}
    accepted, reasons = [], []
    for finding in findings:
        basis = card.privacy.columns[finding.column].basis
        why = declared.get((finding.column, finding.detector))
        if basis:
            accepted.append(Accepted(finding, "basis", basis))
        elif why:
            accepted.append(Accepted(finding, "declared", why))
        else:
            reasons.append(_reason(finding))
    if reasons:
        raise Quarantined(*reasons)
    return tuple(accepted)


def _reason(finding: Finding) -> Reason:
    if finding.detector == "header":
        return Reason(code="header_personal", column=finding.column)
    return Reason(
        code=f"finding_{finding.detector}",
        column=finding.column,
        line=finding.line,
        count=finding.cells,
    )

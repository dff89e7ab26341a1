"""What the card's policy lets out of a table, column by column, and which findings it accepts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.anonymize.normalise import fold_header
from services.anonymize.protect_table import PROTECTED, is_counts
from services.anonymize.scan_table import TEXT_DETECTORS, Finding
from shared.card import Card
from shared.card_parts import ColumnRule, ColumnType
from shared.failures import Quarantined
from shared.messages import Reason

DETECTORS = (*TEXT_DETECTORS, "hash", "header", "sole_trader", "birth")


# A column that anonymize adds: nothing personal is foreseen in it.
_OURS = ColumnRule(action="keep")


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
    privacy = card.privacy
    if card.subject in PROTECTED and not (privacy.quasi_identifiers or is_counts(card)):
        raise Quarantined(Reason(code="subject_needs_protection", detail=card.subject))
    reasons = [*_unknown_detectors(card), *_wrong_columns(names, card), *_wrong_rules(card)]
    if reasons:
        raise Quarantined(*reasons)
    kept = tuple(name for name in names if card.privacy.columns[name].action != "drop")
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


def _wrong_rules(card: Card) -> Iterable[Reason]:
    """What a card that came by another way than `check_card` may have wrong."""
    privacy, shown = card.privacy, set(card.published_columns())
    for name, rule in privacy.columns.items():
        if rule.action == "pseudonymize" and not rule.basis:
            yield Reason(code="pseudonym_refused", column=name)
    measures = privacy.measures.values()
    along = [name for one in measures for name in (*one.along, *filter(None, [one.count]))]
    for one in measures:
        if one.largest and (one.largest in shown or one.count is None):
            yield Reason(code="protection_inconsistent", column=one.largest)
    named = (*privacy.quasi_identifiers, *(privacy.sensitive or ()), *privacy.measures, *along)
    named += privacy.aggregate.by if privacy.aggregate else ()
    for name in named:
        if name not in shown:
            yield Reason(code="protection_inconsistent", column=name)
    ways = [list(privacy.measures), list(privacy.quasi_identifiers)]
    ways.append(list(privacy.aggregate.by) if privacy.aggregate else [])
    if len(given := [way for way in ways if way]) > 1:
        yield Reason(code="protection_inconsistent", column=given[0][0])
    if privacy.unit and privacy.unit in shown:
        yield Reason(code="protection_inconsistent", column=privacy.unit)


def check_types(types: Mapping[str, ColumnType], card: Card) -> None:
    """Raises Quarantined for columns whose type is not the one that the policy was decided for."""
    fields = card.table_schema.fields if card.table_schema else ()
    reasons = [
        Reason(code="column_retyped", column=one.name, expected=one.type, found=types[one.name])
        for one in fields
        if one.name in types and types[one.name] != one.type
    ]
    if reasons:
        raise Quarantined(*reasons)


def judge(findings: Iterable[Finding], card: Card) -> tuple[Accepted, ...]:
    """The findings that the policy accepts. Raises Quarantined with every one that it does not."""
    declared = {(one.column, one.detector): one.reason for one in card.privacy.accepted_findings}
    accepted, reasons = [], []
    for finding in findings:
        rule = card.privacy.columns.get(finding.column, _OURS)
        # A pseudonym's basis covers its being a pseudonym, not what else the column may hold.
        covered = rule.action == "keep" or finding.detector in ("hash", "header")
        basis = rule.basis if covered else None
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

"""Whether a policy protects more than an earlier one: then what the earlier one let out is withdrawn.

Whoever is protected more than before must not stay findable in what is public. In doubt a policy
counts as stricter: two forms of a column that have no order, a threshold on something else.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

from shared.card import Card
from shared.card_parts import ColumnRule, Privacy, Subject
from shared.card_protection import Aggregate, Coarser, DatePart, Measure

_DATES = get_args(DatePart)
# What says why or who decided, and how rows are made alike: it protects nobody more or less.
NOT_COMPARED = {
    "decided", "dpo_opinion", "hierarchies", "method", "suppression", "between", "population",
}  # fmt: skip


class Policy(NamedTuple):
    """What a signature covers of a card, without the columns' types."""

    subject: Subject
    privacy: Privacy

    @classmethod
    def of(cls, card: Card) -> Policy:
        return cls(card.subject, card.privacy)

    def body(self) -> dict[str, Any]:
        """As JSON-compatible data that `read` reads back."""
        privacy = self.privacy.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {"subject": self.subject, "privacy": privacy}

    @classmethod
    def read(cls, body: dict[str, Any]) -> Policy:
        return cls(body["subject"], Privacy.model_validate(body["privacy"]))


def is_stricter(new: Policy, old: Policy) -> bool:
    """In any respect: a column, a threshold, whom rows are about, who was removed."""
    if new.subject not in (old.subject, "none"):
        return True
    one, other = new.privacy, old.privacy
    rules, before = one.columns, other.columns
    gone = any(rule.action != "drop" for name, rule in before.items() if name not in rules)
    columns = (_column(rules[name], rule) for name, rule in before.items() if name in rules)
    accepted = {(each.column, each.detector) for each in one.accepted_findings}
    refused = any((each.column, each.detector) not in accepted for each in other.accepted_findings)
    return (
        gone or refused or any(columns) or _thresholds(one, other) or _named(one, other)
        or _counts(one, other)
    )  # fmt: skip


def _column(new: ColumnRule, old: ColumnRule) -> bool:
    if "drop" in (new.action, old.action):
        return old.action != "drop"
    if "keep" in (new.action, old.action):
        return new.action != "keep"
    said = {"ground", "basis"}
    if new.model_dump(exclude=said) == old.model_dump(exclude=said):
        return False
    if new.action != old.action:
        return True
    if new.generalize and old.generalize:
        return _coarser(new.generalize, old.generalize)
    if new.action in ("round", "grid"):
        return (new.step or 0) > (old.step or 0)
    if new.action == "mask":
        return (new.shown or 0) < (old.shown or 0)
    return not _ends_within(old, new) if new.action == "top_bottom" else True


def _coarser(new: Coarser, old: Coarser) -> bool:
    if new.ranges and old.ranges:
        return new.ranges > old.ranges
    if new.date and old.date:
        return _DATES.index(new.date) > _DATES.index(old.date)
    return True


def _ends_within(inner: ColumnRule, outer: ColumnRule) -> bool:
    """Whether all that one shows between its ends the other shows too."""

    def ends(rule: ColumnRule) -> tuple[float, float]:
        bottom = -float("inf") if rule.bottom is None else rule.bottom
        return bottom, float("inf") if rule.top is None else rule.top

    (low, high), (lower, higher) = ends(inner), ends(outer)
    return lower <= low and high <= higher


def _thresholds(new: Privacy, old: Privacy) -> bool:
    rising = ((new.k, old.k), (new.l, old.l), (new.removals, old.removals))
    if any((one or 0) > (other or 0) for one, other in rising):
        return True
    return (new.t or 1.0) < (old.t or 1.0) or bool(new.entropy and not old.entropy)


def _named(new: Privacy, old: Privacy) -> bool:
    """Quasi-identifiers, sensitive columns, a unit, a group that were not asked for."""
    if set(new.quasi_identifiers) - set(old.quasi_identifiers):
        return True
    # None means every column that tells nobody apart.
    if old.sensitive is not None and (
        new.sensitive is None or set(new.sensitive) - set(old.sensitive)
    ):
        return True
    return any(
        now is not None and now != before
        for now, before in ((new.unit, old.unit), (new.linked, old.linked))
    )


def _counts(new: Privacy, old: Privacy) -> bool:
    """Tables of counts: their measures, their margins, rows made into counts."""
    if new.aggregate and (old.aggregate is None or _aggregate(new.aggregate, old.aggregate)):
        return True
    if new.margins.items() - old.margins.items():
        return True
    return any(_measure(one, old.measures.get(name)) for name, one in new.measures.items())


def _aggregate(new: Aggregate, old: Aggregate) -> bool:
    return new.min > old.min or not set(old.by) <= set(new.by)


def _measure(new: Measure, old: Measure | None) -> bool:
    if old is None or new.min > old.min or set(new.along) - set(old.along):
        return True
    others = (new.unit != old.unit, new.count not in (None, old.count))
    if any(others) or new.largest not in (None, old.largest):
        return True
    return bool(new.largest) and (new.dominance or 85) < (old.dominance or 85)

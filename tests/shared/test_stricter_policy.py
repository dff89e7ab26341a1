"""A policy that protects more, in whatever respect, is told from one that does not."""

from __future__ import annotations

from typing import Any

import pytest

from shared.card_parts import ColumnRule, Privacy
from shared.card_protection import Aggregate, Measure
from shared.stricter_policy import NOT_COMPARED, Policy, is_stricter
from tests.cards import card

COLUMNS: dict[str, Any] = {"age": {"generalize": {"ranges": 10}}, "commune": "keep", "nom": "drop"}
PEOPLE: dict[str, Any] = {
    "columns": COLUMNS, "quasi_identifiers": ["age", "commune"], "k": 5, "l": 2, "t": 0.5,
    "decided": {"by": "responsable", "date": "2026-03-01"},
}  # fmt: skip


def policy(subject: str = "people", **privacy: Any) -> Policy:
    return Policy.of(card(subject=subject, schema=None, privacy=PEOPLE | privacy))


@pytest.mark.parametrize(
    "changes",
    [
        {"k": 11}, {"l": 3}, {"t": 0.2}, {"removals": 1}, {"unit": "nom"}, {"entropy": True},
        {"columns": COLUMNS | {"commune": {"generalize": "departement"}}},
        {"columns": COLUMNS | {"age": {"generalize": {"ranges": 20}}}},
        {"columns": COLUMNS | {"commune": "drop"}, "quasi_identifiers": ["age"]},
        {"linked": "familles"},
    ],
    ids=str,
)  # fmt: skip
def test_stricter(changes: dict[str, Any]) -> None:
    """A threshold, a coarser or dropped column, a person removed: stricter, and not the other way (but
    for a column that is shown and must be protected now)."""
    assert is_stricter(policy(**changes), policy())
    assert is_stricter(policy(), policy(**changes)) is ("quasi_identifiers" in changes)


def columns(**rules: Any) -> Policy:
    rules = {"age": "keep", "commune": "keep", "nom": "drop"} | rules
    return policy("none", quasi_identifiers=[], k=None, l=None, t=None, columns=rules)


@pytest.mark.parametrize(
    ("coarse", "fine"),
    [
        ({"generalize": "year"}, {"generalize": "month"}),
        ({"round": 100}, {"round": 10}),
        ({"grid": 1000}, {"grid": 200}),
        ({"mask": 1}, {"mask": 3}),
        ({"top_bottom": {"bottom": 20, "top": 80}}, {"top_bottom": {"bottom": 15, "top": 80}}),
        ({"top_bottom": {"bottom": 20, "top": 80}}, {"top_bottom": {"bottom": 20}}),
        ("redact", "keep"),
        ("drop", "redact"),
    ],
    ids=str,
)
def test_forms_that_have_an_order(coarse: Any, fine: Any) -> None:
    """Less of a column is stricter, more of it is not."""
    assert is_stricter(columns(age=coarse), columns(age=fine))
    assert not is_stricter(columns(age=fine), columns(age=coarse))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"round": 10}, {"generalize": {"ranges": 10}}),
        ({"generalize": "departement"}, {"generalize": "epci"}),
        ({"top_bottom": {"top": 80}}, {"top_bottom": {"bottom": 15}}),
        ({"generalize": {"values": {"a": "b"}}}, {"generalize": {"values": {"a": "c"}}}),
    ],
    ids=str,
)
def test_forms_that_have_none(one: Any, other: Any) -> None:
    """In doubt, what is public is withdrawn."""
    assert is_stricter(columns(age=one), columns(age=other))
    assert is_stricter(columns(age=other), columns(age=one))


def test_the_same_is_not_stricter() -> None:
    """Nor is another date, another ground, another officer's opinion, one column more."""
    decided = {"by": "responsable", "date": "2026-09-01"}
    assert not is_stricter(policy(decided=decided), policy())
    grounds = COLUMNS | {"nom": {"drop": "private_life"}}
    assert not is_stricter(policy(columns=grounds), policy())
    opinion = {"opinion": "reserved", "date": "2026-02-20"}
    assert not is_stricter(policy(dpo_opinion=opinion), policy())
    assert not is_stricter(policy(columns=COLUMNS | {"essence": "keep"}), policy())


def test_a_finding_accepted_no_more() -> None:
    """What a person said to be harmless, and says no longer."""
    found = {"column": "commune", "detector": "name", "reason": "Noms de communes."}
    assert is_stricter(policy(), policy(accepted_findings=[found]))
    assert not is_stricter(policy(accepted_findings=[found]), policy())


def test_all_other_columns_are_more_than_some() -> None:
    """Without a list, every column that tells nobody apart is sensitive."""
    shown = COLUMNS | {"aide": "keep"}
    one, every = policy(columns=shown, sensitive=["aide"]), policy(columns=shown)
    assert is_stricter(every, one)
    assert not is_stricter(one, every)


def test_rows_that_turn_out_to_be_people() -> None:
    """Whoever was nobody before is protected now; a column that the policy lost is shown no more."""
    none = Policy.of(card(subject="none", schema=None, privacy={"columns": COLUMNS}))
    assert is_stricter(policy(), none)
    less = {name: rule for name, rule in COLUMNS.items() if name != "commune"}
    fewer = Policy.of(card(subject="none", schema=None, privacy={"columns": less}))
    assert is_stricter(fewer, none)
    assert not is_stricter(none, fewer)


def measured(**more: Any) -> Policy:
    """A table of counts."""
    told = {"min": 11, "largest": "premiere"} | more.pop("measure", {})
    return Policy(
        "enterprises",
        Privacy.model_validate({"columns": COLUMNS, "measures": {"nb": told}} | more),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"measure": {"min": 12}}, {"measure": {"dominance": 80}}, {"measure": {"along": ["part"]}},
        {"margins": {"commune": "Total"}}, {"aggregate": {"by": ["commune"]}},
    ],
    ids=str,
)  # fmt: skip
def test_tables(changes: dict[str, Any]) -> None:
    """Higher counts, less dominance, margins protected as well, rows made into counts."""
    assert is_stricter(measured(**changes), measured())
    assert not is_stricter(measured(), measured(**changes))


def test_counts_of_rows() -> None:
    """Fewer dimensions and higher counts show less."""
    fine = measured(aggregate={"by": ["commune", "age"], "min": 11})
    for coarse in ({"by": ["commune"], "min": 11}, {"by": ["commune", "age"], "min": 20}):
        assert is_stricter(measured(aggregate=coarse), fine)
        assert not is_stricter(fine, measured(aggregate=coarse))


def test_every_part_of_a_policy_is_compared() -> None:
    """Whoever adds one decides here whether it protects somebody."""
    compared = {
        "columns", "accepted_findings", "quasi_identifiers", "unit", "k", "l", "t", "entropy",
        "sensitive", "linked", "removals", "aggregate", "measures", "margins",
    }  # fmt: skip
    assert set(Privacy.model_fields) == compared | NOT_COMPARED
    assert set(ColumnRule.model_fields) == {
        "action", "ground", "basis", "generalize", "step", "snap", "linked", "bottom", "top", "shown",
    }  # fmt: skip
    assert set(Measure.model_fields) == {"unit", "min", "count", "largest", "dominance", "along"}
    assert set(Aggregate.model_fields) == {"by", "count", "min"}


def test_a_policy_written_down_is_read_back() -> None:
    """As it was, so that it is neither stricter nor weaker than itself."""
    for one in (policy(), measured(), columns(age={"grid": 200})):
        assert Policy.read(one.body()) == one

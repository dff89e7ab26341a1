"""The gate: what goes out without a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publish.gate import Evidence, row_change, weigh
from shared.card import Card
from tests.cards import card

SAME = Evidence(
    first=False, same_columns=True, same_protection=True, row_change=0.0, withdrawn=False
)


def personal() -> Card:
    """A card that asks for a person each time."""
    approval = {"first": "person", "then": "person"}
    return card(
        approval=approval, departures={"approval": "Chaque publication est relue par le service."}
    )


def test_what_changes_nothing_goes_out() -> None:
    """The same columns, protection and about as many rows: automatic."""
    assert weigh(card(), SAME) == (True, ())


@pytest.mark.parametrize(
    ("evidence", "because"),
    [
        (SAME._replace(same_columns=False), "same_columns"),
        (SAME._replace(same_protection=False), "same_protection"),
        (SAME._replace(row_change=-0.21), "row_change_within_bounds"),
        (SAME._replace(row_change=0.51), "row_change_within_bounds"),
        (SAME._replace(row_change=None), "row_change_within_bounds"),
        (SAME._replace(withdrawn=True), "withdrawn_before"),
        (SAME._replace(first=True, tightened=True), "policy_tightened"),
    ],
)
def test_what_changes_something_waits(evidence: Evidence, because: str) -> None:
    """Other columns, other protection, many rows more or fewer, once withdrawn: a person looks."""
    automatic, told = weigh(card(), evidence)
    assert not automatic
    assert because in told


def test_a_card_may_ask_for_a_person() -> None:
    """First releases and later ones, by the card."""
    assert weigh(personal(), SAME).because == ("card_asks_for_person",)
    assert weigh(personal(), SAME._replace(first=True)).because == ("first_release",)
    assert weigh(card(), SAME._replace(first=True)).automatic


@given(
    st.builds(
        Evidence,
        first=st.booleans(),
        same_columns=st.booleans(),
        same_protection=st.booleans(),
        row_change=st.none() | st.floats(-1, 100),
        withdrawn=st.just(True),
    )
)
def test_what_was_withdrawn_never_goes_out_by_itself(evidence: Evidence) -> None:
    """Whatever else holds, only a person puts it back."""
    assert not weigh(card(), evidence).automatic


@pytest.mark.parametrize(
    ("before", "after", "share"), [(100, 120, 0.2), (100, 0, -1), (None, 5, None), (0, 5, None)]
)
def test_row_change(before: int | None, after: int, share: float | None) -> None:
    """The share of rows more or fewer; none without rows to compare with."""
    assert row_change(before, after) == share

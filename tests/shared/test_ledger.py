"""The ledger's fold: where a change stands, whatever the order of its rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.events import LedgerRow
from shared.ledger import standing

START = datetime(2026, 3, 1, tzinfo=UTC)
CHANGE = "c" + "0" * 31
AGAIN = "c" + "1" * 31


def row(stage: str, state: str, second: int, **more: Any) -> LedgerRow:
    plain = {"dataset": "arbres", "change": CHANGE, "run": CHANGE, "stage": stage, "state": state}
    return LedgerRow.model_validate(plain | {"at": START + timedelta(seconds=second)} | more)


WAY = [
    row("ingest", "started", 0),
    row("ingest", "done", 1),
    row("anonymize", "started", 2),
    row("anonymize", "quarantined", 3, reasons=[{"code": "finding_email"}]),
]
ENDED = [
    *WAY,
    row("ingest", "done", 10, run=AGAIN),
    row("anonymize", "done", 11, run=AGAIN),
    row("convert", "done", 12, run=AGAIN),
    row("publish", "ended", 13, run=AGAIN, end="published"),
    row("anonymize", "quarantined", 14, attempt=2),
]


def test_nothing_stands_nowhere() -> None:
    """A change without rows is unknown."""
    assert standing([]) is None


@given(st.permutations(WAY), st.lists(st.sampled_from(WAY), max_size=4))
def test_the_furthest_stage_counts(rows: list[LedgerRow], twice: list[LedgerRow]) -> None:
    """In any order, and with rows that come twice."""
    stands = standing([*rows, *twice])
    assert stands is not None
    assert (stands.stage, stands.state, stands.end) == ("anonymize", "quarantined", None)
    assert [reason.code for reason in stands.reasons] == ["finding_email"]


@given(st.permutations(ENDED))
def test_an_end_stays(rows: list[LedgerRow]) -> None:
    """A later run's end holds against rows that come behind it."""
    stands = standing(rows)
    assert stands is not None
    assert (stands.stage, stands.end) == ("publish", "published")


def test_a_run_again_begins_anew() -> None:
    """A second run that has only begun is where the change stands."""
    stands = standing([*WAY, row("ingest", "started", 20, run=AGAIN)])
    assert stands is not None
    assert (stands.stage, stands.state) == ("ingest", "started")


def test_an_attempt_again_counts_more() -> None:
    """Of one stage, the last attempt."""
    stands = standing([row("ingest", "waiting", 0), row("ingest", "done", 5, attempt=2)])
    assert stands is not None
    assert stands.state == "done"

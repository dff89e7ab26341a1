"""The ledger: what every stage did with every change, and the fold that tells where a change stands.

Rows come at least once and in any order; the fold is by (stage, attempt, state), never by arrival.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shared.envelope import Received
from shared.event_parts import End, Stage, StageState
from shared.events import DatasetChanged, Event, LedgerRow, Passage
from shared.ids import change_id
from shared.messages import Reason

ORDER: tuple[Stage, ...] = ("ingest", "anonymize", "convert", "publish", "notify")
# Within one attempt of a stage, what is said later in the work weighs more.
_WEIGHT: dict[StageState, int] = {
    "started": 0,
    "waiting": 1,
    "parked": 1,
    "quarantined": 2,
    "failed": 3,
    "done": 4,
    "ended": 5,
}


def passage_facts(event: Event | None, came: Received | None) -> dict[str, Any]:
    """Dataset, change, run, release, place, kind and card, as far as a message tells them."""
    if isinstance(event, Passage):
        told = {"dataset", "change", "run", "release", "sequence", "kind"}
        return event.model_dump(include=told) | {"revision": event.card.revision}
    this = change_id(came.source, came.id) if came else None
    if isinstance(event, DatasetChanged):
        rerun = event.rerun
        return {
            "dataset": event.dataset,
            "change": rerun.change if rerun else this,
            "run": this,
            "sequence": rerun.sequence if rerun else None,
            "kind": event.kind,
            "revision": rerun.card_revision if rerun else None,
        }
    named = {name: getattr(event, name, None) for name in ("dataset", "change", "release")}
    if event is None and came is not None:
        named = {"dataset": came.subject, "change": this, "release": None}
    return {**named, "run": named["change"]}


def row(
    stage: Stage,
    state: StageState,
    facts: dict[str, Any],
    *,
    came: Received | None = None,
    origin: str | None = None,
    attempt: int = 1,
    end: End | None = None,
    reasons: tuple[Reason, ...] = (),
    rows: int | None = None,
    seconds: float | None = None,
) -> LedgerRow:
    """A ledger row of now. `origin` is the place of a message that has no identity of its own."""
    return LedgerRow.model_validate(
        facts
        | {
            "stage": stage,
            "state": state,
            "end": end,
            "attempt": attempt,
            "reasons": reasons[:100],
            "rows": rows,
            "seconds": None if seconds is None else round(seconds, 3),
            "at": datetime.now(UTC),
            "origin": came.origin if came else origin,
        }
    )


class Standing(NamedTuple):
    """Where a change stands: its latest run's furthest stage, and its end if it has one."""

    stage: Stage
    state: StageState
    end: End | None
    reasons: tuple[Reason, ...]
    release: str | None


def standing(rows: Iterable[LedgerRow]) -> Standing | None:
    """Folds a change's rows, in whatever order; None without any.

    The latest run counts (the one whose first row is youngest); within it the furthest stage, its
    last attempt, its weightiest state. An end, once written, stays.
    """
    known = list(rows)
    if not known:
        return None
    began: dict[str | None, datetime] = {}
    for one in known:
        began[one.run] = min(one.at, began.get(one.run, one.at))
    last = max(
        known,
        key=lambda one: (
            one.end is not None,
            began[one.run],
            ORDER.index(one.stage),
            one.attempt,
            _WEIGHT[one.state],
            one.at,
        ),
    )
    return Standing(last.stage, last.state, last.end, last.reasons, last.release)

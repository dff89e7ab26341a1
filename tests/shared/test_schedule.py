"""Schedules: due times that everybody computes alike, summer time included."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from shared.schedule import Schedule


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "now", "due"),
    [
        ({"every": "6h"}, "2026-03-01T05:59:59", "2026-03-01T06:00"),
        ({"every": "6h"}, "2026-03-01T06:00", "2026-03-01T12:00"),
        ({"every": "15m"}, "2026-03-01T06:01", "2026-03-01T06:15"),
        ({"every": "1d"}, "2026-03-01T06:01", "2026-03-02T00:00"),
        ({"cron": "0 6 * * 1-5"}, "2026-03-06T06:00", "2026-03-09T05:00"),
        # Clocks go forward on 29 March: six in the morning comes an hour earlier in UTC.
        ({"cron": "0 6 * * *"}, "2026-03-28T06:00", "2026-03-29T04:00"),
        ({"cron": "0 6 * * *", "zone": "Indian/Reunion"}, "2026-03-28T06:00", "2026-03-29T02:00"),
    ],
)
def test_the_next_due_time(told: dict[str, str], now: str, due: str) -> None:
    """After a moment, never at it; of the schedule, and known for its own again."""
    schedule = Schedule.model_validate(told)
    assert schedule.after(moment(now)) == moment(due)
    assert schedule.has(moment(due))
    assert not schedule.has(moment(due) + timedelta(minutes=1))


@pytest.mark.parametrize(
    "told",
    [
        {}, {"every": "6h", "cron": "0 6 * * *"}, {"every": "4m"}, {"every": "0h"}, {"every": "weekly"},
        {"cron": "0 6 * *"}, {"cron": "x"}, {"cron": "0 0 6 * * *"}, {"cron": "@daily"},
        {"cron": "0 6 * * *", "zone": "Lyon"},
    ],
)  # fmt: skip
def test_what_is_no_schedule(told: dict[str, str]) -> None:
    """Neither, both, too often, or not understood: refused when the card is written."""
    with pytest.raises(ValidationError):
        Schedule.model_validate(told)


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("30 2 * * *", ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
        ("30 2 * * *", ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),
        ("15 2,3 * * *", ["2026-10-25T00:15", "2026-10-25T02:15", "2026-10-26T01:15"]),
        ("0 * * * *", ["2026-10-24T23:00", "2026-10-25T00:00", "2026-10-25T01:00"]),
    ],
)
def test_the_nights_when_clocks_change(cron: str, due: list[str]) -> None:
    """An hour that is left out is made up for, one that comes twice counts once; whenever it is
    asked, the next due time is the same, and none lies behind."""
    schedule = Schedule.model_validate({"cron": cron})
    moments = [moment(text) for text in due]
    for before, after in itertools.pairwise(moments):
        assert schedule.has(after)
        asked = before
        while asked < after:
            assert schedule.after(asked) == after
            asked += timedelta(minutes=7, seconds=1)

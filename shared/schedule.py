"""When a dataset is fetched by itself (`schedule:` in its card): every so often, or by cron.

Due times are facts of the schedule, not of the process that looks: the same for whoever computes
them, so that a unique row for each is enough to lose and to double none.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import Field, model_validator

from shared.card_parts import Part

_EVERY = re.compile(r"([1-9]\d{0,3}) ?(m|h|d)")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
SHORTEST = timedelta(minutes=5)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Schedule(Part):
    """`every` (15m, 6h, 1d: at multiples of it, UTC) or `cron` (five fields, in `zone`)."""

    every: str | None = Field(default=None, description="15m, 6h, 1d; at least 5m")
    cron: str | None = Field(default=None, description="minute hour day month weekday")
    zone: str = Field(default="Europe/Paris", description="time zone that cron is written in")

    @model_validator(mode="after")
    def _one_of_both(self) -> Schedule:
        if (self.every is None) == (self.cron is None):
            raise ValueError("has either `every` or `cron`")
        if self.zone not in available_timezones():
            raise ValueError("`zone` is not a time zone such as Europe/Paris")
        if self.every is not None and (_interval(self.every) or timedelta()) < SHORTEST:
            raise ValueError("`every` is a number and m, h or d, such as 6h; at least 5m")
        if self.cron is not None:
            try:
                CronSim(self.cron, _EPOCH)
                # The library reads six as well, the first of them seconds.
                five = len(self.cron.split()) == 5
            except CronSimError:
                five = False
            if not five:
                raise ValueError("`cron` has five fields, such as `0 6 * * 1-5`")
        return self

    def after(self, moment: datetime) -> datetime | None:
        """The first due time after `moment`, UTC; None if there is none."""
        if self.every is not None:
            interval = _interval(self.every)
            if interval is None:
                return None
            return _EPOCH + ((moment - _EPOCH) // interval + 1) * interval
        local = moment.astimezone(ZoneInfo(self.zone))
        # In the hour that comes twice, when clocks go back, the first ones lie before the moment.
        later = (
            due for one in CronSim(self.cron or "", local) if (due := one.astimezone(UTC)) > moment
        )
        return next(later, None)

    def has(self, due: datetime) -> bool:
        """Whether this is one of the schedule's due times: it may have changed since."""
        return self.after(due - timedelta(seconds=1)) == due


def _interval(text: str) -> timedelta | None:
    found = _EVERY.fullmatch(text)
    return None if found is None else int(found[1]) * _UNITS[found[2]]

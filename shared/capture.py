"""Change data capture (`capture:` in a card): topics on which a table's changes are written.

Debezium writes one message a changed row, before- and after-image included. Écluse takes from it
that the dataset changed, and when; what the row says is read from the source, as always.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from shared.card_parts import Part

# Captured topics stand apart under this name: a card cannot name a topic of the flow and so make
# it answer itself, and one right by prefix is enough for who writes and who reads them.
CAPTURED = "captured."
TopicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,180}$")]

_WAIT = re.compile(r"([1-9]\d{0,4}) ?(s|m|h)")
_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}
LONGEST = timedelta(days=1)


class Capture(Part):
    """Which topics, and how long Écluse waits for a burst of changes to end."""

    topics: tuple[TopicName, ...] = Field(
        min_length=1, description="without what stands before: `sig.public.bancs`"
    )
    quiet: str = Field(default="1m", description="fetched when nothing changed for so long")
    longest: str = Field(default="15m", description="fetched after that, however much changes")

    @model_validator(mode="after")
    def _waits(self) -> Capture:
        quiet, longest = _wait(self.quiet), _wait(self.longest)
        if quiet is None or longest is None or not quiet <= longest <= LONGEST:
            raise ValueError(
                "`quiet` and `longest` are a number and s, m or h, such as 30s;"
                " `quiet` is not above `longest`, and that is at most 24h"
            )
        return self

    def due(self, first: datetime, last: datetime) -> datetime:
        """When the dataset is to be fetched that changed from `first` to `last`."""
        quiet, longest = _wait(self.quiet), _wait(self.longest)
        return min(last + (quiet or LONGEST), first + (longest or LONGEST))


def _wait(text: str) -> timedelta | None:
    found = _WAIT.fullmatch(text)
    return None if found is None else int(found[1]) * _UNITS[found[2]]

"""Failures. The class says what to do; delivery policy (`shared/broker.py`) reads nothing else.

    EcluseError
    ├── OursAway          store, broker, database, disk: wait, the whole subscriber stands still
    ├── SourceAway        somebody else's host: a few tries, then `waiting`; others go on
    ├── Parked            not an error: dataset undeclared or paused, runs again when that changes
    ├── MessageInvalid    permanent, of the message: dead letter with a code, never the content
    └── Quarantined       permanent, of the data: a person must act, with reasons and next steps

No failure carries a cell value, a sample, a file name or a library's own text.
"""

from __future__ import annotations

import errno

from shared.messages import Reason

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class EcluseError(Exception):
    """Root of our failures. `reasons` are safe to log, store and show."""

    def __init__(self, *reasons: Reason) -> None:
        self.reasons = reasons
        super().__init__(", ".join(reason.code for reason in reasons))

    def __reduce__(self) -> tuple[type[EcluseError], tuple[Reason, ...]]:
        # Worker processes hand failures back by pickle: the reasons must survive the way.
        return type(self), self.reasons


class OursAway(EcluseError):
    """Our store, broker or database does not answer, or our disk is full. Transient."""


class SourceAway(EcluseError):
    """The source's host does not answer, or says 5xx. Transient, and not ours."""


class Parked(EcluseError):
    """The dataset is not declared, or paused: the change waits for a person's act elsewhere."""


class MessageInvalid(EcluseError):
    """The message itself cannot be handled, now or ever: it goes to the dead letters."""


class Quarantined(EcluseError):
    """The data cannot pass as they are. A person must act."""


def disk_full(error: BaseException) -> OursAway | None:
    """What an operating system's "no room left" means; None for any other error."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return OursAway(Reason(code="disk_full"))
    return None

"""Places where a process can be told to kill itself, so that tests may see what a crash leaves.

`ECLUSE_CRASH_AT=<service>:<point>` names one; nothing is armed otherwise. SIGKILL, as a power cut or
the kernel's out-of-memory killer would: no handler runs, no buffer is flushed, nothing is committed.
"""

from __future__ import annotations

import os
import signal

_armed: set[str] = set()


def arm(service: str, wanted: str) -> None:
    """Arms the point that `wanted` (`<service>:<point>`) names, if it is one of this service's."""
    _armed.clear()
    named, _, point = wanted.partition(":")
    if named == service and point:
        _armed.add(point)


def crash_point(name: str) -> None:
    """Kills this process if the point is armed."""
    if name in _armed:
        os.kill(os.getpid(), signal.SIGKILL)

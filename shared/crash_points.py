"""Places where a process can be told to kill or to stop itself, so that tests may see what is left.

`ECLUSE_CRASH_AT=<service>:<point>` names one; nothing is armed otherwise. SIGKILL, as a power cut or
the kernel's out-of-memory killer would: no handler runs, no buffer is flushed, nothing is committed.
With `~stop` behind it SIGSTOP, once: a process that everybody takes for dead and that then goes on.
"""

from __future__ import annotations

import os
import signal

STOP = "~stop"
_armed: dict[str, signal.Signals] = {}


def arm(service: str, wanted: str) -> None:
    """Arms the point that `wanted` (`<service>:<point>`) names, if it is one of this service's."""
    _armed.clear()
    named, _, point = wanted.partition(":")
    if named == service and point:
        act = signal.SIGSTOP if point.endswith(STOP) else signal.SIGKILL
        _armed[point.removesuffix(STOP)] = act


def crash_point(name: str) -> None:
    """Kills or stops this process if the point is armed."""
    if act := _armed.pop(name, None):
        os.kill(os.getpid(), act)

"""What a process that opens untrusted files gives up before it opens any.

The size of a file it writes and the number it holds open are bounded; it leaves no core dump, which
would hold what it read; and where the system allows it (Linux, a network namespace of its own) it
has no network at all, not even loopback. Memory and time its parent watches.
"""

from __future__ import annotations

import ctypes
import sys
from typing import NamedTuple

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # sched.h


class Bounds(NamedTuple):
    """Of one worker. Sizes in bytes, CPU time in seconds of one job."""

    file_bytes: int = 16 * 2**30
    open_files: int = 512
    cpu_seconds: float = 1800


def confine(bounds: Bounds) -> bool:
    """Confines this process for good; whether it has lost the network. Call it before any thread
    is started: a process with several cannot leave its user namespace."""
    if sys.platform == "win32":
        return False
    import resource  # noqa: PLC0415 - not everywhere

    for what, most in (
        (resource.RLIMIT_FSIZE, bounds.file_bytes),
        (resource.RLIMIT_NOFILE, bounds.open_files),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))
    if sys.platform != "linux":
        return False
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    # A user namespace needs no privilege where the system lets everybody make one.
    return any(unshare(flags) == 0 for flags in (_NEW_NET, _NEW_USER | _NEW_NET))

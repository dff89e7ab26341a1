"""How late a process's event loop comes round: what blocks it delays heartbeats, probes and answers.

Work on data is for the workers' processes; whatever else would hold the loop shows here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from shared import metrics

EVERY_SECONDS = 0.25


async def watch_lag(
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Measures for ever by how many seconds a short sleep was longer than asked for."""
    while True:
        asked = clock()
        await sleep(EVERY_SECONDS)
        metrics.loop_lag.observe(max(0.0, clock() - asked - EVERY_SECONDS))

"""How notify's workers go on: look at what is due, else count, wait, and look again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from shared.failures import OursAway
from shared.logs import logger

LONGEST_IDLE = 60.0


async def look_for_ever(
    look: Callable[[], Awaitable[object]], count: Callable[[], Awaitable[None]], seconds: float
) -> None:
    """`look` says whether there was something to do; without it `count`, and a pause of `seconds`,
    a minute at most. When database or broker are away, it tries again."""
    while True:
        try:
            if not await look():
                await count()
                await asyncio.sleep(min(seconds, LONGEST_IDLE))
        except OursAway as failure:
            logger().warning("waiting", reason=failure.reasons[0].code)
            await asyncio.sleep(1)

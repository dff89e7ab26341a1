"""Several waits side by side, failing as one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def at_once(*work: Coroutine[Any, Any, T]) -> list[T]:
    """Runs all side by side; their results, in order.

    The first failure calls the others off and is raised itself, not in a group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]

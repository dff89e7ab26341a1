"""Waits side by side."""

from __future__ import annotations

import asyncio

import pytest

from shared.at_once import at_once


async def test_results_come_in_order() -> None:
    """The results stand in the order of the work, whoever was first."""
    first = asyncio.Event()

    async def late() -> int:
        await first.wait()
        return 1

    async def early() -> int:
        first.set()
        return 2

    assert await at_once(late(), early()) == [1, 2]
    assert await at_once() == []


async def test_the_first_failure_is_raised_itself() -> None:
    """What failed is raised as it was, and the others are called off."""
    called_off = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            called_off.set()
            raise

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await at_once(waits(), fails())
    assert called_off.is_set()

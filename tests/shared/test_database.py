"""The outbox's order, and waiting for what is written."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.database import in_turns, wait_for


@given(st.lists(st.sampled_from("abc")))
def test_a_keys_rows_keep_their_order(keys: list[str]) -> None:
    """Every row is sent once; of one key never two at once, and in the order they were written."""
    rows: list[Any] = [SimpleNamespace(key=key, id=number) for number, key in enumerate(keys)]
    turns = in_turns(rows)
    assert sorted(row.id for turn in turns for row in turn) == list(range(len(rows)))
    for turn in turns:
        assert len({row.key for row in turn}) == len(turn)
    for key in set(keys):
        sent = [row.id for turn in turns for row in turn if row.key == key]
        assert sent == sorted(sent)


async def test_waiting_ends_with_the_event_or_with_the_time() -> None:
    """One who waits goes on when the event is set, or when the time is over."""
    event = asyncio.Event()
    await wait_for(event, 0.01)
    assert not event.is_set()
    event.set()
    await asyncio.wait_for(wait_for(event, 3600), 30)

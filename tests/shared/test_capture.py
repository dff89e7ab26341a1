"""`capture:` of a card: topics, and how long a burst is waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from shared.capture import Capture

AT = datetime(2026, 3, 1, 6, tzinfo=UTC)


def test_when_it_is_due() -> None:
    """When it has been quiet, and after the longest wait at the latest."""
    capture = Capture(topics=("sig.public.bancs",), quiet="30s", longest="5m")
    assert capture.due(AT, AT) == AT + timedelta(seconds=30)
    later = AT + timedelta(minutes=2)
    assert capture.due(AT, later) == later + timedelta(seconds=30)
    assert capture.due(AT, AT + timedelta(minutes=9)) == AT + timedelta(minutes=5)


@pytest.mark.parametrize(
    "told",
    [
        {"topics": []},
        {"topics": ["../dataset.changed"]},
        {"topics": [".sig"]},
        {"topics": ["sig bancs"]},
        {"topics": ["sig"], "quiet": "soon"},
        {"topics": ["sig"], "quiet": "0s"},
        {"topics": ["sig"], "quiet": "20m"},
        {"topics": ["sig"], "longest": "25h"},
        {"topics": ["sig"], "every": "5m"},
    ],
)
def test_what_is_no_capture(told: dict[str, object]) -> None:
    """No topic, a topic that cannot be one, waits that are none or too long."""
    with pytest.raises(ValidationError):
        Capture.model_validate(told)

"""Events and addresses made to do harm: each ends as it should, in little memory, and unsaid.

The bad inputs (S26 to S34) are those of the project's list of limits; what an event leads to is
fetched within the limits of the settings.
"""

from __future__ import annotations

import pytest

from tests.services.ingest.event_process import CASES, MIB, send_all
from tests.services.ingest.reading import SECRET
from tests.services.ingest.trap_process import Sprung

# Over what one ordinary change takes; what may be fetched is 16 MiB, what is sent is without end.
PEAK = 150 * MIB


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Sprung], list[str]]:
    """What became of every event, and what the one host was asked for."""
    return send_all(tmp_path_factory.mktemp("events"))


@pytest.mark.parametrize("name", CASES)
def test_hostile_events(sent: tuple[dict[str, Sprung], list[str]], name: str) -> None:
    """Ends with its code, within memory; no value of it in logs, events, metrics or answers."""
    told = sent[0][name]
    assert told.code == CASES[name][1]
    assert told.peak < PEAK
    assert SECRET not in told.said
    assert "Traceback" not in told.said


def test_who_was_asked(sent: tuple[dict[str, Sprung], list[str]]) -> None:
    """A name is resolved once; redirects are followed three times at most; a second body under a
    known identity leads nowhere."""
    paths = [asked.partition("/")[2].partition("/")[0] for asked in sent[1]]
    assert paths.count("ring") == 4
    assert paths.count(SECRET) == 1
    assert [asked for asked in sent[1] if asked.startswith("rebinding.example")]

"""When source bytes were last updated: noted once, from the best that is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from services.ingest.data_date import data_date
from shared import keys
from shared.envelope import Received
from shared.ids import source_id
from shared.settings import Settings
from shared.storage import Store, open_store

SOURCE = source_id(b"secret", "bancs", "0" * 64)
CAME = datetime(2026, 3, 10, 8, tzinfo=UTC)
SAID = datetime(2026, 3, 9, 23, 59, 58, 7, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(Settings(store=str(tmp_path)), "ingest")


def came(at: datetime = CAME, time: datetime | None = SAID) -> Received:
    return Received("dataset.changed", 0, 7, at, "e1", "urn:x", None, time=time)


@pytest.mark.parametrize(
    ("modified", "time", "date"),
    [
        ("Sun, 01 Mar 2026 07:28:00 GMT", SAID, "2026-03-01T07:28:00"),
        ("Sun, 01 Mar 2026 07:28:00 -0000", SAID, "2026-03-01T07:28:00"),
        ("last week", SAID, "2026-03-09T23:59:58"),
        (None, SAID, "2026-03-09T23:59:58"),
        (None, None, "2026-03-10T08:00:00"),
        ("Fri, 31 Dec 9999 00:00:00 GMT", SAID, "2026-03-10T08:00:00"),
        (None, datetime(9999, 1, 1, tzinfo=UTC), "2026-03-10T08:00:00"),
        (None, datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "2026-03-10T08:00:00"),
    ],
)
async def test_the_source_knows_best(
    store: Store, modified: str | None, time: datetime | None, date: str
) -> None:
    """The host's date, else the domain system's, else when the change came in, never the future."""
    found = await data_date(store, "bancs", SOURCE, modified, came(time=time))
    assert found == datetime.fromisoformat(date + "+00:00")


async def test_the_same_bytes_keep_their_date(store: Store) -> None:
    """A re-run months later, whatever is said then, finds the date that was noted first."""
    first = await data_date(store, "bancs", SOURCE, None, came())
    later = came(datetime(2026, 7, 1, tzinfo=UTC), None)
    assert await data_date(store, "bancs", SOURCE, None, later) == first
    other = source_id(b"secret", "bancs", "1" * 64)
    assert await data_date(store, "bancs", other, None, later) == later.at


async def test_a_damaged_note_stops_nothing(store: Store) -> None:
    """What cannot be read counts as not noted."""
    await store.put_bytes("reports", keys.dated("bancs", SOURCE), b"{}")
    assert (await data_date(store, "bancs", SOURCE, None, came(time=None))) == CAME

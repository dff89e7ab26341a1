"""What a reading library cuts, turns over or leaves out: read right, or refused by line."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.services.ingest.reading import SECRET, refusal, rows
from tests.services.ingest.test_careless_files import parquet

# --- Parquet -----------------------------------------------------------------------------------------

MOMENT = 1_700_000_000_123_456


@pytest.mark.parametrize(
    "column",
    [
        pa.array([MOMENT * 1000, MOMENT * 1000 + 1], pa.timestamp("ns")),
        pa.array([None, MOMENT * 1000 + 1], pa.timestamp("ns", "Europe/Paris")),
        pa.array([1_000_000, 1], pa.time64("ns")),
        pa.array([1000, 1], pa.time64("us")),
        pa.array([1000, 1], pa.duration("ns")),
    ],
    ids=["ns", "ns zoned", "time ns", "time us", "duration ns"],
)
def test_moments_finer_than_ours(tmp_path: Path, column: pa.Array) -> None:
    """Are refused by line: what is cut off is gone."""
    told = refusal(parquet(id=pa.array([1, 2]), places=column), tmp_path)
    assert told == {"code": "moment_too_fine", "position": 2, "line": 2}


def test_which_line_of_many_is_too_fine(tmp_path: Path) -> None:
    """Counted over the batches that are read."""
    fine = pa.array([*[0] * 45_000, 1], pa.timestamp("ns"))
    told = refusal(parquet(id=fine, places=fine), tmp_path)
    assert told == {"code": "moment_too_fine", "position": 1, "line": 45_001}


def test_nanoseconds_that_say_no_more(tmp_path: Path) -> None:
    """As pandas writes every moment."""
    column = pa.array([MOMENT * 1000], pa.timestamp("ns"))
    [row] = rows(parquet(id=column, places=pa.array([5_000_000], pa.time64("ns"))), tmp_path)
    assert row == {
        "id": dt.datetime(2023, 11, 14, 22, 13, 20, 123456),
        "places": dt.time(0, 0, 0, 5000),
    }


def test_durations(tmp_path: Path) -> None:
    """With their fractions and their sign."""
    column = pa.array([1, 1500, -90_000, 108_900_000], pa.duration("ms"))
    found = rows(parquet(id=column, places=pa.array([1, 2, 3, 4])), tmp_path)
    assert [row["id"] for row in found] == ["00:00:00.001", "00:00:01.5", "-00:01:30", "30:15:00"]


def test_moments_of_twelve_bytes(tmp_path: Path) -> None:
    """As Spark writes them: the last day of all, which is how many say « no end », stays there."""
    out = io.BytesIO()
    days = [dt.datetime(9999, 12, 31), dt.datetime(1600, 1, 1)]
    made = pa.table({"id": pa.array(days, pa.timestamp("us")), "places": [1, 2]})
    pq.write_table(made, out, use_deprecated_int96_timestamps=True)
    assert [row["id"] for row in rows(out.getvalue(), tmp_path)] == days


# --- NUL ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([{"id": "a", "places": "b"}, {"id": "a", "places": f"\0{SECRET}"}]).encode(),
        b'{"id": "a", "places": "b"}\n\n{"id": "a", "places": "\\u0000"}\n',
        parquet(id=pa.array(["a", "a"]), places=pa.array(["b", f"{SECRET}\0"])),
        json.dumps([{"id": "a", "places": ["b"]}, {"id": "a", "places": "x\0"}]).encode(),
    ],
    ids=["json", "ndjson", "parquet", "json of lists"],
)
def test_nul(tmp_path: Path, content: bytes) -> None:
    """Is refused in every format, as it is in CSV."""
    line = 3 if content.startswith(b"{") else 2
    assert refusal(content, tmp_path) == {"code": "nul_character", "position": 2, "line": line}

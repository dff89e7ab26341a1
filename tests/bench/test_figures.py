"""The benchmark's own arithmetic and its page; nothing is measured here."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.chambers import Used, fastest, ratios
from bench.mixed_table import FIELDS, make_card, write_table
from bench.pipeline import STEP_NAMES, percentile
from bench.process_use import spent

FACTS = {
    "date": "2026-03-01 10:00 UTC",
    "machine": "2 cores (a processor), 8 GiB of memory",
    "load": "0.1 processes wanted to run when it began",
    "versions": "Python 3.13.0",
}
JOB = {"seconds": 2.0, "cpu": 3.0, "memory": 2**20}
PEER = {"seconds": 1.0, "cpu": 1.0, "memory": 2**20}
TASKS = ("csv to parquet", "csv to csv", "csv to json", "table to all three")


def chambers() -> dict[str, Any]:
    return {
        "rows": 2_000_000,
        "bytes": 256_000_000,
        "chambers": dict.fromkeys(("ingest", "anonymize", "convert"), JOB),
        "peers": {"polars": dict.fromkeys(TASKS, PEER), "duckdb": dict.fromkeys(TASKS, JOB)},
        "pandas": JOB,
    }


def pipeline() -> dict[str, Any]:
    load = {
        "releases": 500,
        "per_second": 12.34,
        "public": (0.5, 0.9),
        "verified": (0.6, 1.1),
        "cpu": {"publish": 0.025, "Kafka": 0.005},
        "steps": dict.fromkeys(STEP_NAMES, 0.05),
        "lag": {"publish": 0.025, "ingest": math.inf},
    }
    return {
        "loads": {"all at once": load, "one by one": load},
        "idle": {"publish": 0.02, "Kafka": 0.01},
        "memory": {"publish": 2**27, "Kafka": 2**28},
    }


def test_percentiles_are_values_that_were_measured() -> None:
    """A percentile is one of the values, whatever their order."""
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(100)], 0.95) == 95.0
    assert percentile([7.0], 0.95) == 7.0


def test_jobs_one_after_another_add_up() -> None:
    """Times add up; of two peaks the larger counts."""
    assert Used(1, 2, 30) + Used(3, 4, 20) == Used(4, 6, 30)


def test_ratios_are_to_the_fastest() -> None:
    """The fastest by the clock is the measure, in all three figures."""
    peers = {"slow": Used(4, 1, 1), "fast": Used(2, 4, 10)}
    assert fastest(peers) == "fast"
    assert ratios(Used(3, 4, 5), peers["fast"]) == (1.5, 1.0, 0.5)


def test_seconds_spent_are_never_negative() -> None:
    """A process that was started anew in between has spent nothing, not less than nothing."""
    assert spent({"a": 5.0, "b": 5.0, "gone": 1.0}, {"a": 7.0, "b": 1.0}) == {"a": 2.0, "b": 0.0}


def test_the_page_holds_what_was_measured() -> None:
    """Each part's figures and machine stand in the page; a part that was not measured does not."""
    page = report.page({"chambers": {"facts": FACTS, "found": chambers()}})
    assert "| ingest | polars: csv to parquet | 2.0× | 3.0× | 1.0× |" in page
    assert "| all three | pandas script | 3.0× | 3.0× | 1.0× |" in page
    assert "256 MB of CSV, 2,000,000 rows" in page
    assert report.TITLES["pipeline"] not in page
    both = report.page(
        {name: {"facts": FACTS, "found": found()} for name, found in
         (("chambers", chambers), ("pipeline", pipeline))}
    )  # fmt: skip
    assert "| all at once | 500 | 12.3 | 0.50 | 0.90 | 0.60 | 1.10 |" in both
    assert "| all | 30 | 30 | 3.0 | 384 |" in both
    assert "| publish | ≤ 0.025 | ≤ 0.025 |" in both
    assert "| ingest | longer than all bounds | longer than all bounds |" in both
    assert both.count(FACTS["date"]) == 2


def test_many_declared_datasets_have_their_table() -> None:
    """Start-up, memory and cost of a release stand beside each number of datasets."""
    level = {
        "start": {"ingest": (2.5, 1.25)},
        "memory": {"ingest": 2**27},
        "cpu": 0.123,
        "idle": 0.05,
        "public": 0.7,
    }
    text = report.declared({"10": level, "10000": level})
    assert "| ingest | 2.5, 1.2 | 2.5, 1.2 |" in text
    assert "10,000 datasets" in text
    assert "| CPU ms, all processes | 123 | 123 |" in text


@pytest.mark.parametrize("rows", [1, 150])
def test_the_same_seed_gives_the_same_table(tmp_path: Path, rows: int) -> None:
    """The table is the same for all who measure, and its card names each of its columns."""
    for name in ("a", "b"):
        write_table(tmp_path / name, rows, 7)
    text = (tmp_path / "a").read_text(encoding="utf-8")
    assert text == (tmp_path / "b").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) == rows + 1
    assert lines[0].split(";") == list(FIELDS)
    assert set(make_card("mobilier").privacy.columns) == set(FIELDS)


def test_convert_is_held_against_its_peers() -> None:
    """Each contender with our cost beside it; other parts' sections stay when one is renewed."""
    costs = {
        "ecluse": {"wall": 3.0, "cpu": 2.0, "mib": 100.0},
        "polars": {"wall": 2.0, "cpu": 4.0, "mib": 50.0},
    }
    part = {
        "tables": {"rows": 2000, "costs": costs},
        "small": {"rows": 150, "costs": {"ecluse": costs["ecluse"]}},
    }
    section = report.page({"convert": {"facts": FACTS, "found": part}})
    assert "| | Polars | 2.00 | 4.00 | 50 | 1.50×, 0.50× |" in section.replace("|  |", "| |")
    assert "CSV, JSON and Parquet of 2,000 rows × 12" in section
    assert "A small release takes 40 ms of CPU." in section
    level = {"start": {"ingest": (2.5, 1.25)}, "memory": {"ingest": 2**27}, "cpu": 0.1,
             "idle": 0.05, "public": 0.7}  # fmt: skip
    both = report.page(
        {
            "declared": {"facts": FACTS, "found": {"10": level}},
            "convert": {"facts": FACTS, "found": part},
        }
    )
    other = {"convert": {"facts": FACTS, "found": {"tables": part["tables"]}}}
    again = report.renewed(both, other)
    assert "A small release" not in again
    assert report.TITLES["declared"] in again
    assert report.renewed(again, other) == again
    assert report.renewed(again, {"convert": {"facts": FACTS, "found": part}}) == both


def test_ingest_beside_others() -> None:
    """Every job stands there, and ingest as a multiple of each peer."""
    found = {"256 MB": {"ecluse": JOB, "polars": PEER}, "ods": {"ecluse": PEER, "calamine": JOB}}
    page = report.page({"ingest": {"facts": FACTS, "found": found}})
    assert "| 256 MB: ecluse | 2.00 | 3.00 | 1 |" in page
    assert "| 256 MB | polars | 2.00× | 3.00× | 1.00× |" in page
    assert "| ods | calamine | 0.50× | 0.33× | 1.00× |" in page


def test_anonymize_beside_others() -> None:
    """What it took, its loss beside ARX's, and whether pycanon counts the same; without Adult, less."""
    own = {"used": JOB, "found": {"k": 5, "l": 2, "t": 0.25}}
    told = {name: {"value": value, "seconds": 1.5} for name, value in own["found"].items()}
    other = told | {"t": {"value": 0.5, "seconds": 1.5}}
    found = {
        "scan": {"used": JOB},
        "mondrian": {"used": PEER},
        "strings": {"personal": 200, "caught": 199, "harmless": 50, "flagged": 1},
        "file": {"bytes": 256e6, "used": {"ecluse": JOB, "duckdb": PEER}},
    }
    page = report.page({"anonymize": {"facts": FACTS, "found": found}})
    assert "| 256 MB: anonymize | 2.00 | 3.00 | 1 |" in page
    assert "199 of 200" in page
    assert "1 of 50" in page
    assert "Adult |" not in page
    found |= {
        "engine": {"5: local recoding": {"used": JOB, "found": {"loss": 0.012, "suppressed": 3}}},
        "agreed": {
            "mondrian": {"own": own, "pycanon": told},
            "optimum, 0 %": {"own": own, "pycanon": other},
        },
        "written": {"used": JOB},
    }
    page = report.page({"anonymize": {"facts": FACTS, "found": found}})
    assert "| 5: local recoding | 2.00 | 3.00 | 0.15 | 0.0120 | 0.0142 | 3 |" in page
    assert "| mondrian | 5 | 2 | 0.2500 | the same | 2.00, 3.00 | 4.50 |" in page
    assert "| optimum, 0 % | 5 | 2 | 0.2500 | 5.0000, 2.0000, 0.5000 |" in page

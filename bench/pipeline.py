"""Part two: many small datasets through the whole pipeline, all at once and then one by one, and a
large one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.city import City
from bench.loop_lag import longest, looks
from bench.process_use import cpu_seconds, memory_bytes, spent

PATIENCE = 900.0
LARGE = 2_000_000  # rows: 256 MB
# From the change's append to the topic until the release is public, and until it is verified.
TIMES = """
select extract(epoch from p.published_at - p.occurred_at)::float,
       extract(epoch from c.at - p.occurred_at)::float,
       extract(epoch from p.occurred_at)::float,
       extract(epoch from p.published_at)::float
  from publish.publications p join publish.changes c using (change)
 where c."end" = 'published' order by p.occurred_at
"""
ENDED = """select count(*) from publish.changes where "end" = 'published'"""
# Where a change's time goes: each stage's start and end, then the decision and the flip. The ledger is
# read once: joined with itself for each step it kept the server busy for minutes.
STEPS = """
with told as (
    select change, body->>'stage' as stage, body->>'state' as state,
           (body->>'at')::timestamptz as at
      from publish.ledger
), steps as (
    select change,
           min(at) filter (where stage = 'ingest' and state = 'started') as ingest,
           min(at) filter (where stage = 'ingest' and state = 'done') as ingested,
           min(at) filter (where stage = 'anonymize' and state = 'started') as anonymize,
           min(at) filter (where stage = 'anonymize' and state = 'done') as anonymized,
           min(at) filter (where stage = 'convert' and state = 'started') as convert,
           min(at) filter (where stage = 'convert' and state = 'done') as converted,
           min(at) filter (where stage = 'publish' and state = 'ended') as ended
      from told group by change
)
select extract(epoch from s.ingest - p.occurred_at)::float,
       extract(epoch from s.ingested - s.ingest)::float,
       extract(epoch from s.anonymize - s.ingested)::float,
       extract(epoch from s.anonymized - s.anonymize)::float,
       extract(epoch from s.convert - s.anonymized)::float,
       extract(epoch from s.converted - s.convert)::float,
       extract(epoch from d.at - s.converted)::float,
       extract(epoch from p.published_at - d.at)::float,
       extract(epoch from s.ended - p.published_at)::float
  from publish.publications p
  join steps s on s.change = p.change
  join publish.decisions d on d.publication = p.publication
 where num_nulls(s.ingest, s.ingested, s.anonymize, s.anonymized, s.convert, s.converted, s.ended) = 0
 order by p.occurred_at
"""
STEP_NAMES = (
    "event to ingest", "ingest works", "to anonymize", "anonymize works", "to convert",
    "convert works", "to the decision", "decision to public", "verified and told",
)  # fmt: skip


class Load(NamedTuple):
    """One load's outcome. Times in seconds from the event's append to the topic; CPU seconds of a
    release by process, without what the process takes while idle. `lag`: the bound in seconds under
    which each service's event loop came round."""

    releases: int
    per_second: float
    public: tuple[float, float]
    verified: tuple[float, float]
    cpu: dict[str, float]
    steps: dict[str, float]
    lag: dict[str, float]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Runs the loads; plain data for the report."""
    many, few, apart, large = (20, 5, 0.5, 40_000) if quick else (500, 30, 1.0, LARGE)
    names = [f"mobilier-{number:05d}" for number in range(many)]
    with City(folder) as city:
        city.start()
        # The large one has no release before it: so many rows more would wait for a person.
        city.declare([*names, "grand-mobilier"])
        # The first releases of a fresh process pay for its first imports and connections.
        warm = [(name, city.source(name, 1)) for name in names[:few]]
        run_load(city, warm, 0.0)
        idle = idle_use(city, 5.0 if quick else 20.0)
        loads = {
            "all at once": run_load(
                city, [(name, city.source(name, 2)) for name in names], 0.0, idle
            ),
            f"one every {apart:g} s": run_load(
                city, [(name, city.source(name, 3)) for name in names[:few]], apart, idle
            ),
            f"one of {large:,} rows": run_load(
                city, [("grand-mobilier", city.source("grand-mobilier", 4, large))], 0.0, idle
            ),
        }
        memory = memory_bytes(city.pids())
    return {
        "loads": {name: load._asdict() for name, load in loads.items()},
        "memory": memory,
        "idle": idle,
    }


def idle_use(city: City, seconds: float) -> dict[str, float]:
    """The share of a core that each process takes while nothing changes."""
    before = cpu_seconds(city.pids())
    time.sleep(seconds)
    used = spent(before, cpu_seconds(city.pids()))
    return {name: one / seconds for name, one in used.items()}


def run_load(
    city: City,
    changes: Sequence[tuple[str, str]],
    apart: float,
    idle: Mapping[str, float] | None = None,
) -> Load:
    """Sends the changes and waits until all are public; what they took beyond being idle."""
    known = len(city.rows(TIMES))
    before, began = cpu_seconds(city.pids()), time.monotonic()
    looked = looks(city.metrics())
    asyncio.run(city.send(changes, apart))
    wanted = known + len(changes)
    city.wait_for(lambda: city.rows(ENDED)[0][0] >= wanted, "all changes public", PATIENCE)
    city.wait_for(lambda: len(city.rows(STEPS)) >= wanted, "the ledger folded", PATIENCE)
    used, lasted = spent(before, cpu_seconds(city.pids())), time.monotonic() - began
    times = city.rows(TIMES)[known:]
    steps = city.rows(STEPS)[known:]
    public, verified = [row[0] for row in times], [row[1] for row in times]
    span = max(row[3] for row in times) - min(row[2] for row in times)
    return Load(
        releases=len(times),
        per_second=len(times) / span,
        public=(percentile(public, 0.5), percentile(public, 0.95)),
        verified=(percentile(verified, 0.5), percentile(verified, 0.95)),
        cpu={
            name: max(0.0, seconds - (idle or {}).get(name, 0.0) * lasted) / len(times)
            for name, seconds in used.items()
        },
        steps={
            name: percentile([row[at] for row in steps], 0.5) for at, name in enumerate(STEP_NAMES)
        },
        lag=longest(looked, looks(city.metrics())),
    )

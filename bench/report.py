"""The page `docs/benchmarks.md`: tables from what was measured, and the words around them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench import anonymize_report, convert_report
from bench.chambers import Used, fastest, ratios

HEAD = """# Benchmarks

Written by `make bench`; not part of CI. Wall times depend on the machine and on what else it does:
what counts are the ratios within one run. How it is measured stands in the modules of `bench/`.
"""
CHAMBERS = """
Each job is a process of its own, with the same number of threads; imports are not counted, since a
service's workers are warm. The chambers do more than the peers: ingest settles every column's type on
all rows and validates it; anonymize looks into every cell; convert guards formulas and writes the data
package and the preview. anonymize has no peer: it is held against the peer's reading and writing of
the same table.
"""
PIPELINE = """
Real Kafka, PostgreSQL and a store in a folder, all on this machine; every service a process, two
partitions. A dataset has 150 rows of twelve columns (20 KB), the last load's as many as it says, and
comes in CSV, JSON and Parquet.
*Public* is when every stable address leads to the new files, *verified* when all of them have been
downloaded again and compared; both are counted from the event's append to the topic. The aims are
30 releases a second, and half of the changes public within a second when they come one by one, on
two cores that do nothing else; and that no service's event loop comes round a second late, whatever
its workers do.
"""
DECLARED = """
All datasets are declared and signed; the services are then started anew, one after another. The
releases are those of the first datasets alone.
"""
INGEST = """
ingest without a schema: every column's type settled on all rows, codes kept as text, dates and
booleans as a French city writes them. Polars and DuckDB sniff as they do by default, on a sample;
csv-detective looks at all rows, in an environment of its own. python-calamine alone gives cells, not
a typed table. frictionless validates against the same schema as ingest does. Goals, by wall time: CSV
at most 2.5 times the faster peer, within 512 MiB; sheets at most 1.3 times python-calamine; at
least 8 times csv-detective's speed and 10 times frictionless'. Where the machine is shared, CPU
seconds say more than wall time.
"""
TITLES = {
    "chambers": "One large file through the chambers",
    "pipeline": "Many small datasets through the pipeline",
    "declared": "Many datasets declared",
    "portals": "Back-fill of another portal",
    "convert": convert_report.TITLE,
    "ingest": "ingest beside what else reads such files",
    "anonymize": anonymize_report.TITLE,
}
PEER_OF = {
    "ingest": "csv to parquet",
    "anonymize": "csv to parquet",
    "convert": "table to all three",
}

PORTALS = """
Datasets that are public on the city's own portal are brought to a CKAN that answers every call after
50 ms: created, read back, shown, each file fetched as a stranger would. The stand-in counts calls under
way; used is their time over the time that was allowed.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown: the first column to the left, figures to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page, of the parts that were measured: `facts` and `found` of each."""
    told = {
        "chambers": chambers,
        "pipeline": pipeline,
        "declared": declared,
        "portals": portals,
        "convert": convert,
        "ingest": ingest,
        "anonymize": anonymize,
    }
    written = [HEAD]
    for name, write in told.items():
        if name in parts:
            facts, found = parts[name]["facts"], parts[name]["found"]
            about = (
                f"{facts['date']}; {facts['machine']}; {facts['load']}.\n\n{facts['versions']}.\n"
            )
            written.append(f"\n## {TITLES[name]}\n{write(found)}\n{about}")
    return "".join(written)


def renewed(before: str, parts: Mapping[str, Mapping[str, Any]]) -> str:
    """A page with these parts' sections written anew, and the others as they were."""
    sections = {name: text for name, text in _sections(before) if name not in parts}
    sections |= dict(_sections(page(parts)))
    return HEAD + "".join(sections[name] for name in TITLES if name in sections)


def _sections(text: str) -> Iterable[tuple[str, str]]:
    for name, title in TITLES.items():
        start = text.find(f"\n## {title}\n")
        if start >= 0:
            end = text.find("\n## ", start + 1)
            yield name, text[start : end if end >= 0 else len(text)]


def chambers(found: Mapping[str, Any]) -> str:
    """Part one: every job, then the ratios to the fastest peer."""
    own = {name: Used(**used) for name, used in found["chambers"].items()}
    peers = {
        who: {task: Used(**used) for task, used in tasks.items()}
        for who, tasks in found["peers"].items()
    }
    script = Used(**found["pandas"])
    jobs = [(f"Écluse: {name}", used) for name, used in own.items()]
    jobs += [
        (f"{who}: {task}", used) for who, tasks in peers.items() for task, used in tasks.items()
    ]
    jobs.append(("pandas script: csv to all three", script))
    size = f"\n{found['bytes'] / 1e6:.0f} MB of CSV, {found['rows']:,} rows, twelve columns.\n"
    taken = table(
        ("job", "wall s", "CPU s", "peak MiB"), [(name, *_figures(used)) for name, used in jobs]
    )
    against = {name: {who: tasks[PEER_OF[name]] for who, tasks in peers.items()} for name in own}
    rows = [_against(name, used, against[name]) for name, used in own.items()]
    whole = {who: _sum(tasks[task] for task in tasks if task != "table to all three")
             for who, tasks in peers.items()}  # fmt: skip
    rows.append(_against("all three", _sum(own.values()), whole))
    rows.append(_against("all three", _sum(own.values()), {"pandas script": script}))
    ratio = table(("chamber", "held against", "wall", "CPU", "memory"), rows)
    return f"{CHAMBERS}{size}\n{taken}\n{ratio}"


def _sum(used: Iterable[Used]) -> Used:
    whole = Used(0.0, 0.0, 0)
    for one in used:
        whole = whole + one
    return whole


def _figures(used: Used) -> tuple[str, str, str]:
    return f"{used.seconds:.2f}", f"{used.cpu:.2f}", f"{used.memory / 2**20:.0f}"


def _against(name: str, used: Used, peers: Mapping[str, Used]) -> tuple[str, ...]:
    best = fastest(peers)
    wall, cpu, memory = ratios(used, peers[best])
    what = f": {PEER_OF[name]}" if name in PEER_OF else ""
    return name, f"{best}{what}", f"{wall:.1f}×", f"{cpu:.1f}×", f"{memory:.1f}×"


def pipeline(found: Mapping[str, Any]) -> str:
    """Part two: throughput and latency, CPU by process, where a change's time goes."""
    loads: Mapping[str, Any] = found["loads"]
    names = list(loads)
    speed = table(
        ("load", "releases", "a second", "public p50 s", "p95 s", "verified p50 s", "p95 s"),
        [
            (name, str(load["releases"]), f"{load['per_second']:.1f}",
             *(f"{value:.2f}" for value in (*load["public"], *load["verified"])))
            for name, load in loads.items()
        ],
    )  # fmt: skip
    processes = list(next(iter(loads.values()))["cpu"])
    used = table(
        ("process", *(f"CPU ms a release, {name}" for name in names), "idle, % of a core", "MiB"),
        [
            (who, *(f"{loads[name]['cpu'][who] * 1000:.0f}" for name in names),
             f"{found['idle'][who] * 100:.1f}", f"{found['memory'][who] / 2**20:.0f}")
            for who in processes
        ]
        + [
            ("all", *(f"{sum(loads[name]['cpu'].values()) * 1000:.0f}" for name in names),
             f"{sum(found['idle'].values()) * 100:.1f}",
             f"{sum(found['memory'].values()) / 2**20:.0f}")
        ],
    )  # fmt: skip
    steps = table(
        ("step", *(f"p50 ms, {name}" for name in names)),
        [
            (step, *(f"{loads[name]['steps'][step] * 1000:.0f}" for name in names))
            for step in next(iter(loads.values()))["steps"]
        ],
    )
    lag = table(
        ("event loop's lag, s", *names),
        [
            (who, *(_at_most(loads[name]["lag"][who]) for name in names))
            for who in next(iter(loads.values()))["lag"]
        ],
    )
    return f"{PIPELINE}\n{speed}\n{used}\n{steps}\n{lag}"


def _at_most(seconds: float) -> str:
    return f"≤ {seconds:g}" if seconds < math.inf else "longer than all bounds"


def convert(found: Mapping[str, Any]) -> str:
    """What convert writes, each bench beside its peers."""
    head = ("what", "who", "wall s", "CPU s", "peak MiB", "cost: wall, CPU")
    return (
        f"{convert_report.ABOUT}\n{table(head, convert_report.rows(found))}"
        f"{convert_report.small_cost(found)}"
    )


def declared(found: Mapping[str, Any]) -> str:
    """Part three: start-up and memory by process, cost of a release."""
    levels = list(found)
    services = list(found[levels[0]]["start"])

    def ready(level: str, who: str) -> str:
        wall, cpu = found[level]["start"][who]
        return f"{wall:.1f}, {cpu:.1f}"

    starts = table(
        ("ready after s, CPU s", *(f"{int(level):,} datasets" for level in levels)),
        [(who, *(ready(level, who) for level in levels)) for who in services],
    )
    memory = table(
        ("memory, MiB", *(f"{int(level):,} datasets" for level in levels)),
        [
            (who, *(f"{found[level]['memory'][who] / 2**20:.0f}" for level in levels))
            for who in found[levels[0]]["memory"]
        ],
    )
    cost = table(
        ("a release", *(f"{int(level):,} datasets" for level in levels)),
        [
            ("CPU ms, all processes", *(f"{found[one]['cpu'] * 1000:.0f}" for one in levels)),
            ("idle, % of a core", *(f"{found[one]['idle'] * 100:.1f}" for one in levels)),
            ("public p50 s", *(f"{found[one]['public']:.2f}" for one in levels)),
        ],
    )
    return f"{DECLARED}\n{starts}\n{memory}\n{cost}"


def portals(found: Mapping[str, Any]) -> str:
    """Part four: how much of the portal's allowed concurrency a back-fill used."""
    early, late = (one / 2**20 for one in found["memory"])
    rows = [
        ("datasets of 3 files", f"{found['datasets']:,}"),
        ("calls of the portal", f"{found['calls']:,}"),
        ("seconds", f"{found['seconds']:.0f}"),
        ("CPU of publish, ms a dataset", f"{found['cpu'] / found['datasets'] * 1000:.0f}"),
        ("calls under way at most, of those allowed", f"{found['most']} of {found['allowed']}"),
        ("allowed concurrency used", f"{found['used']:.0%}"),
        ("memory after a tenth, at the end, MiB", f"{early:.0f}, {late:.0f}"),
    ]
    return f"{PORTALS}\n{table(('back-fill', 'measured'), rows)}"


def ingest(found: Mapping[str, Any]) -> str:
    """ingest: every file's jobs, and each peer's time as a multiple of ingest's own."""
    rows, against = [], []
    for name, jobs in found.items():
        used = {who: Used(**one) for who, one in jobs.items()}
        rows += [(f"{name}: {who}", *_figures(one)) for who, one in used.items()]
        own = used["ecluse"]
        for who, peer in used.items():
            if who != "ecluse":
                wall, cpu, memory = ratios(own, peer)
                against.append((name, who, f"{wall:.2f}×", f"{cpu:.2f}×", f"{memory:.2f}×"))
    taken = table(("job", "wall s", "CPU s", "peak MiB"), rows)
    ratio = table(("ingest on", "held against", "wall", "CPU", "memory"), against)
    return f"{INGEST}\n{taken}\n{ratio}"


def anonymize(found: Mapping[str, Any]) -> str:
    """anonymize: what it took, then Adult, if it is there."""
    told = [table(("job", "wall s", "CPU s", "peak MiB"), anonymize_report.work(found))]
    told.append(anonymize_report.rates(found))
    if "engine" in found:
        head = ("Adult", "wall s", "CPU s", "ARX s", "loss", "ARX loss", "rows suppressed")
        told.append(table(head, anonymize_report.engine(found)))
        head = ("written table", "k", "l", "t", "pycanon", "proof: wall, CPU s", "pycanon, wall s")
        told.append(table(head, anonymize_report.agreed(found)))
    return f"{anonymize_report.ABOUT}\n" + "\n".join(told)

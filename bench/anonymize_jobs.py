"""One job of anonymize's benchmark, in a process of its own: `python -m bench.anonymize_jobs JOB …`.

Prints what it took, as `bench.jobs` does, and what it found. Tables are read or made before the clock
starts.
"""

from __future__ import annotations

import csv
import json
import resource
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from bench.jobs import peak
from services.anonymize.class_sizes import (
    classes_of,
    greatest_distance,
    least_distinct,
    least_entropy,
)
from services.anonymize.k_anonymity.combinations import Combinations, combine
from services.anonymize.k_anonymity.full_domain import full_domain
from services.anonymize.k_anonymity.hierarchy import Hierarchy, from_rows
from services.anonymize.k_anonymity.local_recoding import local_recoding
from services.anonymize.k_anonymity.mondrian import mondrian
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.k_anonymity.recoding import Recoding, published
from services.anonymize.scan_table import scan_column, scan_table

SEED = 20260301
ADULT = ("sex", "age", "race", "marital-status", "education", "native-country", "workclass",
         "occupation", "salary-class")  # fmt: skip
# Of Adult by its first quasi-identifiers: what is not known of a person.
SENSITIVE = "occupation"
WAYS: dict[str, Callable[[Combinations, Protection], Recoding]] = {
    "optimum, 0 %": full_domain,
    "optimum, 5 %": lambda found, asked: full_domain(found, asked, 0.05),
    "optimum, 100 %": lambda found, asked: full_domain(found, asked, 1.0),
    "local recoding": local_recoding,
    "mondrian": mondrian,
}
Work = Callable[[], dict[str, Any]]


def adult(folder: str, columns: str, way: str, out: str = "") -> Work:
    """Adult's first columns made alike for k = 5 by ARX's hierarchies; `out`: a file to write."""
    rows, ways, leaves = _adult(Path(folder), int(columns))
    found = combine(leaves, ways)

    def work() -> dict[str, Any]:
        made = WAYS[way](found, Protection(5))
        if out:
            _write(Path(out), found, made, ADULT[: int(columns)], [row[SENSITIVE] for row in rows])
        return {"loss": made.loss, "suppressed": int(found.rows[made.suppressed].sum())}

    return work


def protected(folder: str, columns: str, asked: str) -> Work:
    """Adult, at most 5 % suppressed, with `l` 2 or `t` 0.2 of the salary class asked for as well."""
    rows, ways, leaves = _adult(Path(folder), int(columns))
    codes: dict[str, int] = {}
    salary = np.array([codes.setdefault(row["salary-class"], len(codes)) for row in rows], np.int64)
    found = combine(leaves, ways, sensitive=[salary])
    wanted = Protection(5, l=2) if asked == "l" else Protection(5, t=0.2)

    def work() -> dict[str, Any]:
        made = full_domain(found, wanted, 0.05)
        return {"loss": made.loss, "suppressed": int(found.rows[made.suppressed].sum())}

    return work


def large_mondrian(rows: str) -> Work:
    """A made table of six quasi-identifiers, k = 11."""
    draw = np.random.default_rng(SEED)
    ways = [_ranges(n) for n in (101, 64, 36, 24, 12, 8)]
    columns = [draw.integers(0, way.leaves, int(rows)) for way in ways]
    found = combine(columns, ways)
    return lambda: {"loss": mondrian(found, Protection(11)).loss}


def scan(rows: str) -> Work:
    """Every cell of a made table of nineteen columns; one cell of it holds an address."""
    table = _nineteen(int(rows))

    return lambda: {"findings": len(scan_table(table))}


def strings(file: str) -> Work:
    """The tests' strings, each alone in a column: how many are found, and found wrongly."""
    told = tomllib.loads(Path(file).read_text(encoding="utf-8"))

    def seen(text: str) -> set[str]:
        return {one.detector for one in scan_column("texte", pa.chunked_array([[text]]))}

    def work() -> dict[str, Any]:
        personal = [(kind, text) for kind, texts in told["personal"].items() for text in texts]
        harmless = told["harmless"]["strings"]
        return {
            "personal": len(personal),
            "caught": sum(kind in seen(text) for kind, text in personal),
            "harmless": len(harmless),
            "flagged": sum(bool(seen(text)) for text in harmless),
        }

    return work


def verify(file: str, sensitive: str) -> Work:
    """k, distinct and entropy l, and t of a written Parquet file, reading it included."""

    def work() -> dict[str, Any]:
        table = pq.read_table(file)
        names = [name for name in table.column_names if name != sensitive]
        return {
            "k": classes_of(table, names, None).smallest,
            "l": least_distinct(table, names, sensitive),
            "entropy l": least_entropy(table, names, sensitive),
            "t": greatest_distance(table, names, sensitive),
        }

    return work


def _adult(
    folder: Path, columns: int
) -> tuple[list[dict[str, str]], list[Hierarchy], list[np.ndarray[Any, Any]]]:
    with (folder / "adult.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    ways, leaves = [], []
    for name in ADULT[:columns]:
        with (folder / f"adult_hierarchy_{name}.csv").open(encoding="utf-8") as file:
            ways.append(from_rows([tuple(row) for row in csv.reader(file, delimiter=";")]))
        leaves.append(ways[-1].codes([row[name] for row in rows]))
    return rows, ways, leaves


def _write(
    out: Path, found: Combinations, made: Recoding, names: Sequence[str], sensitive: list[str]
) -> None:
    shown = ~made.suppressed[found.of_row]
    columns: dict[str, pa.Array] = {}
    for q, name in enumerate(names):
        at, texts = published(found, made.levels, q)
        columns[name] = pa.array(texts).take(pa.array(at[found.of_row][shown]))
    columns[SENSITIVE] = pa.array(sensitive).filter(pa.array(shown))
    table = pa.table(columns)
    pq.write_table(table, out)
    pa_csv.write_csv(table, out.with_suffix(".csv"))


def _ranges(leaves: int) -> Hierarchy:
    """Numbers, ranges of four, of sixteen, and all."""
    wide = ((str(n), f"4:{n // 4}", f"16:{n // 16}", "*") for n in range(leaves))
    return from_rows([row if leaves > 16 else (row[0], row[1], row[3]) for row in wide])


def _nineteen(rows: int) -> pa.Table:
    draw = np.random.default_rng(SEED)
    kinds, names = ("rue", "place", "quai"), ("du Port", "des Tanneurs", "de la Halle", "du Moulin")
    streets = np.array([f"{kind} {name}" for kind in kinds for name in names])
    words = ("trottoir abîmé", "éclairage en panne", "banc cassé", "dépôt sauvage", "nid-de-poule")
    columns: dict[str, pa.Array] = {}
    for n in range(5):
        columns[f"mesure_{n}"] = pa.array(draw.normal(100, 20, rows).round(2))
    for n in range(4):
        columns[f"nombre_{n}"] = pa.array(draw.integers(0, 10**4, rows))
    for n in range(3):
        days = draw.integers(17_000, 20_500, rows).astype("datetime64[D]")
        columns[f"jour_{n}"] = pa.array(days)
    for n in range(3):
        columns[f"code_{n}"] = pa.array([f"69{one:03d}" for one in draw.integers(0, 999, rows)])
    for n in range(2):
        columns[f"voie_{n}"] = pa.array(streets[draw.integers(0, len(streets), rows)])
    numbers = draw.integers(1, 10**6, rows)
    texts = [f"{words[n % len(words)]}, n° {n}" for n in numbers]
    columns["reference"] = pa.array([f"V-{n:07d}" for n in numbers])
    texts[rows // 2] = "écrire à prenom.nom@exemple.fr"
    columns["remarque"] = pa.array(texts)
    return pa.table(columns)


JOBS: dict[str, Callable[..., Work]] = {
    "adult": adult,
    "protected": protected,
    "mondrian": large_mondrian,
    "scan": scan,
    "strings": strings,
    "verify": verify,
}


def main(job: str, *told: str) -> None:
    """Does the job; prints wall and CPU seconds, peak memory in bytes, and what was found."""
    work = JOBS[job](*told)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    found = work()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    used = {"seconds": seconds, "cpu": cpu, "memory": peak()}
    print(json.dumps({"used": used, "found": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])

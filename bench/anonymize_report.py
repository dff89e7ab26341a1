"""anonymize's part of the page: what it took, what it lost, whether pycanon agrees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.chambers import Used

TITLE = "anonymize beside ARX, pycanon and DuckDB"
ABOUT = """
The scan looks at every cell of a made table of nineteen columns, in one thread, and must find the one
address in it. Adult has 30,162 rows; k = 5, ARX's hierarchies; loss is the mean over the
quasi-identifiers' cells of (values under the published one - 1) / (values - 1), 1 for what is
suppressed. ARX's figures are those measured on such a machine with nothing else to do, once: its last
repetition in a warm Java machine; `l` is 2 and `t` 0.2 of the salary class, at most 5 % suppressed.
pycanon counts k, l and t of the tables that the engine wrote, for 5 quasi-identifiers and the
occupation; the proof reads the Parquet file. Goals: loss at most ARX's in at most twice its time;
Mondrian of a million rows of six quasi-identifiers, and the scan of 100,000 rows, within 10 s; the proof
of 100,000 rows within 1 s; the 256 MB file at most 2 times DuckDB's CSV to Parquet, within 512 MiB. On a
machine that does much else CPU seconds say more than wall time.
"""
# Seconds and loss, by number of quasi-identifiers.
ARX = {
    "5: optimum, 0 %": (0.06, 0.487), "5: optimum, 5 %": (0.07, 0.083),
    "5: optimum, 100 %": (0.04, 0.083), "5: local recoding": (0.15, 0.0142),
    "8: optimum, 0 %": (0.14, 0.661), "8: optimum, 5 %": (1.42, 0.262),
    "8: optimum, 100 %": (2.81, 0.227), "8: local recoding": (3.65, 0.0563),
    "9: optimum, 0 %": (0.09, 0.636), "9: optimum, 5 %": (2.52, 0.270),
    "9: optimum, 100 %": (5.58, 0.228), "9: local recoding": (6.70, 0.0589),
    "8: l": (2.0, None), "8: t": (8.6, None),
}  # fmt: skip
_CLOSE = 1e-6

Row = tuple[str, ...]


def work(found: Mapping[str, Any]) -> list[Row]:
    """Scan, Mondrian, proof, the large file."""
    rows: list[Row] = [
        ("scan of 19 columns", *_used(found["scan"]["used"])),
        ("Mondrian, 6 quasi-identifiers", *_used(found["mondrian"]["used"])),
    ]
    if "written" in found:
        rows.append(("k, l, t of 100,000 written rows", *_used(found["written"]["used"])))
    size = f"{found['file']['bytes'] / 1e6:.0f} MB"
    for who, what in (("ecluse", "anonymize"), ("duckdb", "DuckDB, CSV to Parquet")):
        rows.append((f"{size}: {what}", *_used(found["file"]["used"][who])))
    return rows


def rates(found: Mapping[str, Any]) -> str:
    """How many of the tests' strings the scan tells rightly."""
    told = found["strings"]
    return (
        f"Of the tests' own strings, each alone in a column, {told['caught']} of {told['personal']} "
        f"personal ones are found as what they are; {told['flagged']} of {told['harmless']} look-alikes "
        "are flagged. They are what the detectors were written for: other strings tell more.\n"
    )


def engine(found: Mapping[str, Any]) -> list[Row]:
    """Adult: seconds and loss beside ARX's."""
    rows: list[Row] = []
    for name, job in found["engine"].items():
        seconds, loss = ARX.get(name, (None, None))
        rows.append((
            name, f"{job['used']['seconds']:.2f}", f"{job['used']['cpu']:.2f}", _told(seconds, 2),
            f"{job['found']['loss']:.4f}", _told(loss, 4), f"{job['found']['suppressed']:,}",
        ))  # fmt: skip
    return rows


def agreed(found: Mapping[str, Any]) -> list[Row]:
    """Each of the written tables: what the proof counts, whether pycanon counts the same."""
    rows: list[Row] = []
    for way, told in found["agreed"].items():
        own, theirs = told["own"], told["pycanon"]
        same = all(
            abs(own["found"][name] - theirs[name]["value"]) < _CLOSE for name in ("k", "l", "t")
        )
        own_cpu = own["used"]["cpu"]
        rows.append((
            way, str(own["found"]["k"]), str(own["found"]["l"]), f"{own['found']['t']:.4f}",
            "the same" if same else ", ".join(f"{theirs[n]['value']:.4f}" for n in ("k", "l", "t")),
            f"{own['used']['seconds']:.2f}, {own_cpu:.2f}",
            f"{sum(theirs[name]['seconds'] for name in ('k', 'l', 't')):.2f}",
        ))  # fmt: skip
    return rows


def _told(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _used(told: Mapping[str, Any]) -> Row:
    used = Used(**told)
    return f"{used.seconds:.2f}", f"{used.cpu:.2f}", f"{used.memory / 2**20:.0f}"

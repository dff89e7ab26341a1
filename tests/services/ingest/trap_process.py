"""Reads files in a process of their own: which reason stops each, what memory it takes, what is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
CHILD = """
import json, resource, sys
from pathlib import Path
import pyarrow.parquet as pq
from services.ingest.source_to_table import ReadLimits, source_to_table
from shared.failures import Quarantined
from tests.services.ingest.reading import plain
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
told = {"": [None, peak()]}
for name in sys.argv[2:]:
    source = Path(sys.argv[1]) / name
    out = Path(sys.argv[1]) / "out" / "table.parquet"
    try:
        made = source_to_table(source, plain(), out, ReadLimits())
        print(json.dumps(made.quality, default=str), file=sys.stderr)
        if name.startswith("S16"):
            # Nothing of it may be in the table either.
            print(pq.read_table(out).to_pylist(), pq.read_metadata(out).metadata, file=sys.stderr)
        told[name] = ["read", peak()]
        out.unlink()
    except Quarantined as failure:
        # Whole, as events and the ledger carry them.
        print(*(repr(reason) for reason in failure.reasons), failure, file=sys.stderr)
        told[name] = [failure.reasons[0].code, peak()]
    except Exception as defect:
        told[name] = [type(defect).__name__, peak()]
print(json.dumps(told))
"""


class Sprung(NamedTuple):
    """What became of one file: `peak` is the most memory so far, in bytes, over the imports'."""

    code: str
    peak: int
    said: str


def spring(folder: Path, made: dict[str, bytes]) -> dict[str, Sprung]:
    """Reads each of the files, in order; nothing of any is left behind."""
    (folder / "out").mkdir()
    for name, content in made.items():
        (folder / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), *made],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert not list((folder / "out").iterdir())
    found = json.loads(done.stdout)
    base = found[""][1]
    said = done.stdout + done.stderr
    return {name: Sprung(found[name][0], found[name][1] - base, said) for name in made}

"""csv-detective and pandas: what a script of today does with a file that it knows nothing of.

Runs in an environment of its own (`bench.ingest`) and imports nothing of Écluse: `IN OUT`. Prints
what it took, as `bench.jobs` does.
"""

import json
import resource
import sys
import time
from pathlib import Path

import csv_detective  # type: ignore[import-not-found] # in its own environment


def main(source: str, out: str) -> None:
    """Detects, casts every column to what was detected, writes Parquet."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    _, frame = csv_detective.routine(
        source, num_rows=-1, output_profile=False, output_schema=False, output_df=True,
        save_results=False,
    )  # fmt: skip
    frames = [frame] if hasattr(frame, "to_parquet") else list(frame)
    import pandas as pd

    whole = pd.concat(frames) if len(frames) > 1 else frames[0]
    whole.to_parquet(Path(out) / "out.parquet", compression="zstd")
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    print(json.dumps({"seconds": seconds, "cpu": cpu, "memory": int(line.split()[1]) * 1024}))


if __name__ == "__main__":
    main(*sys.argv[1:])

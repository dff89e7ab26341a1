"""`make bench`: measures, prints the tables and writes `docs/benchmarks.md`.

`make bench ARGS="chambers"` measures one part and keeps what was found before of the others;
`ARGS=--quick` tries everything small, and writes no page.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from bench import anonymize, chambers, convert, declared, ingest, machine, pipeline, portals, report
from bench.peer import PeerMissing
from deploy.local.child import LocalStackError

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "chambers": chambers.measure,
    "pipeline": pipeline.measure,
    "declared": declared.measure,
    "portals": portals.measure,
    "convert": convert.measure,
    "ingest": ingest.measure,
    "anonymize": anonymize.measure,
}


def main() -> int:
    """Runs the chosen parts; the exit code."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="else all of them")
    parser.add_argument("--quick", action="store_true", help="small, and no page written")
    parser.add_argument("--folder", type=Path, default=Path(".ecluse/bench"), help="its data")
    chosen = parser.parse_args()
    console = Console()
    for name in chosen.part or PARTS:
        console.print(f"measuring {name}…")
        facts = machine.facts()
        try:
            found = PARTS[name](chosen.folder / name, quick=chosen.quick)
        except (LocalStackError, PeerMissing) as failure:
            console.print(f"[red]{failure}[/red]", highlight=False)
            return 1
        part = {name: {"facts": facts, "found": found}}
        console.print(Markdown(report.page(part)))
        if not chosen.quick:
            _keep(chosen.folder, part)
    return 0


def _keep(folder: Path, part: dict[str, Any]) -> None:
    """Puts this part's section into the page; the others stay as they are."""
    kept = folder / "results.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    kept.write_text(json.dumps(known | part, indent=1), encoding="utf-8")
    PAGE.write_text(report.renewed(PAGE.read_text(encoding="utf-8"), part), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

"""`ecluse try`: what would be published of a file, and what would stop it. No broker, no store."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ecluse.try_schema import with_named_schema
from services.anonymize.anonymize_table import anonymize_table
from services.anonymize.report_html import report_html
from services.anonymize.report_text import report_text
from services.convert.convert_table import convert_table
from services.ingest.refused_table import refusal_report
from services.ingest.source_to_table import ReadLimits, source_to_table
from shared.card import Card
from shared.event_parts import Stage
from shared.failures import Quarantined, SourceAway
from shared.formats import file_name
from shared.ids import release_id
from shared.messages import Language, Reason
from shared.settings import Settings

# What a machine of its own cannot know.
NOT_CHECKED = ["earlier_releases", "linked_datasets", "approval"]
# Beside the data, in every trial that comes so far.
WRITTEN = (
    "report.json", "quality.json", "privacy.json", "privacy.html", "datapackage.json",
    "preview.json", "README.md", "schema.json",
)  # fmt: skip
SOMETIMES = ("map.geojson",)
# And this, when it is asked for.
PROPOSAL = "proposal.yaml"
REFUSED_BY_POLICY = frozenset({"subject_needs_protection"})


@dataclass
class Trial:
    """How far the file came."""

    outcome: Literal["publishable", "quarantined", "refused"] = "publishable"
    stage: Stage | None = None
    reasons: tuple[Reason, ...] = ()
    rows: int | None = None
    columns: list[tuple[str, str]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    quality: dict[str, Any] = field(default_factory=dict)
    privacy: dict[str, Any] = field(default_factory=dict)

    def as_json(self, language: Language) -> dict[str, Any]:
        """The object that `try --json` prints."""
        return {
            "outcome": self.outcome,
            "reasons": [
                {
                    "code": reason.code,
                    "stage": self.stage,
                    "column": reason.column,
                    "line": reason.line,
                    "message": str(reason.text(language)),
                }
                for reason in self.reasons
            ],
            "rows": self.rows,
            "columns": [{"name": name, "type": kind} for name, kind in self.columns],
            "files": self.files,
            "not_checked": NOT_CHECKED,
        }


def make_room(out: Path, card: Card, kept: Sequence[Path]) -> None:
    """Makes the folder, and takes from it what an earlier trial of this dataset left.

    Raises ValueError if that would overwrite one of the files `kept`; OSError.
    """
    wanted = (*(card.formats or ()), *(card.optional_formats or ()))
    names = {file_name(card.dataset, form) for form in wanted} | {*WRITTEN, *SOMETIMES, PROPOSAL}
    names.add(f"{card.dataset}.zip")
    written = [out / name for name in sorted(names)]
    if {path.resolve() for path in written} & {path.resolve() for path in kept}:
        raise ValueError("the trial would write over its own input: name another folder in --out")
    out.mkdir(parents=True, exist_ok=True)
    for path in written:
        path.unlink(missing_ok=True)


def try_card(
    card: Card, source: Path, out: Path, settings: Settings, *, undecided: bool = False
) -> Trial:
    """Runs ingest, anonymize and convert on `source`; files go to `out` when nothing stops them.

    `undecided`: nobody has said yet what becomes of the columns; the trial ends with ingest.
    """
    trial = Trial()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        try:
            _run(trial, card, source, work, out, settings, undecided=undecided)
        except SourceAway as failure:
            trial.reasons, trial.outcome = failure.reasons, "quarantined"
        except Quarantined as failure:
            trial.reasons = failure.reasons
            if trial.stage == "ingest":
                trial.quality = refusal_report(failure)
            first = failure.reasons[0].code
            trial.outcome = "refused" if first in REFUSED_BY_POLICY else "quarantined"
    return trial


def _run(
    trial: Trial,
    card: Card,
    source: Path,
    work: Path,
    out: Path,
    settings: Settings,
    *,
    undecided: bool,
) -> None:
    trial.stage = "ingest"
    card = with_named_schema(card, settings)
    ingested = source_to_table(source, card, work / "table.parquet", ReadLimits())
    trial.rows, trial.quality = ingested.rows, ingested.quality
    types = {column.name: column.type for column in ingested.columns}
    # A column that the card does not name is a secret until a person has decided about it.
    trial.columns = [(c.name, c.type) for c in ingested.columns if c.declared]
    trial.stage = "anonymize"
    if undecided:
        raise Quarantined(Reason(code="policy_missing", detail=PROPOSAL))
    safe = anonymize_table(work / "table.parquet", card, work / "safe.parquet")
    trial.privacy = safe.report
    trial.columns = [(name, types[name]) for name, _ in safe.columns]
    trial.stage = "convert"
    release = release_id(b"trial", card.dataset, ingested.sha256, card.shaping_digest())
    made = work / "files"
    made.mkdir()
    converted = convert_table(work / "safe.parquet", card, release, made)
    # Formats left out stop nothing, and are told.
    trial.reasons = converted.refused
    trial.stage = "convert" if converted.refused else None
    beside = (converted.datapackage, converted.preview, *converted.extras)
    for file in (*converted.files, *beside):
        shutil.copyfile(file.path, out / file.name)
    trial.files = [
        {
            "format": file.format,
            "path": str(out / file.name),
            "bytes": file.bytes,
            "sha256": file.sha256,
            "rows": file.rows,
        }
        for file in converted.files
    ]


def privacy_text(trial: Trial, language: Language) -> str:
    """What the anonymisation did, in plain words; empty when it was not reached."""
    return report_text(trial.privacy, language) if trial.privacy else ""


def privacy_page(trial: Trial, language: Language) -> str:
    """The same as a page."""
    return report_html(trial.privacy, language)

"""The privacy report: what was removed and on what ground, what was looked for, what was found.

Codes, counts, positions, and what the card itself says; never a value of the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict

from services.anonymize import (
    email_detector,
    header_lexicon,
    nir_detector,
    number_detectors,
    phone_detector,
)
from services.anonymize.apply_policy import Accepted
from services.anonymize.scan_table import Finding
from services.anonymize.verify_table import CHECKS
from shared.card import Card
from shared.card_parts import GROUND_LAW, ColumnType, Decided, Ground, Opinion, Subject
from shared.ids import DatasetId, Digest

LAW = (
    "CRPA art. L. 312-1-2",
    "CRPA art. D. 312-1-3",
    "Règlement (UE) 2016/679 (RGPD), art. 4 et considérant 26",
)
# What this version does not look for: the policy, signed by a person, answers for it alone.
NOT_CHECKED = (
    "names",
    "postal_addresses",
    "bank_and_card_numbers",
    "number_plates",
    "network_addresses",
    "special_categories",
    "statistical_secrecy_thresholds",
    "earlier_releases",
    "linked_datasets",
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class KeptColumn(_Part):
    name: str
    type: ColumnType
    basis: str | None


class DroppedColumn(_Part):
    name: str
    ground: Ground
    law: str


class AcceptedFinding(_Part):
    """`by`: `basis`, the column's legal basis; `declared`, a reason of the card's own."""

    column: str
    detector: str
    cells: int
    line: int | None
    by: str
    reason: str


class ChanceMatch(_Part):
    """Right keys among so many wrong ones that they are chance: passed, and written down."""

    column: str
    detector: str
    cells: int


class DetectorVersion(_Part):
    name: str
    version: str


class ScanCoverage(_Part):
    """Every cell of every published column: `cells` is `rows` × `columns`."""

    rows: int
    columns: int
    cells: int
    detectors: tuple[DetectorVersion, ...]


class PrivacyReport(_Part):
    """What anonymize did to a release; `reports/<dataset>/…/anonymize.json` holds one."""

    report_version: int = 1
    dataset: DatasetId
    subject: Subject
    policy: Digest
    schema_fingerprint: Digest
    decided: Decided | None
    dpo_opinion: Opinion | None
    verdict: str = "clear"
    kept: tuple[KeptColumn, ...]
    dropped: tuple[DroppedColumn, ...]
    scan: ScanCoverage
    accepted: tuple[AcceptedFinding, ...]
    chance: tuple[ChanceMatch, ...]
    proof: tuple[str, ...] = CHECKS
    not_checked: tuple[str, ...] = NOT_CHECKED
    law: tuple[str, ...] = LAW


def make_report(
    card: Card,
    columns: Sequence[tuple[str, ColumnType]],
    rows: int,
    accepted: Iterable[Accepted],
    chance: Iterable[Finding],
) -> dict[str, object]:
    """The report of a release that passed, as JSON-compatible data."""
    rules = card.privacy.columns
    report = PrivacyReport(
        dataset=card.dataset,
        subject=card.subject,
        policy=card.policy_digest(),
        schema_fingerprint=card.schema_fingerprint(),
        decided=card.privacy.decided,
        dpo_opinion=card.privacy.dpo_opinion,
        kept=tuple(
            KeptColumn(name=name, type=kind, basis=rules[name].basis) for name, kind in columns
        ),
        dropped=tuple(
            DroppedColumn(name=name, ground=rule.ground, law=GROUND_LAW[rule.ground])
            for name, rule in rules.items()
            if rule.action == "drop" and rule.ground
        ),
        scan=ScanCoverage(
            rows=rows,
            columns=len(columns),
            cells=rows * len(columns),
            detectors=_detectors(),
        ),
        accepted=tuple(
            AcceptedFinding(
                column=one.finding.column,
                detector=one.finding.detector,
                cells=one.finding.cells,
                line=one.finding.line,
                by=one.by,
                reason=one.reason,
            )
            for one in accepted
        ),
        chance=tuple(
            ChanceMatch(column=one.column, detector=one.detector, cells=one.cells) for one in chance
        ),
    )
    body: dict[str, object] = report.model_dump(mode="json")
    return body


def _detectors() -> tuple[DetectorVersion, ...]:
    ours = (
        ("email", email_detector.VERSION),
        ("phone", phone_detector.VERSION),
        ("nir", nir_detector.VERSION),
        ("numbers", number_detectors.VERSION),
        ("header", header_lexicon.VERSION),
    )
    libraries = ("phonenumbers", "python-stdnum")
    return tuple(DetectorVersion(name=name, version=str(number)) for name, number in ours) + tuple(
        DetectorVersion(name=name, version=version(name)) for name in libraries
    )

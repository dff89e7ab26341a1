"""What the policy lets out, and which findings it accepts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.anonymize.apply_policy import judge, kept_columns
from services.anonymize.scan_table import Finding
from shared.card import Card
from shared.failures import Quarantined

MakeCard = Callable[..., Card]


def codes(failure: pytest.ExceptionInfo[Quarantined]) -> list[str]:
    return [reason.code for reason in failure.value.reasons]


@pytest.mark.parametrize("subject", ["people", "households"])
def test_people_and_households_are_refused(subject: str, make_card: MakeCard) -> None:
    """Rows about people or households have no protection yet, so they do not pass."""
    with pytest.raises(Quarantined) as failure:
        kept_columns(["id"], make_card({"id": "keep"}, subject=subject))
    assert codes(failure) == ["subject_needs_protection"]


def test_kept_columns_come_in_the_table_s_order(make_card: MakeCard) -> None:
    """Columns to publish are named in the table's order, whatever the policy's."""
    card = make_card({"c": "keep", "b": {"drop": "security"}, "a": "keep"})
    assert kept_columns(["a", "b", "c"], card) == ("a", "c")


@pytest.mark.parametrize(
    "header", ["Nom", "nom ", "n\u043em", "no\u200bm", "ｎｏｍ", "nom\u00a0", "prenom"]
)
def test_a_name_that_looks_alike_is_another(header: str, make_card: MakeCard) -> None:
    """Only the very name that the policy writes is named by it; the other's position is told."""
    with pytest.raises(Quarantined) as failure:
        kept_columns(["id", header], make_card({"id": "keep", "nom": "drop"}))
    undeclared, gone = failure.value.reasons
    assert (undeclared.code, undeclared.position, undeclared.column) == (
        "column_undeclared",
        2,
        None,
    )
    assert (gone.code, gone.column) == ("column_gone", "nom")
    assert header not in repr(undeclared)


@pytest.mark.parametrize(
    "pair", [("nom", "NOM"), ("é", "e"), ("nom", "n\u043em"), ("a", "a\u200b")]
)
def test_headers_that_look_the_same_collide(pair: tuple[str, str], make_card: MakeCard) -> None:
    """Two headers that a reader cannot tell apart stop the release, even if both are declared."""
    with pytest.raises(Quarantined) as failure:
        kept_columns(pair, make_card({pair[0]: "keep", pair[1]: "drop"}))
    (reason,) = failure.value.reasons
    assert (reason.code, reason.position, reason.detail) == ("columns_collide", 2, "1")


def test_everything_wrong_is_said_at_once(make_card: MakeCard) -> None:
    """A référent learns of all the columns to mend in one go."""
    card = make_card(
        {"a": "keep", "b": "keep"},
        accepted_findings=[{"column": "a", "detector": "passport", "reason": "numéro d'exemple"}],
    )
    with pytest.raises(Quarantined) as failure:
        kept_columns(["c", "d", "D"], card)
    assert codes(failure) == [
        "detector_unknown",
        "column_undeclared",
        "column_undeclared",
        "columns_collide",
        "column_undeclared",
        "column_gone",
        "column_gone",
    ]


def test_a_policy_that_keeps_nothing_publishes_nothing(make_card: MakeCard) -> None:
    """With every column dropped there is no table to publish."""
    with pytest.raises(Quarantined) as failure:
        kept_columns(["a"], make_card({"a": "drop"}))
    assert codes(failure) == ["nothing_kept"]


def test_findings_are_accepted_by_basis_or_by_declaration(make_card: MakeCard) -> None:
    """A legal basis covers what its column holds; a declaration covers one detector there."""
    card = make_card(
        {"elu": {"keep": {"basis": "CRPA art. D. 312-1-3, 2°"}}, "ecole": "keep"},
        accepted_findings=[
            {"column": "ecole", "detector": "phone", "reason": "standard de l'école"}
        ],
    )
    findings = [
        Finding("elu", "header", 0),
        Finding("elu", "email", 3, 2),
        Finding("ecole", "phone", 9, 2),
    ]
    accepted = judge(findings, card)
    assert [one.by for one in accepted] == ["basis", "basis", "declared"]
    with pytest.raises(Quarantined) as failure:
        judge([*findings, Finding("ecole", "email", 1, 7)], card)
    (reason,) = failure.value.reasons
    assert (reason.code, reason.column, reason.count, reason.line) == (
        "finding_email",
        "ecole",
        1,
        7,
    )

"""Datasets of the same city beside each other: nobody is found by having both."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.anonymize.anonymize_table import anonymize_table
from services.anonymize.exposure import Exposure
from services.anonymize.linked import Linked
from services.anonymize.protect_table import ProtectedTable, protect_table
from services.anonymize.recode_beside import Before
from shared.card import Card
from shared.failures import Quarantined

MakeCard = Callable[..., Card]
POLICY: dict[str, Any] = {
    "quasi_identifiers": ["age", "commune"],
    "k": 5,
    "l": 2,
    "suppression": 20,
    "hierarchies": {
        "age": {"ranges": [10, 20]},
        "commune": {"values": {"69001": ["Lyon"], "69002": ["Lyon"], "69266": ["Villeurbanne"]}},
    },
}
RULES = {"age": "keep", "commune": "keep", "aide": "keep"}


def rows(*groups: tuple[int, str, str, int]) -> pa.Table:
    """Age, commune, what is received, how many."""
    every = [(age, town, aid) for age, town, aid, count in groups for _ in range(count)]
    return pa.table(dict(zip(RULES, zip(*every, strict=True), strict=True)))


def shown(card: Card, table: pa.Table) -> Exposure:
    made = protect_table(table, None, card)
    assert made.exposure is not None
    return made.exposure


def beside(card: Card, table: pa.Table, other: Exposure, *, same: bool = False) -> ProtectedTable:
    before = Before(linked=(Linked("ecoles", other, same),))
    return protect_table(table, None, card, before)


SCHOOL = rows((35, "69001", "RSA", 6), (35, "69001", "APL", 6), (35, "69266", "RSA", 5),
              (35, "69266", "APL", 5))  # fmt: skip


def test_case_57_what_both_say_leaves_two_answers(make_card: MakeCard) -> None:
    """Each has two benefits in a class; one benefit alone is in both: who is in both has that one."""
    card = make_card(RULES, "people", **POLICY)
    school = shown(card, SCHOOL)
    social = rows((35, "69001", "RSA", 6), (35, "69001", "AAH", 6), (35, "69002", "AAH", 6),
                  (35, "69002", "APL", 6))  # fmt: skip
    with pytest.raises(Quarantined) as failure:
        beside(card, social, school)
    reason = failure.value.reasons[0]
    assert (reason.code, reason.detail) == ("linked_isolates", "ecoles")
    wide = make_card(RULES, "people", **POLICY, between="generalise")
    made = beside(wide, social, school)
    assert set(made.table["commune"].to_pylist()) == {"Lyon"}
    assert beside(card, SCHOOL, school).table.num_rows == SCHOOL.num_rows


def test_datasets_of_the_same_people_differ_by_k(make_card: MakeCard) -> None:
    """All parents, and those who receive a benefit: two of a class who do not would be known."""
    card = make_card(RULES, "people", **POLICY, linked="familles")
    school = shown(card, SCHOOL)
    some = rows((35, "69001", "RSA", 5), (35, "69001", "APL", 5), (35, "69266", "RSA", 5),
                (35, "69266", "APL", 5))  # fmt: skip
    with pytest.raises(Quarantined) as failure:
        beside(card, some, school, same=True)
    assert failure.value.reasons[0].code == "linked_isolates"
    # Not declared to be of the same people, their numbers say nothing.
    assert beside(card, some, school).table.num_rows == 20
    fewer = rows((35, "69266", "RSA", 5), (35, "69266", "APL", 5))
    assert beside(card, fewer, school, same=True).table.num_rows == 10


def test_other_levels_are_read_at_the_coarser_ones(make_card: MakeCard) -> None:
    """A dataset with more general communes is compared at those."""
    coarse = make_card(RULES, "people", **(POLICY | {"k": 11}), linked="familles")
    all_of_lyon = rows((35, "69001", "RSA", 8), (35, "69002", "APL", 8))
    school = shown(coarse, all_of_lyon)
    assert school.classes[0].values == ("35", "Lyon")
    fine = make_card(RULES, "people", **POLICY, linked="familles")
    some = rows((35, "69001", "RSA", 4), (35, "69001", "APL", 3), (35, "69002", "RSA", 4),
                (35, "69002", "APL", 3))  # fmt: skip
    with pytest.raises(Quarantined):
        beside(fine, some, school, same=True)
    assert beside(fine, some.slice(0, 7), school, same=True).table.num_rows == 7


def test_the_same_people_in_other_groups_cannot_be_compared(make_card: MakeCard) -> None:
    """Ages by 10 and by 15 years overlap in part: with datasets of the same people that stops."""
    card = make_card(RULES, "people", **POLICY, linked="familles")
    other = POLICY | {"hierarchies": {"age": {"ranges": [15, 30]}}}
    school = shown(make_card(RULES, "people", **other), SCHOOL)
    with pytest.raises(Quarantined) as failure:
        beside(card, SCHOOL, school, same=True)
    assert failure.value.reasons[0].code == "exposure_incomparable"
    assert beside(card, SCHOOL, school).table.num_rows == SCHOOL.num_rows


@pytest.mark.parametrize(
    ("mine", "theirs", "refused"),
    [
        ({"iris": ["691230101"]}, {"carreau": ["200mN1E1"]}, True),
        ({"age": ["0-17", "18+"]}, {"age": ["0-18", "19+"]}, True),
        ({"age": ["0-17", "18+"]}, {"age": ["0-17", "18+"], "iris": ["691230101"]}, False),
        ({"age": ["Total"]}, {"age": ["0-17", "18+", "Total"]}, False),
    ],
)
def test_case_53_the_same_people_by_two_cuts(
    mine: dict[str, list[str]],
    theirs: dict[str, list[str]],
    refused: bool,
    make_card: MakeCard,
    tmp_path: Path,
) -> None:
    """By IRIS and by grid, by 0-17 and 0-18: refused. Sums of the other's cells: let pass."""

    def made(cut: dict[str, list[str]], before: Before) -> Any:
        rows = list(product(*cut.values()))
        columns = dict(zip(cut, map(list, zip(*rows, strict=True)), strict=True))
        pq.write_table(pa.table(columns | {"nb": [40] * len(rows)}), tmp_path / "in.parquet")
        rules = dict.fromkeys((*cut, "nb"), "keep")
        card = make_card(rules, "people", measures={"nb": {"min": 11}}, linked="habitants")
        return anonymize_table(
            tmp_path / "in.parquet", card, tmp_path / "out.parquet", None, before
        ).exposure

    before = Before(linked=(Linked("autre", made(theirs, Before()), True),))
    if not refused:
        made(mine, before)
        return
    with pytest.raises(Quarantined) as failure:
        made(mine, before)
    assert failure.value.reasons[0].code == "cut_another_way"


def test_case_70_a_repeat_under_an_older_policy(make_card: MakeCard) -> None:
    """A weaker policy decided before the one of the last release never replaces it."""
    decided = {"by": "responsable", "date": "2026-09-01"}
    strong = make_card(RULES, "people", **(POLICY | {"k": 8}), decided=decided)
    weak = make_card(RULES, "people", **POLICY)
    before = Before((shown(strong, SCHOOL),))
    with pytest.raises(Quarantined) as failure:
        protect_table(SCHOOL, None, weak, before)
    assert failure.value.reasons[0].code == "protection_lowered"

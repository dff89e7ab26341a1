"""Tables of counts, from the ingested table to the written file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.anonymize import anonymize_table as module
from services.anonymize.anonymize_table import anonymize_table
from services.anonymize.report_html import report_html
from services.anonymize.report_text import report_text
from services.anonymize.verify_counts import verify_counts
from shared.card import Card
from shared.failures import Quarantined

MakeCard = Callable[..., Card]
Write = Callable[..., Path]
RULES = dict.fromkeys(("commune", "aide", "nb", "part"), "keep")
PRIVACY: dict[str, Any] = {
    "measures": {"nb": {"unit": "household", "min": 11, "along": ["part"]}},
    "margins": {"commune": "Total", "aide": "Total"},
}


def benefits() -> dict[str, Any]:
    """Households by town and benefit, with both margins, and a share made from the counts."""
    counts = {"A": [40, 3, 60], "B": [50, 70, 90], "C": [30, 0, 20]}
    aids = ("RSA", "APL", "ASE", "Total")
    rows = []
    for town, line in counts.items():
        rows += [(town, aid, n) for aid, n in zip(aids, [*line, sum(line)], strict=True)]
    for number, aid in enumerate(aids[:3]):
        rows.append(("Total", aid, sum(line[number] for line in counts.values())))
    rows.append(("Total", "Total", sum(map(sum, counts.values()))))
    towns, which, numbers = zip(*rows, strict=True)
    shares = [n / 363 for n in numbers]
    return {"commune": list(towns), "aide": list(which), "nb": list(numbers), "part": shares}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.parquet"


def test_small_cells_leave_neither_by_margin_nor_by_rate(
    make_card: MakeCard, write: Write, out: Path
) -> None:
    """Three households of A, what tells them, and the shares beside are hidden; no more than that."""
    made = anonymize_table(write(benefits()), make_card(RULES, "households", **PRIVACY), out)
    rows = {(r["commune"], r["aide"]): r for r in pq.read_table(out).to_pylist()}
    secret = {key for key, row in rows.items() if row["nb_statut"] == "secret"}
    assert ("A", "APL") in secret
    assert len(secret) == 4
    for row in rows.values():
        assert (row["nb"] is None) == (row["part"] is None) == (row["nb_statut"] == "secret")
    assert rows["C", "APL"]["nb"] == 0 or ("C", "APL") in secret
    assert made.report["hidden"] == [
        {"measure": "nb", "least": 11, "cells": 16, "primary": 1, "secondary": 3}
    ]
    for language in ("fr", "en"):
        assert "nb_statut" in report_text(made.report, language)
        assert "nb_statut" in report_html(made.report, language)


def test_absent_is_not_secret(make_card: MakeCard, write: Write, out: Path) -> None:
    """A cell that the source leaves empty is told from one that is hidden."""
    table = benefits()
    table["nb"][0] = None
    anonymize_table(write(table), make_card(RULES, "households", **PRIVACY), out)
    said = pq.read_table(out)["nb_statut"].to_pylist()
    assert said[0] == "absent"
    assert "secret" in said
    assert "publié" in said


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"nb": [1.5] * 16}, "rule_type"),
        ({"nb": [-1] * 16}, "value_unknown"),
        ({"aide": ["RSA"] * 16}, "cells_repeated"),
        ({"nb_statut": ["x"] * 16}, "status_column_there"),
    ],
)
def test_what_is_no_table_of_counts_stops(
    changes: dict[str, Any], code: str, make_card: MakeCard, write: Write, out: Path
) -> None:
    """Measures that are no counts, two rows for a cell, a status that is there already."""
    card = make_card(RULES | dict.fromkeys(changes, "keep"), "households", **PRIVACY)
    with pytest.raises(Quarantined) as failure:
        anonymize_table(write(benefits() | changes), card, out)
    assert failure.value.reasons[0].code == code
    assert not out.exists()


def test_rows_of_people_are_no_table_of_counts(
    make_card: MakeCard, write: Write, out: Path
) -> None:
    """Measures and quasi-identifiers together are refused."""
    card = make_card(RULES, "households", **PRIVACY, quasi_identifiers=["commune"])
    with pytest.raises(Quarantined) as failure:
        anonymize_table(write(benefits()), card, out)
    assert failure.value.reasons[0].code == "protection_inconsistent"


def test_a_defect_is_caught_by_the_proof(
    make_card: MakeCard, write: Write, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If only small cells were hidden, the proof would work them out from the margins."""

    def primary_alone(table: pa.Table, card: Card, _: Any) -> tuple[pa.Table, list[Any]]:
        values = table["nb"].to_pylist()
        small = [0 < n < 11 for n in values]
        shown = [None if hidden else n for n, hidden in zip(values, small, strict=True)]
        said = ["secret" if hidden else "publié" for hidden in small]
        made = table.set_column(2, "nb", pa.array(shown, pa.int64()))
        made = made.set_column(3, "part", pa.array([None] * len(values), pa.float64()))
        return made.append_column("nb_statut", pa.array(said)), []

    monkeypatch.setattr(module, "protect_counts", primary_alone)
    with pytest.raises(Quarantined) as failure:
        anonymize_table(write(benefits()), make_card(RULES, "households", **PRIVACY), out)
    (reason,) = failure.value.reasons
    assert (reason.code, reason.detail) == ("proof_failed", "margins")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("nb", [20, 3]), ("nb", [20, None]), ("nb_statut", ["publié", "secret"]),
        ("nb_statut", ["publié", "?"]),
    ],
)  # fmt: skip
def test_the_proof_sees_cells_and_their_status(
    column: str, values: list[Any], make_card: MakeCard, out: Path
) -> None:
    """A small cell, or a status that is not the cell's, is noticed."""
    good: dict[str, Any] = {"commune": ["A", "B"], "nb": [20, 30], "part": [0.4, 0.6],
                            "nb_statut": ["publié"] * 2}  # fmt: skip
    card = make_card(RULES, "households", measures=PRIVACY["measures"])
    table = pa.table(good)
    pq.write_table(table, out, store_schema=False)
    assert verify_counts(out, table.schema, 2, card) == []
    bad = pa.table(good | {column: values}, table.schema)
    pq.write_table(bad, out, store_schema=False)
    with pytest.raises(Quarantined):
        verify_counts(out, table.schema, 2, card)


AID: dict[str, Any] = {
    "commune": ["A", "A", "A", "B", "B", "B", "Total", "Total", "Total"],
    "secteur": ["bois", "eau", "Total"] * 3,
    "montant": [1000.0, 400.0, 1400.0, 500.0, 600.0, 1100.0, 1500.0, 1000.0, 2500.0],
    "entreprises": [4, 6, 10, 5, 6, 11, 9, 12, 21],
    "premiere": [920.0, 100.0, 920.0, 100.0, 120.0, 120.0, 920.0, 120.0, 920.0],
}
AID_RULES = dict.fromkeys(("commune", "secteur", "montant", "entreprises"), "keep") | {
    "premiere": "drop"
}
AID_POLICY: dict[str, Any] = {
    "measures": {
        "montant": {"unit": "enterprise", "min": 3, "count": "entreprises", "largest": "premiere"}
    },
    "margins": {"commune": "Total", "secteur": "Total"},
}


def test_case_51_one_enterprise_makes_up_92_percent(
    make_card: MakeCard, write: Write, out: Path
) -> None:
    """Its cell is hidden though four are in it, and its complements with it; what is left adds up to
    nothing that tells it."""
    anonymize_table(write(AID), make_card(AID_RULES, "enterprises", **AID_POLICY), out)
    made = pq.read_table(out).to_pylist()
    hidden = {(row["commune"], row["secteur"]) for row in made if row["montant_statut"] == "secret"}
    assert ("A", "bois") in hidden
    assert len(hidden) >= 4
    for row in made:
        secret = (row["commune"], row["secteur"]) in hidden
        assert (row["montant"] is None) == (row["entreprises"] is None) == secret
    assert "premiere" not in made[0]
    loose = AID_POLICY["measures"]["montant"] | {"dominance": 95}
    policy = AID_POLICY | {"measures": {"montant": loose}}
    anonymize_table(write(AID), make_card(AID_RULES, "enterprises", **policy), out)
    assert pq.read_table(out)["montant"].null_count == 0


def test_the_largest_part_is_never_shown(make_card: MakeCard, write: Write, out: Path) -> None:
    """A policy that keeps it, or a source without it, stops."""
    for rules, table in (
        (AID_RULES | {"premiere": "keep"}, AID),
        ({n: r for n, r in AID_RULES.items() if n != "premiere"},
         {n: c for n, c in AID.items() if n != "premiere"}),
    ):  # fmt: skip
        with pytest.raises(Quarantined) as failure:
            anonymize_table(write(table), make_card(rules, "enterprises", **AID_POLICY), out)
        assert "protection_inconsistent" in {one.code for one in failure.value.reasons}


def test_all_or_none_tells_of_everybody(make_card: MakeCard, write: Write, out: Path) -> None:
    """Where all forty receive the benefit, each of them does: hidden, with the zero that says so."""
    table = {
        "commune": ["A", "A", "A", "B", "B", "B"],
        "aide": ["oui", "non", "Total"] * 2,
        "nb": [40, 0, 40, 20, 25, 45],
    }
    policy: dict[str, Any] = {
        "measures": {"nb": {"min": 11}}, "margins": {"aide": "Total"}, "sensitive": ["aide"],
    }  # fmt: skip
    rules = dict.fromkeys(table, "keep")
    anonymize_table(write(table), make_card(rules, "people", **policy), out)
    assert pq.read_table(out)["nb"].to_pylist() == [None, None, 40, 20, 25, 45]
    del policy["sensitive"]
    anonymize_table(write(table), make_card(rules, "people", **policy), out)
    assert pq.read_table(out)["nb"].null_count == 0

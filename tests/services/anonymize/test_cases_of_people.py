"""Adversarial cases of rows that are people without saying so, by the numbers of the project's list."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.anonymize import scan_table
from services.anonymize.anonymize_table import anonymize_table
from services.anonymize.detector import Detector
from services.anonymize.position_columns import holds_positions
from services.anonymize.recode_beside import Before
from services.anonymize.transforms import transform
from shared.card import Card
from shared.card_parts import ColumnRule
from shared.failures import Quarantined

MakeCard = Callable[..., Card]
Run = Callable[..., Any]
PEOPLE: dict[str, Any] = {"quasi_identifiers": ["age"], "k": 5, "l": 2, "suppression": 20}


@pytest.fixture
def run(make_card: MakeCard, tmp_path: Path) -> Run:
    """Codes of the reasons that stop a table, or the written table."""

    def anonymized(
        columns: dict[str, Any],
        rules: dict[str, Any] | None = None,
        subject: str = "none",
        **privacy: Any,
    ) -> Any:
        source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
        pq.write_table(pa.table(columns), source)
        card = make_card(dict.fromkeys(columns, "keep") | (rules or {}), subject, **privacy)
        try:
            anonymize_table(source, card, out)
        except Quarantined as stopped:
            assert not out.exists()
            return {reason.code for reason in stopped.reasons}
        return pq.read_table(out)

    return anonymized


SIRETS = ["21690123100011", "55210055400013", "73282932000074"]


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("categorie_juridique", ["7210", "1000", "5499"]), ("categorieJuridique", [7210, 1000, 5499]),
        ("statut_diffusion", ["O", "P", "O"]),
        ("forme_juridique", ["SA", "Entrepreneur individuel", ""]),
    ],
)  # fmt: skip
def test_case_21_sole_traders(column: str, cells: list[Any], run: Run) -> None:
    """A SIRET beside a sole trader's legal form, or partial diffusion, stops, also when that column
    itself is dropped; a town's number passes, and a cited text lets it."""
    table = {"siret": SIRETS, column: cells}
    assert run(table) == {"finding_sole_trader"}
    assert run(table, {column: "drop"}) == {"finding_sole_trader"}
    assert isinstance(run({"siret": SIRETS[:1], column: cells[:1]}), pa.Table)
    based = {"siret": {"keep": {"basis": "CRPA art. L. 312-1-2"}}}
    assert isinstance(run(table, based), pa.Table)
    named = {"siret": SIRETS, "titulaire": ["Mme Sophie Martin", "Ville", "SA Bois"]}
    assert run(named) == {"finding_name"}


def test_case_22_an_association_at_its_president_s(run: Run) -> None:
    """An address at somebody's home stops; its commune passes."""
    table = {"association": ["Chorale"], "siege": ["chez Mme Dupont, 4 rue Haute, 69001 Lyon"]}
    assert {"finding_name"} <= run(table)
    made = run(table, {"siege": {"snap": "commune"}})
    assert made["siege"].to_pylist() == ["69001 Lyon"]


POSITIONS: dict[str, list[Any]] = {
    "c1": ["POINT (4.835 45.764)"], "c2": ["LINESTRING(4.8 45.7, 4.9 45.8)"],
    "c3": ["0101000020E6100000D7A3703D0A571340E17A14AE47E14640"],
    "c4": ['{"type": "Point", "coordinates": [4.835, 45.764]}'],
    "c5": ["45.76412, 4.83578"], "c6": ["8FQ6RQ7M+2X"], "c7": ["881f1d4887fffff"],
    "c8": ["u05kq9m2", "u05kq4z8", "u05kmb71", "u05k1xy3"], "x": [842310.0], "y_l93": [6519924],
    "lat": [45.76], "geom": ["4.8 45.7"],
}  # fmt: skip


@pytest.mark.parametrize("name", POSITIONS)
def test_cases_28_31_places_however_written(name: str, run: Run) -> None:
    """WKT, EWKB, GeoJSON, pairs, codes, Lambert-93: where people are the subject they stop, unless a
    class of people shares them; elsewhere the policy says."""
    cells = [POSITIONS[name][n % len(POSITIONS[name])] for n in range(20)]
    table = {"age": [30] * 20, "aide": ["RSA", "APL"] * 10, name: cells}
    assert run(table, None, "people", **PEOPLE) == {"position_kept"}
    shared = PEOPLE | {"quasi_identifiers": ["age", name]}
    made = run(table, None, "people", **shared)
    if isinstance(made, pa.Table):
        assert min(Counter(made[name].to_pylist()).values()) >= 5
    assert isinstance(run({name: cells, "equipement": ["banc"] * 20}), pa.Table)


@pytest.mark.parametrize("cell", ["rue Haute", "RSA", "69123", "12,5", "2026-03-01", "d3b07384"])
def test_case_28_other_texts_are_no_places(cell: str) -> None:
    """Words, codes, numbers and dates are not taken for positions."""
    assert not holds_positions("c1", pa.chunked_array([[cell] * 20]))


def trips(**more: Any) -> dict[str, Any]:
    day = dt.datetime(2026, 3, 1, 8)
    return {
        "origine": ["Gare"] * 30 + ["Mairie"] * 4,
        "destination": ["Mairie"] * 30 + ["Gare"] * 4,
        "depart": [day + dt.timedelta(minutes=n) for n in range(34)],
        **more,
    }


def test_case_31_trips_become_origin_and_destination(run: Run) -> None:
    """Counted where eleven share them; what fewer share is not there at all."""
    way = {"by": ["origine", "destination"], "count": "trajets", "min": 11}
    made = run(trips(), {"depart": "drop"}, "people", aggregate=way)
    assert made.to_pylist() == [{"origine": "Gare", "destination": "Mairie", "trajets": 30}]
    none = way | {"min": 31}
    assert run(trips(), {"depart": "drop"}, "people", aggregate=none) == {"protection_unreachable"}
    by_person = trips(abonne=["a"] * 30 + ["b"] * 4)
    rules = {"depart": "drop", "abonne": "drop"}
    told = run(by_person, rules, "people", aggregate=way, unit="abonne")
    assert told == {"protection_unreachable"}


def test_case_32_an_identifier_that_rides_along(run: Run) -> None:
    """The same bicycle from trip to trip stops; one that changes each time, or none, passes."""
    same = trips(velo_id=[f"v{n % 7}" for n in range(34)])
    assert run(same) == {"stable_identifier"}
    assert isinstance(run(same, {"velo_id": "drop"}), pa.Table)
    assert isinstance(run(trips(velo_id=[f"t{n}" for n in range(34)])), pa.Table)


@pytest.mark.parametrize(
    ("columns", "stops"),
    [
        (("age", "sexe"), True), (("profession", "quotient_familial"), True),
        (("id_allocataire", "montant"), True), (("age", "sexe", "nb"), False),
        (("tranche_age", "genre", "population"), False), (("age", "essence"), False),
        (("commune", "surface"), False), (("id_eleve", "nb"), True),
        (("genre", "age", "espece"), False), (("sexe", "profession", "essence"), True),
        (("genre", "age"), True),
    ],
)  # fmt: skip
def test_rows_that_look_like_people(columns: tuple[str, ...], stops: bool, run: Run) -> None:
    """`subject: none` is contradicted by two things that are said of persons and no count, or by an
    identifier of somebody."""
    made = run({name: [n + 1 for n in range(9)] for name in columns})
    assert (made == {"subject_contradicted"}) is stops


def test_case_55_another_recoding(make_card: MakeCard, tmp_path: Path) -> None:
    """Ages by ten and by fifteen years: each k-anonymous, and together not. The second stops."""
    ages = [n % 60 + 20 for n in range(600)]
    pq.write_table(pa.table({"age": ages, "aide": ["RSA", "APL"] * 300}), tmp_path / "in.parquet")
    rules = {"age": "keep", "aide": "keep"}
    privacy = PEOPLE | {"k": 20}

    def made(width: int, before: Before) -> Any:
        hierarchy = {"age": {"ranges": [width]}}
        card = make_card(rules, "people", **privacy, hierarchies=hierarchy)
        out = tmp_path / "out.parquet"
        return anonymize_table(tmp_path / "in.parquet", card, out, None, before).exposure

    before = Before((made(10, Before()),))
    made(10, before)
    with pytest.raises(Quarantined) as failure:
        made(15, before)
    assert failure.value.reasons[0].code == "exposure_incomparable"


@pytest.mark.parametrize("error", [ValueError, RecursionError, TimeoutError, ZeroDivisionError])
def test_case_63_a_detector_that_breaks(
    error: type[Exception], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its failure is never « nothing found »; what it was looking at is in no reason."""

    def broken(text: str) -> bool:
        raise error(text)

    monkeypatch.setattr(scan_table, "_OF_WORDS", (Detector("email", ".", broken),))
    assert run({"c1": ["moi@exemple.fr"]}) == {"scan_failed"}


def test_case_63_memory_is_not_the_table_s_fault(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of memory: raised as it is, for the worker to be replaced, and nothing is written."""

    def full(_: str) -> bool:
        raise MemoryError

    monkeypatch.setattr(scan_table, "_OF_WORDS", (Detector("email", ".", full),))
    with pytest.raises(MemoryError):
        run({"c1": ["moi@exemple.fr"]})


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=30), st.integers(2, 50))
def test_case_69_rounding_is_no_dice(values: list[int], step: int) -> None:
    """The same cell is rounded to the same number in every release: nothing averages out."""

    rule = ColumnRule.model_validate({"round": step})
    first, *others = (transform("n", rule, pa.array(values), None) for _ in range(3))
    assert all(one.equals(first) for one in others)
    alone = [transform("n", rule, pa.array([value]), None)[0].as_py() for value in values]
    assert first.to_pylist() == alone


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.integers(18, 90),
            st.sampled_from(["69001", "69002", "42218"]),
            st.sampled_from("abc"),
        ),
        max_size=60,
    ),
    st.sampled_from(["full_domain", "mondrian", "local_recoding"]),
    st.integers(3, 8),
)
def test_no_row_is_in_a_class_under_k(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, str]], method: str, k: int
) -> None:
    """Whatever the people: the table stops, or each published row is that of k, with two answers; and
    a second run writes the same bytes."""
    folder = tmp_path_factory.mktemp("people")
    names = ("age", "commune", "aide")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    kinds = {"age": pa.int64(), "commune": pa.string(), "aide": pa.string()}
    table = pa.table({name: pa.array(columns.get(name, ()), kind) for name, kind in kinds.items()})
    pq.write_table(table, folder / "in.parquet")
    card = Card.model_validate(
        {
            "dataset": "aides",
            "domain": "social",
            "title": "Aides",
            "description": "Qui reçoit quoi.",
            "subject": "people",
            "privacy": {
                "columns": dict.fromkeys(names, "keep"),
                "quasi_identifiers": ["age", "commune"],
                "hierarchies": {"age": {"ranges": [10, 20]}, "commune": {"prefixes": [2]}},
                "method": method, "k": k, "l": 2, "suppression": 50,
            },
        }
    )  # fmt: skip
    written = []
    for out in (folder / "1.parquet", folder / "2.parquet"):
        try:
            anonymize_table(folder / "in.parquet", card, out)
        except Quarantined:
            assert not out.exists()
        written.append(out.read_bytes() if out.exists() else None)
    assert written[0] == written[1]
    if written[0] is None:
        return
    classes: dict[Any, list[Any]] = {}
    for row in pq.read_table(folder / "1.parquet").to_pylist():
        classes.setdefault((row["age"], row["commune"]), []).append(row["aide"])
    assert all(len(told) >= k and len(set(told)) >= 2 for told in classes.values())

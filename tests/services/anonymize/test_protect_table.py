"""Rows about people, from the ingested table to the written file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.anonymize import anonymize_table as module
from services.anonymize.anonymize_table import anonymize_table
from services.anonymize.protect_table import ProtectedTable, protect_table
from services.anonymize.report_html import report_html
from services.anonymize.report_text import report_text
from shared.card import Card
from shared.failures import Quarantined

MakeCard = Callable[..., Card]
Write = Callable[..., Path]
ROWS = 600


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.parquet"


def people(rows: int = ROWS, seed: int = 3) -> dict[str, Any]:
    """Benefit holders: person, age, town, benefit."""
    random = np.random.default_rng(seed)
    return {
        "personne": [f"p{n}" for n in range(rows)],
        "age": random.integers(18, 90, rows),
        "commune": random.choice(["69123", "69266", "69029", "42218"], rows),
        "aide": random.choice(["RSA", "APL", "aucune"], rows),
    }


RULES: dict[str, Any] = {"personne": "drop", "age": "keep", "commune": "keep", "aide": "keep"}
PRIVACY: dict[str, Any] = {
    "quasi_identifiers": ["age", "commune"],
    "k": 5,
    "l": 2,
    "suppression": 5,
    "hierarchies": {
        "age": {"ranges": [5, 10, 20]},
        "commune": {"places": ["departement"]},
    },
}


def code(table: Path, card: Card, out: Path) -> tuple[str, str | None]:
    """The one reason that stops it, after which nothing may be left behind."""
    with pytest.raises(Quarantined) as failure:
        anonymize_table(table, card, out)
    assert not out.exists()
    (reason,) = failure.value.reasons
    return reason.code, reason.column


@pytest.mark.parametrize("method", ["full_domain", "local_recoding", "mondrian"])
def test_every_written_row_is_that_of_k_people(
    method: str, make_card: MakeCard, write: Write, out: Path
) -> None:
    """Counted in the file: classes of five and more, two benefits in each, no name, text ages."""
    card = make_card(RULES, "people", **PRIVACY, method=method)
    made = anonymize_table(write(people()), card, out)
    rows = pq.read_table(out).to_pylist()
    assert set(rows[0]) == {"age", "commune", "aide"}
    classes = Counter((row["age"], row["commune"]) for row in rows)
    assert min(classes.values()) >= 5
    for one in classes:
        assert len({r["aide"] for r in rows if (r["age"], r["commune"]) == one}) >= 2
    assert len(rows) == made.rows >= ROWS * 0.95
    said: Any = made.report["protection"]
    assert said["k_min"] == min(classes.values())
    assert said["classes"] == len(classes)
    assert said["cost"]["rows_given"] == ROWS
    assert said["cost"]["rows_left_out"] == ROWS - len(rows)
    assert made.report["proof"] == list(module_checks())


def module_checks() -> tuple[str, ...]:
    from services.anonymize.verify_protection import CHECKS

    return CHECKS


def test_the_order_of_the_source_is_lost(make_card: MakeCard, write: Write, tmp_path: Path) -> None:
    """Rows come sorted by what is published: however the source was ordered, the bytes are the same."""
    card = make_card(RULES, "people", **PRIVACY)
    table = people()
    anonymize_table(write(table), card, tmp_path / "1.parquet")
    order = np.random.default_rng(1).permutation(ROWS)
    mixed = {name: np.array(column)[order] for name, column in table.items()}
    anonymize_table(write(mixed), card, tmp_path / "2.parquet")
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


@pytest.mark.parametrize("subject", ["people", "households"])
def test_without_quasi_identifiers_nothing_leaves(
    subject: str, make_card: MakeCard, write: Write, out: Path
) -> None:
    """Rows about people need a decision about what tells them apart."""
    card = make_card(RULES, subject)
    assert code(write(people()), card, out)[0] == "subject_needs_protection"


def test_k_counts_people_and_not_rows(make_card: MakeCard, write: Write, out: Path) -> None:
    """Six rows of one person are one; with the unit declared, that class does not leave."""
    table = people(120)
    lone: dict[str, Any] = {"personne": ["x"] * 6, "age": [17] * 6, "commune": ["69123"] * 6,
            "aide": ["RSA", "APL"] * 3}  # fmt: skip
    joined = {name: [*table[name], *lone[name]] for name in table}
    privacy = PRIVACY | {"hierarchies": {"age": {"values": ages()}}, "suppression": 50}
    card = make_card(RULES, "people", **privacy, unit="personne")
    anonymize_table(write(joined), card, out)
    assert "17" not in pq.read_table(out)["age"].to_pylist()
    by_rows = make_card(RULES, "people", **privacy)
    anonymize_table(write(joined), by_rows, out)
    assert pq.read_table(out)["age"].to_pylist().count("17") == 6


def ages() -> dict[str, str]:
    return {str(age): "adulte" if age > 17 else "17" for age in range(17, 90)}


@pytest.mark.parametrize(
    ("changes", "privacy", "expected"),
    [
        ({"numero": list(range(ROWS))}, {}, ("row_identifier", "numero")),
        ({"jeton": [f"x{n}" for n in range(ROWS)]}, {}, ("row_identifier", "jeton")),
        (
            {"revenu": [1000, 1100, 1200] * 199 + [1100, 1200, 99_999]},
            {},
            ("lone_extreme", "revenu"),
        ),
        (
            {"revenu": [1000.0, 1100.0, 1200.0] * 199 + [1100.0, 1200.0, 0.5]},
            {},
            ("lone_extreme", "revenu"),
        ),
        ({"aide": ["RSA"] * ROWS}, {}, ("protection_unreachable", None)),
        ({"commune": ["Lyon"] * ROWS}, {}, ("value_unknown", "commune")),
        ({"age": ["vingt"] * ROWS}, {}, ("hierarchy_unfit", "age")),
        ({}, {"k": 700}, ("too_few_units", None)),
        ({"personne": [None] * ROWS}, {"unit": "personne"}, ("unit_missing", "personne")),
        ({}, {"unit": "aide"}, ("protection_inconsistent", "aide")),
        ({}, {"sensitive": ["personne"]}, ("protection_inconsistent", "personne")),
    ],
)
def test_what_cannot_be_protected_stops(
    changes: dict[str, Any], privacy: dict[str, Any], expected: tuple[str, str | None],
    make_card: MakeCard, write: Write, out: Path,
) -> None:  # fmt: skip
    """Row numbers, lone extremes, sameness, unknown values, too few people: each is named."""
    extra = dict.fromkeys(set(changes) - set(RULES), "keep")
    card = make_card(RULES | extra, "people", **(PRIVACY | {"l": 2} | privacy))
    assert code(write(people() | changes), card, out) == expected


def test_too_many_left_out_stops(make_card: MakeCard, write: Write, out: Path) -> None:
    """What would leave out more than the policy allows does not leave at all."""
    privacy = PRIVACY | {"method": "local_recoding", "suppression": 0, "k": 40, "l": 3}
    table = people(80)
    table["age"] = [20] * 75 + [89] * 5
    card = make_card(RULES, "people", **privacy)
    assert code(write(table), card, out)[0] in ("suppression_exceeded", "protection_unreachable")


def test_bounds_make_extremes_common(make_card: MakeCard, write: Write, out: Path) -> None:
    """Once bounded, a salary has no lone extreme, neither in cells nor in the file's statistics."""
    table = people() | {"revenu": [1000 + 10 * (n % 50) for n in range(ROWS - 1)] + [9_999_999]}
    rule = {"revenu": {"top_bottom": {"bottom": 1010, "top": 1400}}}
    card = make_card(RULES | rule, "people", **PRIVACY)
    anonymize_table(write(table), card, out)
    column = pq.read_metadata(out).row_group(0)
    maxima = [column.column(n).statistics.max for n in range(column.num_columns)]
    assert 1400 in maxima
    assert 9_999_999 not in maxima


def test_values_that_differ_by_spelling_are_one(
    make_card: MakeCard, write: Write, out: Path
) -> None:
    """« 30 », « 30 », « ３０ » and « 30.0 » make one class of four, not four of one."""
    table = {
        "age": ["30", "30 ", "３０", "30.0", "\u200b30"] * 4,
        "aide": ["a", "b"] * 10,
    }
    card = make_card({"age": "keep", "aide": "keep"}, "people", quasi_identifiers=["age"], k=5)
    anonymize_table(write(table), card, out)
    assert set(pq.read_table(out)["age"].to_pylist()) == {"30"}


def test_a_null_is_a_class(make_card: MakeCard, write: Write, out: Path) -> None:
    """Four people of unknown sex are left out, not mixed with the others nor dropped by a group-by."""
    table = {"sexe": ["F"] * 30 + ["M"] * 30 + [None] * 4, "aide": ["a", "b"] * 32}
    card = make_card(
        {"sexe": "keep", "aide": "keep"}, "people", quasi_identifiers=["sexe"], k=5, suppression=10
    )
    made = anonymize_table(write(table), card, out)
    assert Counter(pq.read_table(out)["sexe"].to_pylist()) == {"F": 30, "M": 30}
    assert made.rows == 60


def test_a_defect_of_the_engine_is_caught(
    make_card: MakeCard, write: Write, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If protection did nothing, the proof would see it in the written file."""

    def nothing(table: pa.Table, units: pa.Array | None, *_: Any) -> ProtectedTable:
        text = table.set_column(0, "age", table["age"].cast(pa.string()))
        ordered = text.sort_by([(name, "ascending") for name in text.column_names])
        return ProtectedTable(ordered.combine_chunks(), units, 0, 0.0, {})

    monkeypatch.setattr(module, "protect_table", nothing)
    card = make_card(RULES, "people", **PRIVACY)
    assert code(write(people()), card, out)[0] == "proof_failed"


def test_thresholds_of_households(make_card: MakeCard) -> None:
    """Without a word of card or strategy, households need eleven, people five."""
    from services.anonymize.protect_table import asked_of

    rules = {"a": "keep", "b": "keep"}
    households = make_card(rules, "households", quasi_identifiers=["a"])
    assert (asked_of(households, ["a", "b"]).k, asked_of(households, ["a", "b"]).l) == (11, 2)
    people_ = make_card(rules, "people", quasi_identifiers=["a"])
    assert asked_of(people_, ["a", "b"]).k == 5
    assert asked_of(people_, ["a"]).l == 1


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_report_reads_in_plain_words(
    language: Any, make_card: MakeCard, write: Write, out: Path
) -> None:
    """A référent reads k, risks, price and the three questions, without a bare code."""
    card = make_card(RULES, "people", **PRIVACY)
    made = anonymize_table(write(people()), card, out)
    text = report_text(made.report, language)
    assert "WP216" in text or "G29" in text
    for code_ in ("singling_out", "full_domain", "not_asked", "{", "None", "bounded_"):
        assert code_ not in text
    said: Any = made.report["protection"]
    assert str(said["k_min"]) in text
    for place in ("69123", "42218"):
        assert place not in text


def test_the_report_says_who_was_unique(make_card: MakeCard, write: Write, out: Path) -> None:
    """One of 99 years and one of a town of its own were unique; in what is published nobody is."""
    table = people()
    table["age"][0], table["commune"][1] = 99, "69001"
    card = make_card(RULES, "people", **PRIVACY)
    protection: Any = anonymize_table(write(table), card, out).report["protection"]
    said = protection["uniqueness"]
    assert said["before"]["by_size"]["1"] == 2
    assert said["before"]["smallest"] == 1
    pairs = Counter(zip(table["age"].tolist(), table["commune"], strict=True))
    alone = list(pairs.values()).count(1)
    assert said["before"]["unique"] == alone > 2
    assert said["before"]["complete"] is True
    assert set(said["before"]["columns"]) == {"age", "commune"}
    assert (said["after"]["unique"], said["after"]["smallest"]) == (0, None)
    assert said["population"] == {
        "size": None,
        "model": "whole",
        "before": alone / ROWS,
        "after": 0.0,
    }


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("population", [None, 900, 90_000])
def test_the_report_tells_of_the_population(
    language: Any, population: int | None, make_card: MakeCard, write: Write, out: Path
) -> None:
    """A part of a population has fewer who are unique in it; the text names it and the model."""
    card = make_card(RULES, "people", **PRIVACY, population=population)
    made = anonymize_table(write(people()), card, out)
    text = report_text(made.report, language)
    protection: Any = made.report["protection"]
    said = protection["uniqueness"]
    told = said["population"]
    assert told["model"] == {None: "whole", 900: "zayatz", 90_000: "pitman"}[population]
    alone = said["before"]["unique"] / ROWS
    assert told["before"] == alone if population is None else 0 < told["before"] < alone
    for model in ("Zayatz", "Pitman"):
        assert (model in text) == (told["model"] == model.lower())
    assert ("90000" in text) == (population == 90_000)
    assert ("`population`" in text) == (population is None)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_page_says_what_the_text_says(
    language: Any, make_card: MakeCard, write: Write, out: Path
) -> None:
    """Every sentence of the text is on the page, escaped; the classes' sizes are a table."""
    card = make_card(RULES | {"<b>": "drop"}, "people", **PRIVACY)
    made = anonymize_table(write(people() | {"<b>": ["x"] * ROWS}), card, out)
    page = report_html(made.report, language)
    for line in report_text(made.report, language).splitlines():
        assert escape(line.removeprefix("- ")) in page
    assert "<b>" not in page
    said: Any = made.report["protection"]
    for span, count in said["class_sizes"].items():
        # « 1-1 » is 1.
        size = "-".join(dict.fromkeys(span.split("-")))
        assert f"<td>{size}</td><td>{count}</td>" in page
    assert sum(said["class_sizes"].values()) == said["classes"]


def test_protection_alone_keeps_the_columns(make_card: MakeCard) -> None:
    """The protected table has the columns it was given, quasi-identifiers as text."""
    table = pa.table(people()).drop(["personne"])
    made = protect_table(table, None, make_card(RULES, "people", **PRIVACY))
    assert made.table.column_names == ["age", "commune", "aide"]
    assert made.table.schema.types == [pa.string()] * 3
    assert made.suppressed + made.table.num_rows == ROWS

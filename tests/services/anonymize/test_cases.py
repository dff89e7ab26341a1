"""Adversarial cases, by the numbers of the project's list: what comes in, and what must happen."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.anonymize.anonymize_table import anonymize_table
from shared.card import Card
from shared.card_file import BadCard, check_card
from shared.failures import Quarantined
from shared.policy_signature import check_policy, key_digest, new_key, sign_policy
from tests.cards import STRATEGY
from tests.cards import card as bench_card

MakeCard = Callable[..., Card]
Run = Callable[..., Any]
CLEAN = "banc abîmé devant la mairie"
DAY = dt.date(2026, 3, 1)


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


def test_case_1_one_telephone_number_in_a_hundred_thousand(run: Run) -> None:
    """One hit in 100,000 comments stops the release."""
    cells = [CLEAN] * 100_000
    cells[7] = "rappeler au 06 12 34 56 78"
    assert run({"commentaire": cells}) == {"finding_phone"}


def test_case_2_a_telephone_column_with_many_none(run: Run) -> None:
    """35 % « néant » excuses nothing."""
    assert run({"tel": ["0472103030"] * 65 + ["néant"] * 35}) == {"finding_phone"}


@pytest.mark.parametrize(
    ("case", "cell", "code"),
    [
        (3, "06/12/34/56/78", "phone"), (3, "+33 (0)6 12 34 56 78", "phone"),
        (3, "06\u00a012\u00a034\u00a056\u00a078", "phone"), (3, "06\u200b12345678", "phone"),
        (3, "０６１２３４５６７８", "phone"),
        (4, "612345678.0", "phone"), (4, "6.12E+08", "phone"),
        (5, "2 95 10 99 126 111 93", "nir"), (5, "2-95-10-99-126-111-93", "nir"),
        (5, "2951099126111/93", "nir"), (5, "2.95.10.99.126.111.93", "nir"),
        (6, "2951099126111", "nir"), (6, "2.95109912611193E+14", "nir"),
        (7, "2 53 07 2B 073 004 70", "nir"), (7, "155209935012390", "nir"),
        (7, "795069935012331", "nir"),
        (9, '{"a": {"b": "{\\"mail\\": \\"x.y@exemple.fr\\"}"}}', "email"),
        (9, '<a href="mailto:x.y@exemple.fr">écrire</a>', "email"),
        (9, "https://x.fr/?m=x.y%40exemple.fr", "email"),
        (10, "jean.dupont [at] orange.fr", "email"), (10, "jean.dupont @ orange.fr", "email"),
        (10, "j\u0435an.dupont@orange.fr", "email"),
        (11, base64.b64encode(b"jean.dupont@orange.fr").decode(), "email"),
        (11, b"jean.dupont@orange.fr".hex(), "email"),
        (15, "fr76 3000 6000 0112 3456 7890 189", "iban"), (15, "BE68 5390 0754 7034", "iban"),
        (15, "DE89370400440532013000", "iban"), (15, "4111 1111 1111 1111", "card"),
        (16, "AA-123-AB", "plate"), (16, "AA123AB", "plate"), (16, "1234 ABC 75", "plate"),
        (17, "Appel de M. Dupont", "name"), (17, "m. dupont", "name"),
        (17, "Mme de La Rochefoucauld", "name"), (17, "MARTIN, Sophie", "name"),
        (17, "S. Martin", "name"),
        (26, "81.56.12.34", "ip"), (26, "2a01:e0a:1:2::3", "ip"), (26, "3c:22:fb:12:34:56", "mac"),
        (60, "diabétique, suivi au CHU", "special"), (60, "agent syndiqué", "special"),
        (60, "famille musulmane", "special"), (60, "enfant placé à l'ASE", "special"),
    ],
)  # fmt: skip
def test_cases_of_cells(case: int, cell: str, code: str, run: Run) -> None:
    """One such cell among clean ones stops the release, however it is written."""
    assert f"finding_{code}" in run({"c1": [CLEAN] * 20 + [cell]}), case


def test_case_4_telephone_numbers_read_as_numbers(run: Run) -> None:
    """A column that lost its zeros is still one of telephone numbers."""
    assert run({"c1": [612345678, 698765432, 712345678]}) == {"finding_phone"}
    assert run({"c1": [612345678.0, 698765432.0, 712345678.0]}) == {"finding_phone"}


def test_case_8_chance_is_told_from_numbers(run: Run) -> None:
    """Right keys among many wrong ones are chance; one in twenty are people."""
    chance = [100_000_000_000_000 + 7919 * n for n in range(2000)]
    assert isinstance(run({"c1": chance}), pa.Table)
    people = [295109912611193] * 150
    assert run({"c1": chance + people}) == {"finding_nir"}


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_case_12_hashes_are_no_anonymisation(algorithm: str, run: Run) -> None:
    """A column of unsalted hashes is refused."""
    cells = [hashlib.new(algorithm, f"{n}@exemple.fr".encode()).hexdigest() for n in range(20)]
    assert run({"usager": cells}) == {"finding_hash"}


def test_case_14_pseudonyms_are_personal(run: Run) -> None:
    """A pseudonym in microdata is refused by default, and needs a key even with a basis."""
    table = {"agent": ["a", "b"], "n": [1, 2]}
    bare = {"action": "pseudonymize"}
    assert run(table, {"agent": bare}) == {"pseudonym_refused"}
    based = {"pseudonymize": {"basis": "arrêté du 1er mars"}}
    assert run(table, {"agent": based}) == {"pseudonym_key_missing"}


@pytest.mark.parametrize(
    "name", ["Rue Victor Hugo", "École Jean Jaurès", "Place du Général de Gaulle"]
)
def test_case_18_streets_and_schools_are_no_people(name: str, run: Run) -> None:
    """What is named after a person is a place."""
    assert isinstance(run({"equipement": [name] * 3}), pa.Table)


def test_case_19_names_under_another_header(run: Run) -> None:
    """First names and surnames are recognised by themselves."""
    given = [
        "Sophie",
        "Jean",
        "Fatima",
        "Pierre",
        "Louise",
        "Karim",
        "Anne",
        "Marc",
        "Inès",
        "Paul",
    ]
    family = ["Dupont", "Martin", "Lefebvre", "Benali", "Garcia", "Nguyen", "Moreau", "Roux",
              "Faure", "Girard"]  # fmt: skip
    assert run({"c1": given, "c2": family}) == {"finding_name"}


def test_cases_20_39_an_undeclared_column_stops(
    run: Run, make_card: MakeCard, tmp_path: Path
) -> None:
    """Whatever is in it: rare names that no list has, or a column added after the decision."""
    pq.write_table(pa.table({"a": ["x"], "b": ["Xyzwq"]}), tmp_path / "t.parquet")
    with pytest.raises(Quarantined) as failure:
        anonymize_table(tmp_path / "t.parquet", make_card({"a": "keep"}), tmp_path / "o.parquet")
    assert [one.code for one in failure.value.reasons] == ["column_undeclared"]


def test_case_23_dates_of_birth_in_words(run: Run) -> None:
    """A header that says birth stops, whether cells are dates, serials or numbers."""
    for cells in ([20526, 21000], ["12/03/56", "12 mars 1956"], [DAY, DAY]):
        assert run({"date_naissance": cells}) == {"header_personal"}


def people(**more: Any) -> dict[str, Any]:
    """Forty adults of two towns, two benefits."""
    return {
        "age": [30, 40, 50, 60] * 10,
        "commune": ["69123"] * 20 + ["69266"] * 20,
        "aide": ["RSA", "APL", "APL", "RSA", "aucune"] * 8,
        **more,
    }


SMALL: dict[str, Any] = {"quasi_identifiers": ["age", "commune"], "k": 5, "l": 2, "suppression": 10}


def test_case_24_an_age_of_103(run: Run) -> None:
    """Top-coded, the oldest is one of the many at the bound; else her row is left out or coarser."""
    table = people()
    table["age"][0] = 103
    made = run(table, {"age": {"top_bottom": {"top": 60}}}, "people", **SMALL)
    assert "103" not in made["age"].to_pylist()
    coded = Counter(zip(*(made[c].to_pylist() for c in ("age", "commune")), strict=True))
    assert min(coded.values()) >= 5


def test_case_25_exact_moments_are_rounded(run: Run) -> None:
    """A decision to the second leaves as its month."""
    moments = [dt.datetime(2026, 3, 1, 8, 30, n) for n in range(10)]
    made = run({"decision": moments}, {"decision": {"generalize": "month"}})
    assert set(made["decision"].to_pylist()) == {"2026-03"}


def test_case_27_places_of_people_go_to_a_grid(run: Run) -> None:
    """Coordinates of benefit holders are cells of a grid with eleven households each."""
    x = [842_310.0 + n for n in range(30)] + [843_990.0]
    y = [6_519_924.0 - n for n in range(30)] + [6_519_001.0]
    grid = {"x": {"grid": 200}, "y": {"grid": 200}}
    made = run({"x": x, "y": y}, grid, "households", quasi_identifiers=["x", "y"], suppression=10)
    cells = Counter(zip(made["x"].to_pylist(), made["y"].to_pylist(), strict=True))
    assert min(cells.values()) >= 11
    assert not any("843" in str(cell) for cell in cells)


@pytest.mark.parametrize("header", ["Nom", "NOM ", "n\u043em"])
def test_cases_40_65_names_are_not_guessed(
    header: str, make_card: MakeCard, tmp_path: Path
) -> None:
    """A renamed or look-alike header is another column: nothing is matched by position."""
    pq.write_table(pa.table({header: ["x"], "b": [1]}), tmp_path / "t.parquet")
    card = make_card({"nom": "drop", "b": "keep"})
    with pytest.raises(Quarantined) as failure:
        anonymize_table(tmp_path / "t.parquet", card, tmp_path / "o.parquet")
    assert {one.code for one in failure.value.reasons} == {"column_undeclared", "column_gone"}


def test_case_41_a_type_that_changed(tmp_path: Path) -> None:
    """A number that became text stops; a code list that grew asks for a new signature."""
    pq.write_table(pa.table({"id": ["a"], "places": ["3"]}), tmp_path / "t.parquet")
    with pytest.raises(Quarantined) as failure:
        anonymize_table(tmp_path / "t.parquet", bench_card(), tmp_path / "o.parquet")
    assert [one.code for one in failure.value.reasons] == ["column_retyped"]

    def fingerprint(codes: list[str]) -> str:
        fields = [
            {"name": "id", "constraints": {"enum": codes}},
            {"name": "places", "type": "integer"},
        ]
        return bench_card(schema={"fields": fields}).schema_fingerprint()

    assert fingerprint(["a", "b"]) != fingerprint(["a", "b", "c"])


def test_case_42_a_column_that_vanished(make_card: MakeCard, tmp_path: Path) -> None:
    """A rule without its column is no rule to skip."""
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "t.parquet")
    with pytest.raises(Quarantined) as failure:
        anonymize_table(
            tmp_path / "t.parquet", make_card({"a": "keep", "b": "drop"}), tmp_path / "o.parquet"
        )
    assert [one.code for one in failure.value.reasons] == ["column_gone"]


def test_case_43_a_value_that_the_hierarchy_lacks(run: Run) -> None:
    """A new category is not lost and not guessed: it stops."""
    known = {"values": {"69123": ["69"], "69266": ["69"]}}
    table = people()
    table["commune"][0] = "42218"
    said = run(table, None, "people", **SMALL, hierarchies={"commune": known})
    assert said == {"value_unknown"}


def test_case_44_nulls_are_a_class_of_their_own(run: Run) -> None:
    """Four unknown towns are fewer than five: left out; five are a class."""
    for unknown, shown in ((4, 0), (5, 5)):
        table = {
            "commune": ["69123"] * 60 + [None] * unknown,
            "aide": ["a", "b"] * 30 + ["a", "b", "a", "b", "a"][:unknown],
        }
        privacy = SMALL | {"quasi_identifiers": ["commune"]}
        made = run(table, None, "people", **privacy)
        assert made["commune"].null_count == shown


def test_case_45_spellings_of_one_value(run: Run) -> None:
    """« 30 », « 30 », « ３０ » and « 30.0 » are one age."""
    table = {"age": ["30", "30 ", "３０", "30.0"] * 3, "aide": ["a", "b"] * 6}
    made = run(table, None, "people", **(SMALL | {"quasi_identifiers": ["age"]}))
    assert made["age"].to_pylist() == ["30"] * 12


def test_cases_46_58_too_few_rows(run: Run) -> None:
    """Three rows, or none, publish nothing: they wait for a larger batch."""
    few = {name: column[:3] for name, column in people().items()}
    assert run(few, None, "people", **SMALL) == {"too_few_units"}
    none = {name: pa.array([], pa.string()) for name in people()}
    assert run(none, None, "people", **SMALL) == {"no_rows"}


@pytest.mark.parametrize(("case", "subject"), [(47, "people"), (48, "households")])
def test_cases_47_48_k_counts_units(case: int, subject: str, run: Run) -> None:
    """One person six times, or one large family, is one."""
    table = people(unite=[f"u{n}" for n in range(40)])
    for name, value in (("age", 17), ("commune", "69123"), ("aide", "RSA"), ("unite", "famille")):
        table[name] = [*table[name], *[value] * 6]
    table["aide"][-1] = "APL"
    privacy = SMALL | {"suppression": 20, "hierarchies": {"age": {"values": groups()}}}
    made = run(table, {"unite": "drop"}, subject, **privacy, unit="unite")
    assert "17" not in made["age"].to_pylist(), case
    assert "17" in run(table, {"unite": "drop"}, subject, **privacy)["age"].to_pylist()


def groups() -> dict[str, str]:
    return {"17": "mineur"} | dict.fromkeys(("30", "40", "50", "60"), "adulte")


def test_case_49_five_alike_with_the_same_secret(run: Run) -> None:
    """A class in which everybody receives the same benefit is made wider or left out."""
    table = people(aide=["RSA"] * 20 + ["RSA", "APL"] * 10)
    made = run(table, None, "people", **(SMALL | {"suppression": 50}))
    classes: dict[Any, set[Any]] = {}
    for row in made.to_pylist():
        classes.setdefault((row["age"], row["commune"]), set()).add(row["aide"])
    assert min(map(len, classes.values())) >= 2


def test_case_50_a_class_far_from_the_whole(run: Run) -> None:
    """With t, no class may be as skewed as 80 % where the whole has a third."""
    aide = (["RSA"] * 8 + ["APL"] * 2) * 2 + (["RSA"] + ["APL"] * 9) * 2
    table = people(aide=aide)
    privacy = SMALL | {"quasi_identifiers": ["commune"], "t": 0.1}
    made = run(table, None, "people", **privacy)
    assert made == {"protection_unreachable"}
    loose = run(table, None, "people", **(privacy | {"t": 0.4}))
    assert set(loose["commune"].to_pylist()) == {"69123", "69266"}


def test_case_59_one_salary_above_all(run: Run) -> None:
    """An outlier stops; bounded, it is one of many, in the file's statistics too."""
    salary = [2000 + 100 * (n % 5) for n in range(39)] + [9_999_999]
    assert run(people(salaire=salary), None, "people", **SMALL) == {"lone_extreme"}
    rule = {"salaire": {"top_bottom": {"top": 2400}}}
    made = run(people(salaire=salary), rule, "people", **SMALL)
    assert max(made["salaire"].to_pylist()) == 2400


def test_case_61_elected_officials_need_their_text(run: Run) -> None:
    """A personal column is kept with its legal basis, and only that column."""
    table = {"elu": ["Sophie Martin"], "note": ["M. Dupont"]}
    basis = {"elu": {"keep": {"basis": "CRPA art. D. 312-1-3, 2°"}}}
    assert run(table, basis) == {"finding_name"}
    assert isinstance(run(table, basis | {"note": "drop"}), pa.Table)


def test_case_64_bytes_that_hide_a_cell(run: Run) -> None:
    """A cell that is no text in UTF-8 stops."""
    cells = pa.array([b"bien", b"jean\xe9@exemple.fr"], pa.binary()).view(pa.string())
    assert run({"a": cells}) == {"cell_unreadable"}


def test_case_67_a_policy_that_nobody_may_decide() -> None:
    """Expired, unsigned, or changed after the signature: not in force."""
    key = new_key()
    trusted = {key_digest(key.public_key()): key.public_key()}
    card = bench_card()
    signed = card.model_copy(update={"signature": sign_policy(card, key, "responsable", DAY)})
    check_policy(signed, DAY, trusted)
    weaker = signed.privacy.model_copy(update={"k": 3})
    for bad, day in (
        (card, DAY),
        (signed.model_copy(update={"privacy": weaker}), DAY),
        (signed, dt.date(2031, 3, 2)),
    ):
        with pytest.raises(Quarantined):
            check_policy(bad, day, trusted)


def test_k_is_never_below_three() -> None:
    """Neither card nor strategy can ask for less."""
    privacy = {"columns": {"id": "keep", "places": "keep"}, "quasi_identifiers": ["id"], "k": 2}
    with pytest.raises(BadCard) as failure:
        check_card(bench_card().body() | {"privacy": privacy}, STRATEGY)
    assert failure.value.problems[0].field == "privacy.k"

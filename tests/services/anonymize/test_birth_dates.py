"""Dates of birth under a name that does not say so, and dates of all else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.anonymize.anonymize_table import anonymize_table
from services.anonymize.birth_dates import BirthTally, dates_of_people
from services.anonymize.days_of_cells import days_of_cells
from services.anonymize.header_lexicon import is_personal
from services.anonymize.look_like_people import holds_sexes, say_how_many, say_people
from services.anonymize.propose_policy import propose_policy
from shared.card import Card
from shared.failures import Quarantined

MakeCard = Callable[..., Card]
Draw = np.random.Generator
Days = np.ndarray[Any, np.dtype[np.int64]]

TODAY = (dt.date(2026, 3, 1) - dt.date(1970, 1, 1)).days
SEEDS = range(10)


def ages(draw: Draw, rows: int, low: float, high: float) -> Days:
    """Birthdays of people whose ages are even between two; fewer at weekends, as in hospitals."""
    days = TODAY - (draw.uniform(low, high, 3 * rows) * 365.25).astype(np.int64)
    stays = draw.random(len(days)) < np.where((days + 3) % 7 >= 5, 0.75, 1.0)
    return days[stays][:rows]


def town(draw: Draw, rows: int) -> Days:
    """A pyramid of ages: fewer of the old, and one in ten whose papers say the first of January."""
    days = TODAY - (draw.beta(1.6, 2.4, rows) * 100 * 365.25).astype(np.int64)
    year = days.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]")
    return np.where(draw.random(rows) < 0.1, year.astype(np.int64), days)


def pupils(draw: Draw, rows: int) -> Days:
    return ages(draw, rows, 2.5, 18.5)


def staff(draw: Draw, rows: int) -> Days:
    return ages(draw, rows, 20, 64)


def residents(draw: Draw, rows: int) -> Days:
    return ages(draw, rows, 65, 102)


BIRTHS: dict[str, Callable[[Draw, int], Days]] = {
    "town": town, "pupils": pupils, "staff": staff, "residents": residents,
}  # fmt: skip


def working(days: Days) -> Days:
    """The same days, those of a weekend moved to the Friday before."""
    weekday = (days + 3) % 7
    return days - np.maximum(weekday - 4, 0)


def even(draw: Draw, rows: int, years: float) -> Days:
    return TODAY - (draw.uniform(0, years, rows) * 365.25).astype(np.int64)


def works(draw: Draw, rows: int) -> Days:
    """Works on streets begin on working days, through thirty years."""
    return working(even(draw, rows, 30))


def purchases(draw: Draw, rows: int) -> Days:
    """A library buys from Monday to Friday, many books a day."""
    return draw.choice(working(even(draw, 300, 25)), rows)


def plantings(draw: Draw, rows: int) -> Days:
    """Trees are planted from November to March, in sixty years."""
    days = even(draw, 4 * rows, 60)
    month = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    return days[(month >= 11) | (month <= 3)][:rows]


def years_only(draw: Draw, rows: int) -> Days:
    """Of old trees only the year is known: the first of January."""
    years = even(draw, rows, 80).astype("datetime64[D]").astype("datetime64[Y]")
    return years.astype("datetime64[D]").astype(np.int64)


def requests(draw: Draw, rows: int) -> Days:
    """Requests by a web form, every day of the last four years."""
    return even(draw, rows, 4)


def weddings(draw: Draw, rows: int) -> Days:
    """Seven in ten on a Saturday, three in four from April to September."""
    days = even(draw, rows, 40)
    return np.where(draw.random(rows) < 0.7, days - (days + 3) % 7 + 5, days)


def openings(draw: Draw, rows: int) -> Days:
    """Companies begin on the first of a month, half of them."""
    days = working(even(draw, rows, 50))
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]")
    return np.where(draw.random(rows) < 0.5, months.astype(np.int64), days)


def inventions(draw: Draw, rows: int) -> Days:
    """Monuments are listed on working days, from 1905 on."""
    return working(even(draw, rows, 120))


HARMLESS: dict[str, Callable[[Draw, int], Days]] = {
    "works": works, "purchases": purchases, "plantings": plantings, "years": years_only,
    "requests": requests, "weddings": weddings, "openings": openings, "monuments": inventions,
}  # fmt: skip


def judged(days: Days, least_years: float = 10) -> bool:
    tally = BirthTally(least_years)
    tally.see(days.astype(np.int64), np.arange(len(days)))
    return tally.verdict().cells > 0


@pytest.mark.parametrize("rows", [25, 200, 5_000])
@pytest.mark.parametrize("name", BIRTHS)
def test_births_are_recognised(name: str, rows: int) -> None:
    """Of ten columns of each kind nine at least are, of twenty-five people as of five thousand."""
    found = sum(judged(BIRTHS[name](np.random.default_rng(seed), rows)) for seed in SEEDS)
    assert found >= 9


@pytest.mark.parametrize("rows", [25, 200, 5_000])
@pytest.mark.parametrize("name", HARMLESS)
def test_dates_of_all_else_are_not(name: str, rows: int) -> None:
    """Of ten columns of each kind two at most are taken for births: a fifth."""
    found = sum(judged(HARMLESS[name](np.random.default_rng(seed), rows)) for seed in SEEDS)
    assert found <= 2


def test_an_event_by_name_is_believed_unless_it_spans_a_life(tmp_path: Path) -> None:
    """Dates of accidents, of all days in twenty years, pass under a name of an event; births do not."""
    draw = np.random.default_rng(2)
    accidents = even(draw, 400, 20)
    assert judged(accidents)
    columns: dict[str, Any] = {"sexe": ["F", "M"] * 200}
    for name, days, stops in (
        ("c1", accidents, True),
        ("date_intervention", accidents, False),
        ("date_intervention", town(draw, 400), True),
    ):
        with pq.ParquetFile(
            written(tmp_path, columns | {name: days.astype("datetime64[D]")})
        ) as source:
            assert bool(dates_of_people(source, [name], 50_000)) is stops


def test_children_have_few_years(tmp_path: Path) -> None:
    """Births within five years are recognised where a header speaks of children, and there alone."""
    days = ages(np.random.default_rng(2), 400, 6, 11).astype("datetime64[D]")
    for header, stops in (("id_eleve", True), ("id_abonne", False)):
        path = written(tmp_path, {"c1": days, header: [f"x{n}" for n in range(400)]})
        with pq.ParquetFile(path) as source:
            assert bool(dates_of_people(source, ["c1"], 50_000)) is stops


@pytest.mark.parametrize("as_text", [True, False])
def test_day_month_and_year_apart(as_text: bool, tmp_path: Path) -> None:
    """Three columns that belong together are read as one; the day's column is named."""
    dates = [dt.date.fromordinal(int(day) + 719_163) for day in town(np.random.default_rng(2), 400)]
    parts = {"N_jour": "day", "N_mois": "month", "N_annee": "year"}
    columns: dict[str, Any] = {
        name: [str(getattr(one, part)) if as_text else getattr(one, part) for one in dates]
        for name, part in parts.items()
    }
    path = written(tmp_path, columns | {"sexe": ["F", "M"] * 200})
    with pq.ParquetFile(path) as source:
        (found,) = dates_of_people(source, list(parts), 64)
        assert (found.column, found.cells, found.line) == ("N_jour", 400, 2)
        assert dates_of_people(source, ["N_jour", "N_mois"], 64) == []


def test_too_few_dates_say_nothing() -> None:
    """Two dozen could be anything; one more, and they are looked at."""
    days = town(np.random.default_rng(1), 400)
    assert not judged(days[:24])
    assert judged(days[:25])


def texts(days: Days, form: str) -> list[str]:
    return [dt.date.fromordinal(int(day) + 719_163).strftime(form) for day in days]


FRENCH = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
    "novembre", "décembre",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("c1", lambda days: pa.array(days.astype("datetime64[D]"))),
        ("c1", lambda days: pa.array(days.astype("datetime64[D]").astype("datetime64[us]"))),
        ("c1", lambda days: pa.array(texts(days, "%Y-%m-%d"))),
        ("c1", lambda days: pa.array(texts(days, "%Y-%m-%dT00:00:00"))),
        ("c1", lambda days: pa.array(texts(days, "%d/%m/%Y"))),
        ("c1", lambda days: pa.array(texts(days, "%d/%m/%y"))),
        ("c1", lambda days: pa.array(texts(days, "%d\u00a0%m\u200b %Y"))),
        ("c1", lambda days: pa.array(texts(days, "%Y%m%d"))),
        ("c1", lambda days: pa.array([int(text) for text in texts(days, "%Y%m%d")])),
        ("date", lambda days: pa.array(days + 25_569)),
        ("date", lambda days: pa.array(days * 86_400)),
        (
            "c1",
            lambda days: pa.array(
                [f"{d.day} {FRENCH[d.month - 1]} {d.year}"
                 for d in (dt.date.fromordinal(int(one) + 719_163) for one in days)]
            ),
        ),
    ],
)  # fmt: skip
def test_a_day_is_read_however_it_is_written(name: str, made: Callable[[Days], pa.Array]) -> None:
    """Dates, midnights, texts in figures and words, a spreadsheet's days and seconds: each cell."""
    days = np.array([-5040, -1, 1, 400, 8_000, 12_345], np.int64)
    found, rows = days_of_cells(name, made(days))
    assert found.tolist() == days.tolist()
    assert rows.tolist() == list(range(6))


@pytest.mark.parametrize(
    "cells",
    [
        ["31/02/1980", "12/13/1980", "1980", "12 pluviôse 1980", "le 12/03/1980", "69123", None],
        [69_123, 75_001, 33_063],
        [20_240_101, 5, 6],
        [dt.datetime(1980, 3, 1, 14, 30)],
    ],
)
def test_what_is_no_day_is_not_read_as_one(cells: list[Any]) -> None:
    """Days that are not, years, codes, sentences, moments."""
    found, rows = days_of_cells("c1", pa.array(cells))
    assert len(found) == len(rows) == 0


def written(tmp_path: Path, columns: dict[str, Any]) -> Path:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def people(days: Days, **more: Any) -> dict[str, Any]:
    return {
        "c1": days.astype("datetime64[D]"),
        "quartier": ["Centre", "Nord"] * (len(days) // 2),
        **more,
    }


SEX = {"sexe": ["F", "M", "M", "F"] * 100}


@pytest.mark.parametrize(
    ("more", "stops"),
    [
        (SEX, True),
        ({"c2": ["F", "H", "F", "F"] * 100}, True),
        ({"c2": ["Homme", "Femme", "", "Femme"] * 100}, True),
        ({"profession": ["maçon", "notaire"] * 200}, True),
        ({"essence": ["Chêne", "Tilleul"] * 200}, False),
        ({"genre": ["Quercus", "Tilia"] * 200, "espece": ["robur", "cordata"] * 200}, False),
        ({"sexe": ["F", "M"] * 200, "essence": ["Diesel", "SP95"] * 200}, True),
        ({"sexe": ["F", "M"] * 200, "effectif": [3, 4] * 200}, False),
        ({"c2": ["oui", "non"] * 200}, False),
        ({"courriel_agent": ["x"] * 400, "prenom_contact": ["x"] * 400}, False),
        ({}, False),
    ],
)
def test_only_where_rows_look_like_people(
    more: dict[str, Any], stops: bool, make_card: MakeCard, tmp_path: Path
) -> None:
    """A sex, by name or by cells, or a profession beside them; not trees, nor counts."""
    columns = people(town(np.random.default_rng(3), 400), **more)
    card = make_card({name: "drop" if is_personal(name) else "keep" for name in columns})
    out = tmp_path / "out.parquet"
    if not stops:
        assert anonymize_table(written(tmp_path, columns), card, out).rows == 400
        return
    with pytest.raises(Quarantined) as failure:
        anonymize_table(written(tmp_path, columns), card, out)
    (reason,) = failure.value.reasons
    assert (reason.code, reason.column, reason.line) == ("finding_birth", "c1", 2)
    assert reason.count == 400
    assert not out.exists()


def test_a_dropped_column_says_what_rows_are(make_card: MakeCard, tmp_path: Path) -> None:
    """That the first name is not published makes a row no less a person."""
    columns = people(staff(np.random.default_rng(3), 400), prenom=["x"] * 400)
    card = make_card({"c1": "keep", "quartier": "keep", "prenom": "drop"})
    with pytest.raises(Quarantined):
        anonymize_table(written(tmp_path, columns), card, tmp_path / "out.parquet")


@pytest.mark.parametrize(
    ("rules", "privacy"),
    [
        ({"c1": "drop"}, {}),
        ({"c1": {"generalize": "year"}}, {}),
        ({"c1": {"keep": {"basis": "CRPA art. D. 312-1-3, 2°"}}}, {}),
        (
            {},
            {"accepted_findings": [
                {"column": "c1", "detector": "birth", "reason": "dates d'accidents de la route"}]},
        ),
    ],
)  # fmt: skip
def test_what_a_person_may_answer(
    rules: dict[str, Any], privacy: dict[str, Any], make_card: MakeCard, tmp_path: Path
) -> None:
    """Dropped, brought to the year, kept on a basis, or declared to be something else: it passes."""
    columns = people(staff(np.random.default_rng(3), 400), **SEX)
    card = make_card(dict.fromkeys(columns, "keep") | rules, **privacy)
    made = anonymize_table(written(tmp_path, columns), card, tmp_path / "out.parquet")
    accepted: Any = made.report["accepted"]
    asked = rules.get("c1") not in ("drop", {"generalize": "year"})
    assert [one["detector"] for one in accepted] == (["birth"] if asked else [])


def test_rows_about_people_share_their_birthday_or_do_not_show_it(
    make_card: MakeCard, tmp_path: Path
) -> None:
    """As a quasi-identifier it is made coarser until it may be shown; as one column among others it
    stops."""
    columns = people(staff(np.random.default_rng(3), 400), aide=["RSA", "APL"] * 200)
    rules = dict.fromkeys(columns, "keep")
    ways = {"hierarchies": {"c1": {"dates": ["year", "five_years"]}}, "suppression": 10}
    shared = make_card(rules, "people", quasi_identifiers=["c1"], sensitive=["aide"], **ways)
    out = tmp_path / "out.parquet"
    assert anonymize_table(written(tmp_path, columns), shared, out).rows > 0
    beside = make_card(rules, "people", quasi_identifiers=["quartier"], sensitive=["aide"])
    with pytest.raises(Quarantined) as failure:
        anonymize_table(written(tmp_path, columns), beside, out)
    assert [one.code for one in failure.value.reasons] == ["finding_birth"]


def test_other_cells_do_not_hide_them(tmp_path: Path) -> None:
    """« néant » in every second row, and unreadable years, leave the dates to be told by themselves."""
    days = texts(town(np.random.default_rng(4), 200), "%d/%m/%Y")
    cells = [cell for day in days for cell in ("néant", day)]
    path = written(tmp_path, {"c1": cells, "sexe": ["F", "M"] * 200})
    with pq.ParquetFile(path) as source:
        (found,) = dates_of_people(source, ["c1"], 64)
    assert (found.cells, found.line) == (200, 3)


def test_a_proposal_drops_them(tmp_path: Path) -> None:
    """The draft of a policy says of the column that something was found in it."""
    columns = people(town(np.random.default_rng(3), 400), **SEX)
    proposal = propose_policy(written(tmp_path, columns))
    (c1, *_) = proposal.columns
    assert (c1.name, c1.why, c1.detectors) == ("c1", "finding", ("birth",))
    columns["c1"] = works(np.random.default_rng(3), 400).astype("datetime64[D]")
    (c1, *_) = propose_policy(written(tmp_path, columns)).columns
    assert c1.why != "finding"


def test_what_says_that_rows_are_people() -> None:
    """Headers of persons, unless a number counts them; cells that are men and women."""
    assert say_people(["id_allocataire"])
    assert say_people(["Prénom"])
    assert not say_people(["nom", "adresse", "date"])
    assert say_how_many(["montant", "nb_lits"])
    assert not say_how_many(["nb_enfants", "age"])
    assert holds_sexes(pa.array(["H", "F", None, "F", "NR"]))
    assert not holds_sexes(pa.array(["H", "H"]))
    assert not holds_sexes(pa.array(["A", "F", "M", "Z", "B", "C", "D"]))

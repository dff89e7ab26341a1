"""What the policy's rules make of columns, and that the proof sees when they did not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anonymize.geography import departement, epci
from services.anonymize.obeys import obeys
from services.anonymize.pseudonym_key import pseudonym_keys
from services.anonymize.transforms import transform, written_type
from shared.card_parts import ColumnRule
from shared.failures import Quarantined
from shared.settings import Settings
from tests.cards import card

KEY = b"k" * 32


def made(rule: Any, values: list[Any], kind: pa.DataType | None = None) -> list[Any]:
    """The values as the rule lets them out, which the proof accepts."""
    read = ColumnRule.model_validate(rule)
    column = transform("c", read, pa.array(values, kind), KEY)
    assert obeys(read, column)
    return list(column.to_pylist())


DAY = dt.date(1956, 3, 12)


@pytest.mark.parametrize(
    ("rule", "given_", "written"),
    [
        ("keep", ["x", None], ["x", None]),
        ({"generalize": "month"}, [DAY, None], ["1956-03", None]),
        ({"generalize": "year"}, [DAY], ["1956"]),
        ({"generalize": "five_years"}, [DAY], ["1955-1959"]),
        ({"generalize": "month"}, [dt.datetime(2026, 3, 1, 8, 30, 12)], ["2026-03"]),
        ({"generalize": {"ranges": 10}}, [0, 9, 10, -1], ["0-9", "0-9", "10-19", "-10--1"]),
        ({"generalize": {"ranges": 2.5}}, [0.0, 2.4, 2.5], ["[0;2.5[", "[0;2.5[", "[2.5;5["]),
        ({"generalize": "departement"}, ["69123", "2A004", "97411"], ["69", "2A", "974"]),
        ({"generalize": "epci"}, ["69123", "29083"], ["200046977", "sans EPCI"]),
        ({"generalize": {"values": {"CDI": "salarié", "CDD": "salarié"}}}, ["CDI", " CDD "],
         ["salarié", "salarié"]),
        ({"round": 100}, [149, 150, -150, None], [100, 200, -200, None]),
        ({"round": 0.5}, [1.3, 1.2], [1.5, 1.0]),
        ({"top_bottom": {"bottom": 15, "top": 90}}, [3, 103, 40], [15, 90, 40]),
        ({"top_bottom": {"top": 1.5}}, [9.0, -2.0], [1.5, -2.0]),
        ({"mask": 2}, ["AB-123-CD", "a", ""], ["AB***", "a***", "***"]),
        ("redact", ["rien", "écrire à a.b@exemple.fr", None], ["rien", "[occulté]", None]),
        ("redact", ["0612345678", "n° 12", "M. Dupont", "6.12E+08", "12", "d41d8cd98f00b204" * 2],
         ["[occulté]", "n° 12", "[occulté]", "[occulté]", "12", "[occulté]"]),
        ({"grid": 200}, [842_310.7, 842_399.0, -10.0], [842_300.0, 842_300.0, -100.0]),
    ],
)  # fmt: skip
def test_rules(rule: Any, given_: list[Any], written: list[Any]) -> None:
    """Each rule, on values whose coarser form is known."""
    assert made(rule, given_) == written


def test_pseudonyms_depend_on_the_key_and_on_nothing_else() -> None:
    """The same person has one pseudonym in a release, however spelt, and another under another key."""
    rule = ColumnRule.model_validate({"pseudonymize": {"basis": "a law"}})
    column = pa.array(["0042", " 0042\u200b", "43"])
    first = transform("c", rule, column, KEY).to_pylist()
    assert first[0] == first[1] != first[2]
    assert obeys(rule, pa.array(first))
    assert transform("c", rule, column, b"z" * 32)[0].as_py() != first[0]
    with pytest.raises(Quarantined) as failure:
        transform("c", rule, column, None)
    assert failure.value.reasons[0].code == "pseudonym_key_missing"


def test_case_13_each_release_has_its_own_pseudonyms() -> None:
    """Keys differ by dataset and release, so that pseudonyms join nothing; those of a group that the
    policy declares are one; without a secret, none."""
    named = Settings.model_validate({"pseudonym_secret": "s" * 32})
    one, other = "r" + "0" * 31, "r" + "1" * 31
    columns = {"id": {"pseudonymize": {"basis": "une loi", "linked": "parcours"}}, "places": "keep"}
    privacy = card().privacy.model_dump(mode="json", exclude_none=True) | {"columns": columns}
    cards = [card(dataset=dataset, privacy=privacy) for dataset in ("arbres", "bancs")]
    found = [pseudonym_keys(named, each, release) for each in cards for release in (one, other)]
    assert len({keys[None] for keys in found if keys}) == 4
    assert len({keys["parcours"] for keys in found if keys}) == 1
    assert found[3] == pseudonym_keys(named, cards[1], other)
    short = Settings.model_validate({"pseudonym_secret": "short"})
    assert pseudonym_keys(short, cards[0], one) is None
    unlinked = ColumnRule.model_validate({"pseudonymize": {"basis": "une loi"}})
    assert unlinked.linked is None


@pytest.mark.parametrize(
    ("snap", "value", "written"),
    [
        ("street", "12 bis rue Victor-Hugo, 69001 Lyon", "rue Victor-Hugo, 69001 Lyon"),
        ("street", "3, impasse des Lilas", "impasse des Lilas"),
        ("street", "chez M. Untel 4 rue Haute", "rue Haute"),
        ("iris", "691230101", "691230101"),
        ("iris", "69123010100042", "691230101"),
        ("commune", "69123", "69123"),
        ("commune", "2A0040101", "2A004"),
        ("commune", "Bât. B, 12 rue Haute, 69001 Lyon 1er", "69001 Lyon"),
    ],
)
def test_places_are_snapped(snap: str, value: str, written: str) -> None:
    """To a street without its numbers, to an IRIS, to a commune."""
    rule = ColumnRule.model_validate({"snap": snap})
    column = transform("adresse", rule, pa.array([value, None]), None)
    assert column.to_pylist() == [written, None]
    assert obeys(rule, column)
    assert not obeys(rule, pa.array(["12 rue Haute"]))


@given(st.text(), st.sampled_from(["street", "iris", "commune"]))
def test_what_is_snapped_obeys(text: str, snap: str) -> None:
    """Whatever a cell holds: it stops, or what is written has no house number."""
    rule = ColumnRule.model_validate({"snap": snap})
    try:
        column = transform("adresse", rule, pa.array([text]), None)
    except Quarantined:
        return
    assert obeys(rule, column)


def test_a_grid_in_degrees() -> None:
    """Two hundred metres are so many degrees, of longitude more than of latitude."""
    latitude = ColumnRule.model_validate({"grid": {"metres": 200, "axis": "latitude"}})
    longitude = ColumnRule.model_validate(
        {"grid": {"metres": 200, "axis": "longitude", "latitude": 45.76}}
    )
    assert latitude.step == pytest.approx(0.0017966, abs=1e-6)
    assert longitude.step == pytest.approx(0.0025752, abs=1e-6)
    column = transform("lon", longitude, pa.array([4.83512345, 4.83519999]), None)
    assert len(set(column.to_pylist())) == 1
    assert obeys(longitude, column)
    for wrong in ({"metres": 200}, {"metres": 200, "axis": "longitude"}):
        with pytest.raises(ValueError):
            ColumnRule.model_validate({"grid": wrong})


@pytest.mark.parametrize(
    ("rule", "value", "asks"),
    [
        ({"generalize": "month"}, "2026-03-01", "date"),
        ({"generalize": {"ranges": 10}}, "12", "number"),
        ({"generalize": "epci"}, 69123, "string"),
        ({"round": 10}, "12", "number"),
        ({"grid": 10}, "12", "number"),
        ({"top_bottom": {"top": 3}}, "12", "number"),
        ({"mask": 1}, 12, "string"),
        ("redact", 12, "string"),
        ({"snap": "street"}, 12, "string"),
    ],
)
def test_a_rule_for_another_type_stops(rule: Any, value: Any, asks: str) -> None:
    """A rule is not bent to fit a column of another type."""
    with pytest.raises(Quarantined) as failure:
        written_type("c", ColumnRule.model_validate(rule), pa.array([value]).type)
    (reason,) = failure.value.reasons
    assert (reason.code, reason.expected) == ("rule_type", asks)


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ({"generalize": {"values": {"a": "g"}}}, ["a", "secret", "secret"]),
        ({"generalize": "departement"}, ["69123", "Lyon", "Lyon"]),
        ({"round": 10}, [1.0, float("nan"), float("inf")]),
    ],
)
def test_values_without_an_answer_stop(rule: Any, values: list[Any]) -> None:
    """A value that nobody decided about is counted and not told."""
    with pytest.raises(Quarantined) as failure:
        made(rule, values)
    (reason,) = failure.value.reasons
    assert (reason.code, reason.column, reason.count) == ("value_unknown", "c", 2)
    assert "secret" not in repr(reason)


@pytest.mark.parametrize(
    ("rule", "cell"),
    [
        ({"generalize": "month"}, "2026-03-01"),
        ({"generalize": "year"}, "2026-03"),
        ({"generalize": "five_years"}, "2026"),
        ({"generalize": {"ranges": 10}}, "thirty"),
        ({"generalize": "departement"}, "69123"),
        ({"generalize": "epci"}, "69123"),
        ({"generalize": {"values": {"a": "g"}}}, "a"),
        ({"round": 100}, 142),
        ({"grid": 200}, 842_310.7),
        ({"top_bottom": {"bottom": 15, "top": 90}}, 91),
        ({"top_bottom": {"bottom": 15, "top": 90}}, 3),
        ({"mask": 2}, "AB-***"),
        ({"pseudonymize": {"basis": "a law"}}, "jean"),
    ],
)
def test_the_proof_sees_what_a_rule_left_out(rule: Any, cell: Any) -> None:
    """A cell that shows more than its rule allows is noticed without applying the rule again."""
    assert not obeys(ColumnRule.model_validate(rule), pa.array([cell, None]))


@given(st.floats(-1e9, 1e9), st.sampled_from([0.5, 1, 2.5, 10, 1000]))
def test_rounding_and_grids_hold_their_step(value: float, step: float) -> None:
    """Whatever the number, what is written is near it and on the step."""
    assert abs(made({"round": step}, [value], pa.float64())[0] - value) <= step / 2 + 1e-6
    assert abs(made({"grid": step}, [value], pa.float64())[0] - value) <= step / 2 + 1e-6


@pytest.mark.parametrize("place", [departement, epci])
def test_what_is_no_commune_is_not_guessed(place: Any) -> None:
    """Names, postal codes of four digits and département codes are no INSEE codes of communes."""
    for text in ("Lyon", "1000", "69", "2C004", ""):
        with pytest.raises(KeyError):
            place(text)

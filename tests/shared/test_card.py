"""Cards: what a person writes, checked, resolved, and its digests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.card import Card
from shared.card_file import (
    BadCard,
    check_card,
    find_strategy,
    load_card,
    load_strategy,
    parse_yaml,
)
from shared.strategy import Strategy
from tests.cards import CARD, STRATEGY, card

CITY = Path(__file__).parents[2] / "deploy" / "demo" / "city"


def problems(**changes: Any) -> dict[str, str]:
    """What is said of a card with these fields (None leaves one out)."""
    body = parse_yaml(CARD) | changes
    with pytest.raises(BadCard) as caught:
        check_card({name: value for name, value in body.items() if value is not None}, STRATEGY)
    return {problem.field: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("path", sorted(CITY.glob("*/card.yaml")), ids=lambda one: one.parent.name)
def test_the_sample_citys_cards(path: Path) -> None:
    """Every card of the demo is complete and comes back from its JSON form the same."""
    found = load_card(path, load_strategy(find_strategy(path)))
    assert found.missing_metadata() == ()
    assert Card.model_validate(found.body()) == found
    assert Card.model_validate(found.body()).digest() == found.digest()


@pytest.mark.parametrize(
    "field", ["dataset", "domain", "title", "description", "subject", "privacy"]
)
def test_a_missing_field_is_named(field: str) -> None:
    """What must be there and is not is named, with what to do."""
    assert problems(**{field: None})[field] == "is missing: add it"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dataset": "Arbres_1"}, "dataset"),
        ({"colour": "green"}, "colour"),
        ({"frequency": "sometimes"}, "frequency"),
        ({"licence": "cc-by"}, "licence"),
        ({"title": {"en": "Benches"}}, "title"),
        ({"contact": {"name": "x", "email": "nobody"}}, "contact.email"),
        ({"temporal": {"from": "2020-01-01", "to": "2019-01-01"}}, "temporal.to"),
        ({"privacy": {"columns": {}}}, "privacy.columns"),
        ({"privacy": {"columns": {"id": {"blur": "x"}}}}, "privacy.columns.id"),
        ({"columns": {"agent": {"title": {"fr": "Agent"}}}}, "columns.agent"),
        ({"portals": ["own", "own"]}, "portals"),
        ({"licence": "odbl"}, "licence"),
        ({"formats": ["csv"]}, "formats"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], field: str) -> None:
    """Each mistake is told by its field, in words for people."""
    found = problems(**changes)
    assert field in found, found
    assert found[field]


def test_everything_wrong_is_said_at_once() -> None:
    """Two mistakes, two messages."""
    assert set(problems(domain=None, frequency="x")) == {"domain", "frequency"}


def test_a_departure_with_its_reason_passes() -> None:
    """Another licence than the strategy's, and why."""
    why = {"licence": "Dérivé d'une base sous ODbL, dont la licence se transmet."}
    assert card(licence="odbl", departures=why).licence == "odbl"


def test_what_is_left_out_comes_from_the_strategy() -> None:
    """Licence, formats, approval, bounds."""
    body = {n: v for n, v in parse_yaml(CARD).items() if n not in ("licence", "formats")}
    found = check_card(body, STRATEGY)
    assert found.licence == "lov2"
    assert found.formats == ("csv", "json", "parquet")
    assert found.approval.first == "automatic"
    assert found.quality.row_change == (-20, 50)


@pytest.mark.parametrize(
    "changes",
    [
        {"title": {"fr": "Autres bancs"}},
        {"keywords": ["siège"]},
        {"source": {"format": "csv", "delimiter": ";"}},
        {"frequency": "weekly"},
        {"privacy": parse_yaml(CARD)["privacy"] | {"columns": {"id": "keep", "places": "drop"}}},
    ],
)
def test_what_shapes_the_data_makes_a_new_release(changes: dict[str, Any]) -> None:
    """A change of what the files hold changes the digest that releases are made from."""
    assert card(**changes).shaping_digest() != card().shaping_digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"domain": "voirie"},
        {"contact": {"name": "Autre", "email": "autre@ville.example"}},
        {"news": {"updates": False}},
        {"theme": "TRAN"},
    ],
)
def test_what_does_not_shape_the_data_keeps_the_release(changes: dict[str, Any]) -> None:
    """A new contact makes a new card, not new files."""
    assert card(**changes).shaping_digest() == card().shaping_digest()
    assert card(**changes).digest() != card().digest()


def test_the_signature_covers_policy_and_columns() -> None:
    """Another rule, column or subject asks for another signature; another title does not."""
    signed = card().policy_statement()
    privacy = parse_yaml(CARD)["privacy"]
    dropped = privacy | {"columns": {"id": "keep", "places": "drop"}}
    assert card(title={"fr": "Autre"}).policy_statement() == signed
    assert card(privacy=dropped).policy_statement() != signed
    assert card(subject="enterprises").policy_statement() != signed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "line"),
        ("- a\n- b", "mapping"),
        ("a: 1\na: 2", "line"),
        ("", "mapping"),
        ("a: !!python/object:os.system x", "line"),
    ],
)
def test_bad_yaml(text: str, said: str) -> None:
    """What is not a mapping in YAML is said with its line; no object is ever built."""
    with pytest.raises(BadCard) as caught:
        parse_yaml(text)
    assert said in str(caught.value)


def test_yaml_says_what_people_mean() -> None:
    """`on`, `no` and postal codes are not booleans and octal numbers (YAML 1.2)."""
    assert parse_yaml("a: on\nb: no\nc: '01001'") == {"a": "on", "b": "no", "c": "01001"}


def test_a_schema_beside_the_card(tmp_path: Path) -> None:
    """A schema file is read beside the card, and nowhere else."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "schema.json").write_text('{"fields": [{"name": "id"}]}')
    path = tmp_path / "inner" / "card.yaml"
    for there in ("../schema.json", "/etc/passwd", "missing.json"):
        path.write_text(CARD.replace("schema:\n", f"schema: {there}\nold:\n", 1))
        with pytest.raises(BadCard) as caught:
            load_card(path, STRATEGY)
        assert caught.value.problems[0].field == "schema"


def test_a_bad_strategy(tmp_path: Path) -> None:
    """The strategy's mistakes are named as a card's are; without a file, the defaults."""
    path = tmp_path / "strategy.yaml"
    path.write_text("licence: cc0\n")
    with pytest.raises(BadCard) as caught:
        load_strategy(path)
    assert caught.value.problems[0].field == "licence"
    assert load_strategy(None) == Strategy()

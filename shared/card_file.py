"""Reads cards and the strategy from YAML 1.2, and says in plain words what is wrong with one.

YAML 1.2 because YAML 1.1 readers turn `on` into true and the postal code 01001 into 513.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from shared.card import Card
from shared.strategy import Strategy


class Problem(NamedTuple):
    """One thing to mend in a card: where (`privacy.columns.agent`), and what to write."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class BadCard(Exception):
    """The card (or strategy) cannot be used; `problems` lists everything to mend at once."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that the file holds.

    Raises BadCard when it cannot be read, with the line of the mistake.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise BadCard(Problem("file", "cannot be read as UTF-8 text: check its path")) from None
    return parse_yaml(text)


def parse_yaml(text: str) -> dict[str, Any]:
    """As `read_yaml`, from text."""
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "file"
        raise BadCard(Problem(where, "is not YAML: check indentation and quotes")) from None
    if not isinstance(content, dict):
        raise BadCard(Problem("file", "must be a mapping of fields, such as `dataset: arbres`"))
    return content


def lacks_policy(content: Mapping[str, Any]) -> bool:
    """Whether the card says nothing of its columns yet."""
    privacy = content.get("privacy")
    return privacy is None or (isinstance(privacy, dict) and not privacy.get("columns"))


def load_card(
    path: Path,
    strategy: Strategy,
    columns: Callable[[Mapping[str, Any]], Iterable[str]] | None = None,
) -> Card:
    """The card at `path`, its Table Schema inlined, resolved with `strategy`. One that lacks a policy
    gets, for a trial, one that keeps `columns`.

    Raises BadCard with every problem found.
    """
    content = read_yaml(path)
    schema = content.get("schema")
    if isinstance(schema, str):
        file = (path.parent / schema).resolve()
        if not file.is_relative_to(path.parent.resolve()):
            raise BadCard(Problem("schema", "must be a file beside the card"))
        try:
            content["schema"] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise BadCard(
                Problem(
                    "schema",
                    "is not a readable JSON file: check the path beside the card",
                )
            ) from None
    if columns is not None and lacks_policy(content):
        policy = {"columns": dict.fromkeys(columns(content), "keep")}
        content["privacy"] = (content.get("privacy") or {}) | policy
    return check_card(content, strategy)


def check_card(content: dict[str, Any], strategy: Strategy) -> Card:
    """The card that `content` describes, resolved. Raises BadCard with every problem found."""
    try:
        card = Card.model_validate(content)
    except ValidationError as error:
        raise BadCard(*_problems(error)) from None
    problems = [
        Problem(name, f"departs from the strategy: say why in `departures: {{{name}: …}}`")
        for name in card.departures_without_reason(strategy)
    ]
    problems += _crossed(card)
    if problems:
        raise BadCard(*problems)
    return card.resolve(strategy)


def _crossed(card: Card) -> list[Problem]:
    """What no single field can know."""
    problems = []
    names = [portal.name for portal in card.portals or ()]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(
            Problem("portals", f"{name} is named twice: a dataset goes by harvest or by API")
        )
    if card.api and card.exposure == "dataset":
        problems.append(
            Problem("exposure", "is `dataset` and an `api` is declared: write `both`, or `api`")
        )
    if card.table_schema and card.table_schema.fields:
        unknown = set(card.privacy.columns) - {f.name for f in card.table_schema.fields}
        problems += [
            Problem(
                f"privacy.columns.{name}",
                "is not a field of the schema: correct one of them",
            )
            for name in sorted(unknown)
        ]
    problems += [
        Problem(
            f"columns.{name}",
            "is described but not published: keep it, or delete the entry",
        )
        for name in sorted(set(card.columns) - set(card.published_columns()))
    ]
    parts = [part.name for part in card.sources or ()]
    for name in sorted({name for name in parts if parts.count(name) > 1}):
        problems.append(Problem("sources", f"{name} is named twice: give each its own name"))
    if card.temporal and card.temporal.end and card.temporal.end < card.temporal.start:
        problems.append(Problem("temporal.to", "is before `from`"))
    problems += _protection(card)
    decided = card.privacy.decided
    if decided and decided.until and decided.until < decided.date:
        problems.append(Problem("privacy.decided.until", "is before the decision's date"))
    return problems


def _protection(card: Card) -> list[Problem]:
    """Columns that the protection of people names and the policy does not let out, or lets out."""
    privacy, shown = card.privacy, set(card.published_columns())
    named = {
        "quasi_identifiers": privacy.quasi_identifiers,
        "sensitive": privacy.sensitive or (),
    }
    problems = [
        Problem(f"privacy.{field}", f"{name} is not published: name published columns only")
        for field, names in named.items()
        for name in names
        if name not in shown
    ]
    for name in sorted(set(privacy.quasi_identifiers) & set(privacy.sensitive or ())):
        problems.append(Problem("privacy.sensitive", f"{name} is a quasi-identifier too: choose"))
    for name in sorted(set(privacy.hierarchies) - set(privacy.quasi_identifiers)):
        problems.append(Problem(f"privacy.hierarchies.{name}", "is of no quasi-identifier"))
    along = [
        name
        for measure in privacy.measures.values()
        for name in (*measure.along, *filter(None, [measure.count]))
    ]
    problems += [
        Problem("privacy.measures", f"{one.largest} must be dropped, and goes with a `count`")
        for one in privacy.measures.values()
        if one.largest and (one.largest in shown or one.count is None)
    ]
    problems += [
        Problem("privacy.measures", f"{name} is not published: name published columns only")
        for name in (*privacy.measures, *along)
        if name not in shown
    ]
    if privacy.measures and privacy.quasi_identifiers:
        problems.append(
            Problem("privacy.measures", "a table has rows of people or counts of them, not both")
        )
    for name in sorted(set(privacy.margins) - (shown - set(privacy.measures))):
        problems.append(Problem(f"privacy.margins.{name}", "is no published dimension"))
    unit = privacy.columns.get(privacy.unit) if privacy.unit else None
    if privacy.unit and (unit is None or unit.action != "drop"):
        problems.append(Problem("privacy.unit", "must be a column that `columns` drops"))
    return problems


def load_strategy(path: Path | None) -> Strategy:
    """The strategy at `path`; without one, the built-in defaults. Raises BadCard."""
    if path is None:
        return Strategy()
    try:
        return Strategy.model_validate(read_yaml(path))
    except ValidationError as error:
        raise BadCard(*_problems(error)) from None


def find_strategy(card: Path) -> Path | None:
    """`strategy.yaml` beside the card or in a folder above it, if there is one."""
    for folder in card.resolve().parents:
        if (folder / "strategy.yaml").is_file():
            return folder / "strategy.yaml"
    return None


# What people wrote is theirs to read; pydantic's own words are for programmers.
_WORDS = {
    "missing": "is missing: add it",
    "extra_forbidden": "is not a field of a card: check its spelling",
    "string_type": "must be text: put it between quotes",
    "literal_error": "must be one of {expected}",
    "string_pattern_mismatch": "does not have the form that is asked for ({pattern})",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "string_too_short": "is too short (at least {min_length} characters)",
    "date_from_datetime_parsing": "must be a date such as 2026-03-01",
    "date_type": "must be a date such as 2026-03-01",
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "none_required": "must be left out",
}


def _problems(error: ValidationError) -> list[Problem]:
    problems = []
    for found in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in found["loc"] if part != "[key]") or "card"
        context = found.get("ctx", {})
        if found["type"] == "value_error":
            words = str(context.get("error", "is not right"))
        else:
            words = _WORDS.get(found["type"], "is not of the form that is asked for")
            words = words.format_map({name: str(value) for name, value in context.items()})
        problems.append(Problem(place, words))
    return problems

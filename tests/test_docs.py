"""The documentation is true: links, commands, settings, topics, fields, rights and examples exist."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import typer.main
from pydantic import BaseModel

from ecluse.cli import app
from services.notify.harvest_pages import HarvestPages
from services.publish.admin_api import AdminApi
from services.publish.portal import dcat
from shared.card import SHAPING, Card
from shared.card_file import check_card, parse_yaml
from shared.envelope import STRUCTURED
from shared.identity import MAY, Identities
from shared.ids import change_id
from shared.messages import catalogue
from shared.settings import Settings
from shared.storage import BUCKETS, REACH
from shared.strategy import Strategy
from shared.topics import TOPICS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *(p for p in DOCS.rglob("*.md") if "reference" not in p.parts)])
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(#[^)\s]+)?\)")
CODE = re.compile(r"`([^`\n]+)`")
GROUP = typer.main.get_command(app)
COMMANDS: dict[str, Any] = getattr(GROUP, "commands", {})


def by_page(pages: list[Path] = PAGES) -> pytest.MarkDecorator:
    names = [page.relative_to(ROOT).as_posix() for page in pages]
    return pytest.mark.parametrize("page", pages, ids=names)


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return [dedent(body) for kind, body in FENCE.findall(text(page)) if kind == language]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    heads = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its own head."""
    part = re.split(rf"^#+ {re.escape(heading)}$", text(page), flags=re.MULTILINE)[1]
    table = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert table, heading
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def codes(cell: str) -> set[str]:
    return set(CODE.findall(cell))


# --- links, commands, settings --------------------------------------------------------------


@by_page()
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link is to a file, folder or heading that is there."""
    for target, anchor in LINK.findall(text(page)):
        there = (page.parent / target) if target else page
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor[1:] in anchors(there), f"{target}{anchor}"


def calls(page: Path) -> Iterator[list[str]]:
    """Every call of `ecluse` in the page's shell blocks, as its arguments."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for at, word in enumerate(words):
                if word in ("ecluse", ".venv/bin/ecluse") and words[at + 1 : at + 2]:
                    ends = (n for n, w in enumerate(words) if n > at and w in ("|", "&&", ">"))
                    yield words[at + 1 : next(ends, len(words))]


@by_page()
def test_shell_examples_are_calls_that_the_command_line_takes(page: Path) -> None:
    """Every `ecluse …` of a shell block parses: the command, its arguments and its options."""
    for name, *arguments in calls(page):
        assert name in COMMANDS, name
        COMMANDS[name].make_context(name, arguments)


@by_page()
def test_commands_named_in_the_text_exist(page: Path) -> None:
    """Every `ecluse …` in running text is a command, with options that it has."""
    prose = FENCE.sub("", text(page))
    for said in CODE.findall(prose):
        if not (found := re.match(r"(?:\S*/)?ecluse ([a-z]+)(.*)", said)):
            continue
        name, rest = found.groups()
        assert name in COMMANDS, said
        known = {option for one in COMMANDS[name].params for option in one.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, said


@by_page()
def test_make_targets_exist(page: Path) -> None:
    """Every `make …` in a page is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    shell = "\n".join(blocks(page, "sh"))
    said = [*re.findall(r"^make ([a-z-]+)", shell, re.MULTILINE)]
    said += re.findall(r"`make ([a-z-]+)", text(page))
    assert set(said) <= targets


@by_page()
def test_settings_exist(page: Path) -> None:
    """Every ECLUSE_… in a page is a setting."""
    known = {f"ECLUSE_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bECLUSE_[A-Z0-9_]+\b", text(page))) <= known


@by_page()
def test_metrics_roles_and_reasons_exist(page: Path) -> None:
    """Every `ecluse_…` is a metric or a role of the database; every reason shown has its text."""
    known = set(re.findall(r"`(\w+)`", text(DOCS / "reference" / "metrics.md")))
    known |= set(re.findall(r"create role (\w+)", text(ROOT / "deploy/postgres/roles.sql")))
    assert set(re.findall(r"\becluse_[a-z_]+\b", text(page))) <= known
    shown = re.findall(r'"code": "(\w+)"', text(page))
    assert set(shown) <= set(catalogue())


@by_page()
def test_topics_exist(page: Path) -> None:
    """Every topic in a page is created by `ecluse topics`."""
    names = {topic.model.TOPIC for topic in TOPICS}
    letters = {f"{topic.model.TOPIC}.dead" for topic in TOPICS if topic.dead}
    feeds = {f"catalog.{suffix}" for suffix in dcat.FORMATS}
    for said in re.findall(r"\b(?:dataset|catalog)\.[a-z]+(?:\.dead)?\b", text(page)):
        assert said in names | letters | feeds, said


@by_page()
def test_addresses_exist(page: Path) -> None:
    """Every `GET /…` and `POST /…` in a page is answered by ingest, publish, notify or every process."""
    admin = AdminApi.__new__(AdminApi).routes() + HarvestPages.__new__(HarvestPages).routes()
    known = {(method, route.path) for route in admin for method in route.methods or ()}
    known |= {
        ("POST", "/changes"),
        ("PUT", "/datasets/{dataset}/file"),
        ("GET", "/live"),
        ("GET", "/ready"),
        ("GET", "/metrics"),
    }
    plain = {(method, re.sub(r"\{\w+\}", "*", path)) for method, path in known}
    for method, path in re.findall(r"\b(GET|POST|PUT) (/[\w/<>{}-]+)", text(page)):
        assert (method, re.sub(r"[<{]\w+[>}]", "*", path)) in plain, f"{method} {path}"


# --- the pages that hold whole lists --------------------------------------------------------


def test_the_architecture_names_every_topic_and_bucket() -> None:
    """The page of the architecture leaves no topic and no bucket out."""
    page = text(DOCS / "architecture.md")
    for topic in TOPICS:
        assert f"`{topic.model.TOPIC}`" in page, topic.model.TOPIC
    for bucket in BUCKETS:
        assert f"`{bucket}`" in page, bucket


def test_the_security_page_says_who_reaches_what() -> None:
    """Buckets by process are those of the store's table; topics read are those subscribed to."""
    told = {row[0]: row for row in rows(DOCS / "security.md", "What each process reaches")}
    reach = {("reconcile" if name == "operator" else name): set(b) for name, b in REACH.items()}
    assert {name: codes(row[2]) & set(BUCKETS) for name, row in told.items()} == reach
    for topic in rows(DOCS / "reference" / "topics.md", "Topics"):
        for reader in topic[3].split(", "):
            if reader in told:
                [name] = codes(topic[0])
                assert name in told[reader][1], (reader, name)


def test_the_security_page_says_what_each_role_may_do() -> None:
    """Rights by role are those of the code."""
    acts = ("send", "declare", "sign", "decide", "operate", "read")
    told = {}
    for role, *marks in rows(DOCS / "security.md", "Roles"):
        [name] = codes(role)
        told[name] = {act for act, mark in zip(acts, marks, strict=True) if mark}
    assert told == {role: set(may) for role, may in MAY.items()}


def test_every_alert_has_its_line() -> None:
    """Whoever is woken by an alert finds it by name on the operations page."""
    alerts = re.findall(r"- alert: (\w+)", text(ROOT / "deploy/prometheus/alerts.yml"))
    told = [
        name for row in rows(DOCS / "operations.md", "Woken at night") for name in codes(row[0])
    ]
    assert sorted(told) == sorted(alerts)


def test_the_changelog_is_kept() -> None:
    """The newest entry is this version's, or the next one's."""
    version = re.search(r'^version = "([^"]+)"', text(ROOT / "pyproject.toml"), re.MULTILINE)
    headings = re.findall(r"^## \[([^\]]+)\]", text(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert version
    assert headings[0] in ("Unreleased", version[1])


# --- the card, field by field ----------------------------------------------------------------


class Field:
    """A field of a card by its place, such as `schema.fields[].name`."""

    def __init__(self, path: str, required: bool, choices: set[str], shaping: bool) -> None:
        self.path, self.required, self.choices, self.shaping = path, required, choices, shaping


def parts(annotation: Any) -> tuple[type[BaseModel] | None, str, set[str]]:
    """The model within an annotation, how its place is written, and the words it is one of."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return parts(inner[0])
    if origin is Literal:
        return None, "", {str(word) for word in inner}
    if origin in (Union, UnionType):
        [one] = [each for each in inner if each is not NoneType]
        return parts(one)
    if origin in (tuple, dict):
        model, _, choices = parts(inner[0] if origin is tuple else inner[1])
        return model, "[]" if origin is tuple else ".<name>", choices
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return (annotation, "", set()) if is_model else (None, "", set())


def fields(model: type[BaseModel], under: str = "") -> Iterator[Field]:
    """Every field of a model and of those within it."""
    for name, field in model.model_fields.items():
        path = f"{under}{field.alias or name}"
        within, mark, choices = parts(field.annotation)
        yield Field(path, field.is_required(), choices, field.json_schema_extra == SHAPING)
        if within:
            yield from fields(within, f"{path}{mark}.")


HEADINGS = ("What it is", "Where the data come from", "What may pass", "How it is published")
UNUSED = "Written down, and nothing acts on them in this version:"


def card_rows() -> dict[str, list[str]]:
    """The rows of the card's tables by field."""
    page = text(DOCS / "card.md").split("## The strategy")[0]
    found = re.findall(r"^\| `([^`]+)`( ◆)? \|(.*)\|(.*)\|(.*)\|$", page, re.MULTILINE)
    assert len({row[0] for row in found}) == len(found)
    return {path: [mark.strip(), *rest] for path, mark, *rest in found}


def test_the_card_page_has_every_field_and_no_other() -> None:
    """The tables' fields are those of the model: all, and none that does not exist."""
    assert set(card_rows()) == {field.path for field in fields(Card)}


def test_the_card_page_says_what_is_required_and_what_shapes() -> None:
    """`required` stands where a field is, the diamond where a change makes a new release."""
    told = card_rows()
    for field in fields(Card):
        mark, kind, *_ = told[field.path]
        assert ("required" in kind) == field.required, field.path
        if "." not in field.path:
            assert bool(mark) == field.shaping, field.path


def test_the_card_page_names_every_choice() -> None:
    """A field that is one of some words names them all."""
    told = card_rows()
    for field in fields(Card):
        assert field.choices <= codes(" ".join(told[field.path])), field.path


def test_the_card_page_has_the_strategy() -> None:
    """Every field of the strategy with its default."""
    page = text(DOCS / "card.md").split("## The strategy")[1]
    found = re.findall(r"^\| `(\w+)` \| (.*?) \|", page, re.MULTILINE)
    plain = Strategy()
    assert [name for name, _ in found] == list(Strategy.model_fields)
    for name, told in found:
        value = getattr(plain, name)
        said = list(value) if isinstance(value, tuple) else value
        if name == "row_change":
            assert codes(told) == {str(said)}
        elif said in (None, {}):
            assert told in ("none", "empty")
        else:
            assert codes(told) == set(map(str, said if isinstance(said, list) else [said]))


# --- examples ---------------------------------------------------------------------------------

WITH_YAML = [page for page in PAGES if blocks(page, "yaml")]


@by_page(WITH_YAML)
def test_yaml_examples_load(page: Path) -> None:
    """A whole card, a strategy and identities load; a part of a card fits into one."""
    [whole, strategy] = (parse_yaml(block) for block in blocks(DOCS / "card.md", "yaml"))
    city = Strategy.model_validate(strategy)
    for block in blocks(page, "yaml"):
        said = parse_yaml(block)
        if "identities" in said:
            Identities.model_validate(said)
        elif "city" in said:
            Strategy.model_validate(said)
        elif "dataset" in said:
            assert check_card(said, city).missing_metadata() == ()
        else:
            check_card(_merged(whole, said), city)


def _merged(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    merged = dict(whole)
    for name, value in part.items():
        old = merged.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[name] = _merged(old, value) if both and isinstance(old, dict) else value
    return merged


@by_page()
def test_json_examples_are_json(page: Path) -> None:
    """What is shown as JSON is."""
    for block in blocks(page, "json"):
        json.loads(block)


@by_page()
def test_python_examples_compile(page: Path) -> None:
    """What is shown as Python is."""
    for number, block in enumerate(blocks(page, "python")):
        compile(block, f"{page.name}:{number}", "exec")


def test_the_change_can_be_named_by_its_sender() -> None:
    """The function shown to senders names the change as Écluse does."""
    [block] = [one for one in blocks(DOCS / "sending.md", "python") if "def change_id" in one]
    shown: dict[str, Any] = {}
    exec(block, shown)
    assert shown["change_id"]("urn:example:sig", "été-42") == change_id("urn:example:sig", "été-42")


def test_the_structured_example_is_structured() -> None:
    """The page shows the media type by which a structured event is known."""
    assert STRUCTURED in text(DOCS / "sending.md")

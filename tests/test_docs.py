"""The documentation: links that lead somewhere, commands and settings that exist, cards that load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from ecluse.cli import app
from shared.card import Card
from shared.card_file import check_card, parse_yaml
from shared.settings import Settings
from shared.strategy import Strategy
from shared.topics import TOPICS

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(p for p in (ROOT / "docs").rglob("*.md") if "reference" not in p.parts)]
)
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"\becluse ([a-z]+)((?: [^\n`|]*)?)")
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link is to a file or folder that is there."""
    for target in LINK.findall(text(page)):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_exist(page: Path) -> None:
    """Every `ecluse …` in a page is a command, with options that it has."""
    group = typer.main.get_command(app)
    for name, rest in COMMAND.findall(text(page)):
        assert name in group.commands, name  # type: ignore[attr-defined]
        known = {opt for one in group.commands[name].params for opt in one.opts}  # type: ignore[attr-defined]
        for option in re.findall(r"(--[a-z-]+)", rest.split("#")[0]):
            assert option in known, f"{name} {option}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_settings_exist(page: Path) -> None:
    """Every ECLUSE_… in a page is a setting, or one of the tests'."""
    known = {f"ECLUSE_{name.upper()}" for name in Settings.model_fields}
    for name in re.findall(r"\bECLUSE_[A-Z0-9_]+\b", text(page)):
        assert name in known or name.startswith("ECLUSE_TEST_"), name


def test_topics_are_drawn() -> None:
    """The picture of the architecture names the topics of the flow."""
    page = text(ROOT / "docs" / "architecture.md")
    for topic in TOPICS:
        name = topic.model.TOPIC
        assert name in page or (name.startswith("catalog.") and "catalog.*" in page), name


def test_the_card_page_names_every_field() -> None:
    """Each field of a card has its place on the page."""
    page = text(ROOT / "docs" / "card.md")
    for name, field in Card.model_fields.items():
        assert f"`{field.alias or name}`" in page, name


def blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", text(ROOT / page), re.DOTALL)


def test_the_examples_load() -> None:
    """The card and the strategy that are shown are good ones."""
    card, strategy = blocks("docs/card.md")
    chosen = Strategy.model_validate(parse_yaml(strategy))
    assert check_card(parse_yaml(card), chosen).missing_metadata() == ()

"""What all commands share: their options, how they print, call and fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from ecluse.client import CallFailed, Client
from shared.card import Card
from shared.card_file import (
    BadCard,
    find_strategy,
    lacks_policy,
    load_card,
    load_strategy,
    read_yaml,
)
from shared.failures import EcluseError
from shared.messages import Reason
from shared.settings import settings

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why; kept with the decision.")]
NO_DATABASE = "ECLUSE_DATABASE does not name a database"
out = Console()
err = Console(stderr=True)


def fail(code: int, message: str, *, as_json: bool = False, **facts: Any) -> NoReturn:
    """Says what is wrong, and ends the program with that exit code."""
    if as_json:
        print(json.dumps({"error": message, **facts}, ensure_ascii=False))
    else:
        err.print(message, style="red", markup=False, highlight=False)
    raise typer.Exit(code)


def show(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Prints what was done, for a person or for a program."""
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        out.print(text, markup=False, highlight=False, soft_wrap=True)


def call(work: Callable[[Client], dict[str, Any]], as_json: bool) -> dict[str, Any]:
    """What the admin API answers. A refusal ends the program."""
    try:
        return work(Client(settings()))
    except CallFailed as failure:
        fail(2 if failure.mine else 1, str(failure), as_json=as_json, refused=failure.refused)


def wait_for(work: Coroutine[Any, Any, Any], as_json: bool) -> Any:
    """What the work gives. An error of ours ends the program."""
    try:
        return asyncio.run(work)
    except EcluseError as failure:
        said = " ".join(str(reason.text(settings().language)) for reason in failure.reasons)
        fail(1, said, as_json=as_json)


def text_of(code: str) -> str:
    """A reason for people."""
    return str(Reason(code=code).text(settings().language))


def has_no_policy(card: Path) -> bool:
    """Whether the card's columns are to be decided about yet. `load` says what is wrong with it."""
    try:
        return lacks_policy(read_yaml(card))
    except BadCard:
        return False


def load(
    card: Path,
    as_json: bool,
    columns: Callable[[Mapping[str, Any]], Iterable[str]] | None = None,
) -> Card:
    """The card, resolved with the strategy of the settings or of a folder above it. See `load_card`."""
    try:
        strategy = load_strategy(settings().strategy_file or find_strategy(card))
        return load_card(card, strategy, columns)
    except BadCard as bad:
        problems = [{"field": one.field, "message": one.message} for one in bad.problems]
        if as_json:
            fail(2, "the card cannot be used", as_json=True, problems=problems)
        name = escape(card.name)
        err.print(f"[red]{name}: the card cannot be used.[/red]", highlight=False)
        for one in bad.problems:
            where, what = escape(one.field), escape(one.message)
            err.print(f"  [bold]{where}[/bold] {what}", highlight=False)
        if {"privacy", "privacy.columns"} & {one.field for one in bad.problems}:
            err.print("`ecluse try --propose` drafts a policy.", highlight=False)
        raise typer.Exit(2) from None

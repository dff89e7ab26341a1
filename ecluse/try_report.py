"""Says in plain words what a trial found, on a terminal and in files beside the data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import fill

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ecluse.try_card import Trial, privacy_page, privacy_text
from shared.card import Card
from shared.messages import Language, Reason

_SAY: dict[str, tuple[str, str]] = {
    "publishable": ("[green]Publiable.[/green]", "[green]Publishable.[/green]"),
    "quarantined": (
        "[red]Arrêté.[/red] Rien ne serait publié.",
        "[red]Stopped.[/red] Nothing would be published.",
    ),
    "refused": (
        "[red]Refusé.[/red] Rien ne serait publié.",
        "[red]Refused.[/red] Nothing would be published.",
    ),
    "format": ("Format", "Format"),
    "size": ("Taille (octets)", "Size (bytes)"),
    "rows": ("Lignes", "Rows"),
    "column": ("Colonne", "Column"),
    "type": ("Type", "Type"),
    "read_as": ("Lu comme : {}. Lignes : {}", "Read as: {}. Rows: {}"),
    "warnings": ("À savoir", "To know"),
    "more": ("… et {} autres, dans {}.", "… and {} more, in {}."),
    "nth": ("N°", "No."),
    "undeclared": ("(non déclarée)", "(not declared)"),
    "empty": ("Vides", "Empty"),
    "distinct": ("Distinctes", "Distinct"),
    "length": ("Longueur", "Length"),
    "over": ("plus de {}", "over {}"),
    "derivable": (
        "Commune, EPCI et département peuvent être ajoutés (derive) d'après la colonne n° {}.",
        "The commune, its EPCI and its département can be added (derive) by column no. {}.",
    ),
    "points": (
        "Les colonnes n° {} et {} tiennent longitude et latitude (source.point en fait une géométrie).",
        "Columns no. {} and {} hold longitude and latitude (source.point makes a geometry of them).",
    ),
    "missing": (
        "Métadonnées à compléter avant de déclarer la fiche : {}",
        "Metadata to add before the card is declared: {}",
    ),
    "unchecked": (
        "Non vérifié ici : versions déjà publiées, jeux de données liés, décision et signature.",
        "Not checked here: earlier releases, linked datasets, decision and signature.",
    ),
}


# Reasons, and warnings, that a terminal shows; the files beside the data hold all.
_SHOWN = 20


def print_trial(card: Card, trial: Trial, language: Language, console: Console) -> None:
    """The trial for a person."""

    def say(name: str) -> str:
        return _SAY[name][0 if language == "fr" else 1]

    title = escape(card.title.get(language, card.title["fr"]))
    console.print(f"[bold]{title}[/bold] ({card.dataset})", highlight=False)
    console.print(say(trial.outcome))
    for reason in trial.reasons[:_SHOWN]:
        text = reason.text(language)
        _tell(console, f"\n• {text.what}", language)
        _tell(console, f"  {text.why}\n  → {text.next}", language, "dim")
    _print_more(len(trial.reasons), "report.json", language, console, say)
    _print_quality(trial, language, console, say)
    if trial.files:
        table = Table(say("format"), say("size"), say("rows"), box=box.SIMPLE_HEAD)
        for file in trial.files:
            size, rows = _number(file["bytes"], language), _number(file["rows"], language)
            table.add_row(file["format"].upper(), size, rows)
        console.print(table)
        table = Table(say("column"), say("type"), box=box.SIMPLE_HEAD)
        for name, kind in trial.columns:
            table.add_row(escape(name), kind)
        console.print(table)
        _tell(console, privacy_text(trial, language), language)
    if missing := card.missing_metadata():
        _tell(console, say("missing").format(", ".join(missing)), language, "yellow")
    _tell(console, say("unchecked"), language, "dim")


def _print_quality(
    trial: Trial, language: Language, console: Console, say: Callable[[str], str]
) -> None:
    """How the file was read, and what ingest warns of: the quality report as far as it came."""
    if "source" not in trial.quality:
        return
    read_as = str(trial.quality["source"]["format"]).upper()
    rows = _number(trial.quality["rows"], language)
    console.print()
    _tell(console, say("read_as").format(read_as, rows), language)
    for place in trial.quality.get("derivable", []):
        _tell(console, f"• {say('derivable').format(place['position'])}", language)
    if points := trial.quality.get("points"):
        said = say("points").format(points["longitude"], points["latitude"])
        _tell(console, f"• {said}", language)
    if warnings := trial.quality.get("warnings"):
        console.print(f"\n{say('warnings')}", highlight=False)
        for warning in warnings[:_SHOWN]:
            text = Reason.model_validate(warning).text(language)
            _tell(console, f"• {text.what} {text.next}", language)
        _print_more(len(warnings), "quality.json", language, console, say)
    _print_profile(trial, language, console, say)


def _print_more(
    count: int, file: str, language: Language, console: Console, say: Callable[[str], str]
) -> None:
    if count > _SHOWN:
        more = say("more").format(_number(count - _SHOWN, language), file)
        console.print(more, style="dim", markup=False, highlight=False)


def _print_profile(
    trial: Trial, language: Language, console: Console, say: Callable[[str], str]
) -> None:
    """Every column as ingest read it: its type, how many are empty, how many differ, how long."""
    heads = [say(one) for one in ("nth", "column", "type", "empty", "distinct", "length")]
    table = Table(*heads, box=box.SIMPLE_HEAD)
    for column in trial.quality.get("columns", []):
        name = escape(column["name"]) if column["declared"] else say("undeclared")
        distinct = _number(column["distinct"], language) if "distinct" in column else ""
        if over := column.get("distinct_over"):
            distinct = say("over").format(_number(over, language))
        lengths = [str(column[end]) for end in ("min_length", "max_length") if end in column]
        empty = _number(column["nulls"], language)
        place = str(column["position"])
        table.add_row(
            place, name, column["type"], empty, distinct, "–".join(dict.fromkeys(lengths))
        )
    console.print(table)


def _tell(console: Console, text: str, language: Language, style: str | None = None) -> None:
    """Text for a person. French puts a space before some signs, at which no line may end: rich ends
    lines at those too, so lines are cut here."""
    if language == "fr":
        text = re.sub("(?<=«) | (?=[:;?!%»])", "\N{NO-BREAK SPACE}", text)
    told = "\n".join(_cut(line, console.width) for line in text.split("\n"))
    console.print(told, style=style, markup=False, highlight=False, soft_wrap=True)


def _cut(line: str, width: int) -> str:
    """What goes on in further lines stands under what it belongs to."""
    under = " " * (len(line) - len(line.lstrip("•→- ")))
    return fill(
        line, width, subsequent_indent=under, break_long_words=False, break_on_hyphens=False
    )


def _number(value: int, language: Language) -> str:
    return f"{value:,}".replace(",", "\u202f" if language == "fr" else ",")


def write_reports(trial: Trial, folder: Path, language: Language) -> None:
    """`report.json` always; `quality.json` and `privacy.json`, `.html` as far as the trial came."""
    _write(folder / "report.json", trial.as_json(language))
    if trial.quality:
        _write(folder / "quality.json", trial.quality)
    if trial.privacy:
        _write(folder / "privacy.json", trial.privacy)
        page = privacy_page(trial, language)
        (folder / "privacy.html").write_text(page, encoding="utf-8")


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

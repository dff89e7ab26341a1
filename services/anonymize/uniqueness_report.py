"""What the privacy report says of who is unique: in the table before protection, in what is published,
and in the population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from services.anonymize.minimal_uniques import DEPTH, MinimalUniques
from services.anonymize.population_uniques import Model, PopulationUniques
from shared.messages import Language

_WORDS: dict[Language, dict[str, str]] = {
    "fr": {
        "before": "Avant protection, {unique} {unit} sur {units} étaient uniques par {depth} "
        "quasi-identifiants au plus{already}. Dans ce qui est publié : {after}.",
        "already": " ({count} par {smallest} déjà)",
        "column": "- {name} : {share} de ce qui rendait unique s'appuie sur cette colonne.",
        "cut_short": "Les ensembles de plus de {depth} quasi-identifiants étaient trop nombreux pour "
        "être tous comptés.",
        "whole": "Uniques dans la population : {before} des {unit} avant protection, {after} dans ce "
        "qui est publié. Le tableau est pris pour toute la population : la fiche n'en dit pas de plus "
        "grande (`population`).",
        "part": "Uniques dans la population de {population} {unit}, par estimation : {before} des "
        "{unit} du tableau avant protection, {after} dans ce qui est publié ({model}, qui suppose un "
        "tirage au hasard).",
        "pitman": "modèle de Pitman",
        "zayatz": "modèle de Zayatz",
    },
    "en": {
        "before": "Before protection, {unique} {unit} of {units} were unique by {depth} "
        "quasi-identifiers at most{already}. In what is published: {after}.",
        "already": " ({count} by {smallest} already)",
        "column": "- {name}: {share} of what made unique rests on this column.",
        "cut_short": "Sets of more than {depth} quasi-identifiers were too many to count them all.",
        "whole": "Unique in the population: {before} of the {unit} before protection, {after} in what "
        "is published. The table is taken to be the whole population: the card tells of no larger one "
        "(`population`).",
        "part": "Unique in the population of {population} {unit}, by estimation: {before} of the "
        "table's {unit} before protection, {after} in what is published ({model}, which supposes a draw "
        "at random).",
        "pitman": "Pitman's model",
        "zayatz": "Zayatz's model",
    },
}


@dataclass(frozen=True)
class Unique:
    """Who is unique on a few quasi-identifiers, and who on all of them in the population."""

    few: MinimalUniques
    population: PopulationUniques


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Uniques(_Part):
    """Units that are unique on at most `depth` quasi-identifiers. `by_size`: on so many and no fewer;
    `columns`: each one's share of SUDA's score; `sets` of columns were counted."""

    units: int
    unique: int
    smallest: int | None
    by_size: dict[str, int]
    columns: dict[str, float]
    depth: int
    sets: int
    complete: bool


class InPopulation(_Part):
    """The share of the table's units that are unique in the population, of `size` units (null: not
    said), by which model."""

    size: int | None
    model: Model
    before: float
    after: float


class Uniqueness(_Part):
    """Before protection and in the written file."""

    before: Uniques
    after: Uniques
    population: InPopulation


def uniqueness_report(
    names: Sequence[str], population: int | None, before: Unique | None, after: Unique
) -> Uniqueness | None:
    """`names` are the quasi-identifiers in the order in which they were counted; of what was not counted
    before protection nothing is said."""
    if before is None:
        return None
    return Uniqueness(
        before=_uniques(names, before.few),
        after=_uniques(names, after.few),
        population=InPopulation(
            size=population,
            model=before.population.model,
            before=before.population.share,
            after=after.population.share,
        ),
    )


def _uniques(names: Sequence[str], found: MinimalUniques) -> Uniques:
    return Uniques(
        units=found.units,
        unique=found.unique,
        smallest=found.smallest,
        by_size={str(size): count for size, count in enumerate(found.by_size, start=1)},
        columns=dict(zip(names, found.columns, strict=True)),
        depth=found.depth,
        sets=found.sets,
        complete=found.depth == min(DEPTH, found.width),
    )


def uniqueness_lines(found: Uniqueness, unit: str, language: Language) -> list[str]:
    """The same as a référent reads it; `unit` is the word for persons or households."""
    words, before = _WORDS[language], found.before
    already = ""
    if before.smallest is not None and before.smallest < before.depth:
        count = before.by_size[str(before.smallest)]
        already = words["already"].format(count=count, smallest=before.smallest)
    facts = before.model_dump() | {"unit": unit, "already": already, "after": found.after.unique}
    lines = [words["before"].format_map(facts)]
    by_share = sorted(before.columns.items(), key=lambda one: -one[1])
    lines += [
        words["column"].format(name=name, share=percent(share, language))
        for name, share in by_share
        if share
    ]
    if not (before.complete and found.after.complete):
        depth = min(before.depth, found.after.depth)
        lines.append(words["cut_short"].format(depth=depth))
    return [*lines, _population_line(found.population, unit, language)]


def _population_line(told: InPopulation, unit: str, language: Language) -> str:
    words = _WORDS[language]
    shares = {
        "before": percent(told.before, language),
        "after": percent(told.after, language),
        "unit": unit,
    }
    if told.model == "whole":
        return words["whole"].format_map(shares)
    return words["part"].format_map(shares | {"population": told.size, "model": words[told.model]})


def percent(share: float, language: Language) -> str:
    """A share as people read it."""
    text = f"{share * 100:.1f}"
    return text.replace(".", ",") + "\u202f%" if language == "fr" else text + "%"

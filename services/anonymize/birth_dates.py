"""Dates of birth in a column whose name does not say so, where rows look like people.

Births fall on every day of the week and of the year, and over as many years as people live; what
offices, shops and gardeners date does not: no Sundays, the first of a month, one season, a few years.
A column is told by all of its dates together; each rule gives way to what chance may do to births.

Not found: fewer than twenty-five dates, years without days, and children in a table that does not speak
of children, whose years are few.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from services.anonymize.check_cells import check_readable
from services.anonymize.days_of_cells import (
    FIRST,
    LAST,
    days_of_cells,
    days_of_parts,
    may_hold_days,
)
from services.anonymize.header_lexicon import is_personal, words
from services.anonymize.k_anonymity.hierarchy import IntArray
from services.anonymize.look_like_people import holds_sexes, say_how_many, say_people
from services.anonymize.number_detectors import Hits
from services.anonymize.protect_table import PROTECTED, is_counts
from services.anonymize.scan_table import Finding, is_text
from shared.card import Card

VERSION = 1

# Of fewer even births may have no weekend by chance.
_LEAST_DATES = 25
_LEAST_YEARS, _MOST_YEARS = 10, 100
# Where a header speaks of children.
_CHILDREN_YEARS = 1.5
_CHILDREN = re.compile(
    r"(?:^|_)(?:eleves?|enfants?|ecoli\w+|collegi\w+|lyceen\w*|creche|petite_enfance|periscolaire|scolaires?"
    r"|pupils?|child|children|classe|niveau_scolaire)(?:_|$)"
)
# A header that names an event is believed unless its dates span a life.
_EVENT_YEARS = 40
_EVENT = re.compile(
    r"(?:^|_)(?:achats?|acquisitions?|travaux|chantiers?|plantations?|plante\w*|poses?|installations?"
    r"|mises?_en_\w+|constructions?|livraisons?|creations?|conventions?|deliberations?|signatures?|depots?"
    r"|demandes?|decisions?|inscriptions?|adhesions?|embauches?|entrees?|sorties?|prets?|emprunts?|visites?"
    r"|controles?|maj|mises?_a_jour|modifications?|publications?|ouvertures?|fermetures?|debuts?|fins?|deces"
    r"|mariages?|interventions?|purchases?|works?|plant(?:ing|ed)|created|updated|start|end|death)(?:_|$)"
)
_PARTS = {
    "day": re.compile(r"(?:^|_)(?:jours?|day|jj)(?:_|$)"),
    "month": re.compile(r"(?:^|_)(?:mois|month|mm)(?:_|$)"),
    "year": re.compile(r"(?:^|_)(?:annees?|an|year|aaaa|yyyy)(?:_|$)"),
}
# 1900-01-01, the first day looked for, was a Monday.
_SATURDAY, _SUNDAY = 5, 6


@dataclass
class BirthTally:
    """Counts one column's days, batch after batch; `verdict` at the end."""

    least_years: float = _LEAST_YEARS
    dated: Hits = field(default_factory=Hits)
    days: IntArray = field(default_factory=lambda: np.zeros(LAST - FIRST, np.int64))

    def see(self, days: IntArray, rows: IntArray) -> None:
        """Takes the days that stand in `rows`. What else the column holds hides none of them."""
        inside = (days >= FIRST) & (days < LAST)
        self.dated.add(pa.array(rows[inside]))
        np.add.at(self.days, days[inside] - FIRST, 1)

    def verdict(self) -> Hits:
        """The dates, if they are spread as births are; else nothing."""
        enough = self.dated.cells >= _LEAST_DATES
        found = enough and spread_like_births(self.days, self.least_years)
        return self.dated if found else Hits()


def spread_like_births(counts: IntArray, least_years: float = _LEAST_YEARS) -> bool:
    """Whether days, so many of each from 1900-01-01 on, are spread as births are.

    Fewer are born at weekends, but never few; half of them from April to September. Civil status from
    abroad often has a first of January: up to a fifth may fall on the first of a month.
    """
    n, day = int(counts.sum()), np.flatnonzero(counts)
    of_day = counts[day]
    running = np.cumsum(of_day)
    low, high = (int(day[np.searchsorted(running, share * n)]) for share in (0.05, 0.95))
    if not least_years <= (high - low) / 365.25 <= _MOST_YEARS:
        return False
    date = (day + FIRST).astype("datetime64[D]")
    in_month = date.astype("datetime64[M]")
    month = in_month.astype(np.int64) % 12 + 1

    def many(mask: npt.NDArray[np.bool_]) -> int:
        return int(of_day[mask].sum())

    # As many different days as so many draws from these years would give.
    window = max((high - low) / 0.9, 1.0)
    different = window * (1 - math.exp(-n / window))
    return (
        _within(many(day % 7 >= _SATURDAY), n, 0.19, 0.30)
        and _within(many(day % 7 == _SUNDAY), n, 0.09, 0.15)
        and _within(many(day % 7 == _SATURDAY), n, 0.09, 0.16)
        and _within(many((month >= 4) & (month <= 9)), n, 0.38, 0.58)
        and _within(many(date == in_month.astype("datetime64[D]")), n, 0.0, 0.20)
        and len(day) >= 0.6 * different
    )


def _within(count: int, n: int, low: float, high: float) -> bool:
    """Whether so many of n are a share between two, but for what chance does once in a hundred times."""
    below, above = (2.33 * math.sqrt(n * share * (1 - share)) for share in (low, high))
    return n * low - below <= count <= n * high + above


def birth_dates(
    source: pq.ParquetFile, published: Sequence[str], card: Card, batch_rows: int
) -> list[Finding]:
    """One finding for each column of dates of birth among those that are published as they are.

    Not those that k-anonymity makes coarser, nor those whose name says it: these have their own rules.
    """
    if is_counts(card):
        return []
    coarser = card.privacy.quasi_identifiers if card.subject in PROTECTED else ()
    asked = [name for name in published if name not in coarser]
    basis = any(rule.basis for rule in card.privacy.columns.values())
    return dates_of_people(source, asked, batch_rows, sure=card.subject in PROTECTED or basis)


def dates_of_people(
    source: pq.ParquetFile, names: Sequence[str], batch_rows: int, *, sure: bool = False
) -> list[Finding]:
    """The same of these columns, if the table's headers or cells say that rows are people, or if that is
    `sure`. Raises Quarantined for a cell that is no text at all."""
    schema = source.schema_arrow
    asked = [
        name
        for name in names
        if not is_personal(name) and may_hold_days(name, schema.field(name).type)
    ]
    if not asked or not (sure or _people(source, batch_rows)):
        return []
    children = any(_CHILDREN.search(words(name)) for name in schema.names)
    least = _CHILDREN_YEARS if children else _LEAST_YEARS
    tallies = {
        columns: BirthTally(_EVENT_YEARS if _EVENT.search(words(columns[0])) else least)
        for columns in [*((name,) for name in asked), *_in_three(asked)]
    }
    row = 0
    for batch in source.iter_batches(batch_rows, columns=asked):
        for name in asked:
            check_readable(batch.column(name), name, row)
        for columns, tally in tallies.items():
            cells = [batch.column(name) for name in columns]
            one = len(columns) == 1
            days, rows = days_of_cells(columns[0], cells[0]) if one else days_of_parts(*cells)
            tally.see(days, rows + row)
        row += batch.num_rows
    found = {columns: tally.verdict() for columns, tally in tallies.items()}
    return [
        Finding(columns[0], "birth", one.cells, one.first_row + 2)
        for columns, one in found.items()
        if one.cells
    ]


def _in_three(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Columns of days, of months and of years that belong together: `jour_n`, `mois_n`, `annee_n`."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        for part, form in _PARTS.items():
            rest, times = form.subn("_", words(name))
            if times == 1:
                found.setdefault(rest.strip("_"), {})[part] = name
    whole = [one for one in found.values() if len(one) == len(_PARTS)]
    return [tuple(one[part] for part in _PARTS) for one in whole]


def _people(source: pq.ParquetFile, batch_rows: int) -> bool:
    """Whether any header, or the first rows' cells, say something of a person, and none how many."""
    schema = source.schema_arrow
    numbers = [
        one.name
        for one in schema
        if pa.types.is_integer(one.type) or pa.types.is_floating(one.type)
    ]
    if say_how_many(numbers):
        return False
    if say_people(schema.names):
        return True
    texts = [one.name for one in schema if is_text(one.type)]
    first = next(source.iter_batches(batch_rows, columns=texts), None) if texts else None
    return first is not None and any(holds_sexes(column) for column in first.columns)

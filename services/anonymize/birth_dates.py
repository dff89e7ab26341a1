"""Dates of birth in a column whose name does not say so, where rows look like people.

Births fall on every day of the week and of the year, and over as many years as people live; what
offices, shops and gardeners date does not: no Sundays, the first of a month, one season, a few years.
A column is told by all of its dates together; each rule gives way to what chance may do to births.

Not found: fewer than twenty-five dates, day, month and year in three columns, years alone, and pupils
of one school, whose years are few.
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
from services.anonymize.days_of_cells import FIRST, LAST, days_of_cells, may_hold_days
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
# A header that names an event is believed unless its dates span a life.
_EVENT_YEARS = 40
_EVENT = re.compile(
    r"(?:^|_)(?:achats?|acquisitions?|travaux|chantiers?|plantations?|plante\w*|poses?|installations?"
    r"|mises?_en_\w+|constructions?|livraisons?|creations?|conventions?|deliberations?|signatures?|depots?"
    r"|demandes?|decisions?|inscriptions?|adhesions?|embauches?|entrees?|sorties?|prets?|emprunts?|visites?"
    r"|controles?|maj|mises?_a_jour|modifications?|publications?|ouvertures?|fermetures?|debuts?|fins?|deces"
    r"|mariages?|interventions?|purchases?|works?|plant(?:ing|ed)|created|updated|start|end|death)(?:_|$)"
)
# 1900-01-01, the first day looked for, was a Monday.
_SATURDAY, _SUNDAY = 5, 6


@dataclass
class BirthTally:
    """Counts one column's days, batch after batch; `verdict` at the end."""

    event: bool = False
    dated: Hits = field(default_factory=Hits)
    days: IntArray = field(default_factory=lambda: np.zeros(LAST - FIRST, np.int64))

    def see(self, days: IntArray, rows: IntArray) -> None:
        """Takes the days that stand in `rows`. What else the column holds hides none of them."""
        inside = (days >= FIRST) & (days < LAST)
        self.dated.add(pa.array(rows[inside]))
        np.add.at(self.days, days[inside] - FIRST, 1)

    def verdict(self) -> Hits:
        """The dates, if they are spread as births are; else nothing."""
        least = _EVENT_YEARS if self.event else _LEAST_YEARS
        enough = self.dated.cells >= _LEAST_DATES
        return self.dated if enough and spread_like_births(self.days, least) else Hits()


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
    tallies = {
        name: BirthTally(event=_EVENT.search(words(name)) is not None)
        for name in names
        if not is_personal(name) and may_hold_days(name, schema.field(name).type)
    }
    if not tallies or not (sure or _people(source, batch_rows)):
        return []
    row = 0
    for batch in source.iter_batches(batch_rows, columns=list(tallies)):
        for name, tally in tallies.items():
            cells = batch.column(name)
            check_readable(cells, name, row)
            days, rows = days_of_cells(name, cells)
            tally.see(days, rows + row)
        row += batch.num_rows
    found = {name: tally.verdict() for name, tally in tallies.items()}
    return [
        Finding(name, "birth", one.cells, one.first_row + 2)
        for name, one in found.items()
        if one.cells
    ]


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

"""Proposes a policy for a table: a draft for a person, never a decision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.anonymize.birth_dates import dates_of_people
from services.anonymize.header_lexicon import words
from services.anonymize.k_anonymity.combinations import combine
from services.anonymize.k_anonymity.full_domain import TooManyNodes, full_domain
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.k_anonymity.recoding import NotReachable
from services.anonymize.quasi_identifiers import leaves_of
from services.anonymize.scan_table import is_text, scan_column
from shared.card_protection import HierarchyRule
from shared.failures import Quarantined

Why = Literal["finding", "header", "free_text", "row_identifier", "quasi_identifier", "nothing"]
# Shares of the rows left out, and k, that the table of effects compares.
SUPPRESSION = 0.05
TRIED_K = (3, 5, 11)
_BATCH_ROWS = 50_000
_QUASI = re.compile(
    r"(?:^|_)(?:age|ages|sexe|genre|sex|gender|commune|insee|code_postal|cp|postcode|zip|quartier|iris"
    r"|canton|departement|arrondissement|profession|metier|csp|pcs|occupation|nationalite|nationality"
    r"|situation|statut_marital|marital|diplome|niveau|education|annee_naissance|logement|enfants"
    r"|composition|taille_menage|pays)(?:_|$)"
)
_AGE = re.compile(r"(?:^|_)ages?(?:_|$)")
_COMMUNE = re.compile(r"(?:^|_)(?:insee|code_commune|commune)(?:_|$)")
_FREE_LENGTH = 40


@dataclass(frozen=True)
class ProposedColumn:
    """A column, what it seems to be, and a rule; `detectors` are those that found something."""

    name: str
    why: Why
    rule: str
    detectors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Effect:
    """What protection by the proposed quasi-identifiers would cost at this k; None: not reachable."""

    k: int
    loss: float | None
    left_out: int


@dataclass(frozen=True)
class Proposal:
    columns: tuple[ProposedColumn, ...]
    quasi_identifiers: tuple[str, ...]
    effects: tuple[Effect, ...]
    rows: int


def propose_policy(table: Path) -> Proposal:
    """Looks at every cell, as the scan does. Nothing of a cell is in the answer."""
    read = pq.read_table(table)
    with pq.ParquetFile(table) as source:
        births = {one.column for one in dates_of_people(source, read.column_names, _BATCH_ROWS)}
    columns = tuple(
        _column(name, read.column(name), birth=name in births) for name in read.column_names
    )
    names = tuple(one.name for one in columns if one.why == "quasi_identifier")
    return Proposal(columns, names, tuple(_effects(read, names)), read.num_rows)


def _column(name: str, column: pa.ChunkedArray, *, birth: bool) -> ProposedColumn:
    found = tuple(one.detector for one in scan_column(name, column) if not one.chance)
    found += ("birth",) if birth else ()
    if found and set(found) != {"header"}:
        return ProposedColumn(name, "finding", "{drop: personal_data}", found)
    if found:
        return ProposedColumn(name, "header", "{drop: personal_data}", found)
    if _QUASI.search(words(name)):
        return ProposedColumn(name, "quasi_identifier", "keep")
    distinct = pc.count_distinct(column).as_py()
    if is_text(column.type):
        length = pc.mean(pc.utf8_length(column)).as_py() or 0
        if length > _FREE_LENGTH and distinct * 2 > len(column):
            return ProposedColumn(name, "free_text", "{drop: personal_data}")
    if len(column) > 1 and distinct == len(column) and not pa.types.is_floating(column.type):
        return ProposedColumn(name, "row_identifier", "keep")
    return ProposedColumn(name, "nothing", "keep")


def hierarchy_for(name: str) -> HierarchyRule | None:
    """A usual hierarchy, by the header: ages in ranges, communes to their département."""
    found = words(name)
    if _AGE.search(found):
        return HierarchyRule(ranges=(5, 10, 20))
    return HierarchyRule(places=("departement",)) if _COMMUNE.search(found) else None


def _effects(table: pa.Table, names: Sequence[str]) -> list[Effect]:
    if not names or not table.num_rows:
        return []
    leaves, ways = [], []
    for name in names:
        column = pa.concat_arrays(table.column(name).chunks)
        try:
            one = leaves_of(name, column, hierarchy_for(name))
        except Quarantined:
            one = leaves_of(name, column, None)
        leaves.append(one[0])
        ways.append(one[1])
    found = combine(leaves, ways)
    effects = []
    for k in TRIED_K:
        try:
            made = full_domain(found, Protection(k), SUPPRESSION)
            effects.append(Effect(k, made.loss, int(found.rows[made.suppressed].sum())))
        except (NotReachable, TooManyNodes):
            effects.append(Effect(k, None, 0))
    return effects

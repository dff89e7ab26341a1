"""Rows about people or households: no row leaves that fewer than k units share (CNIL/WP216: singling
out), no class that tells by itself what a sensitive column says (inference), no order, no row number.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.anonymize.exposure import Exposure
from services.anonymize.header_lexicon import kind, words
from services.anonymize.hold_back import Members, told_of
from services.anonymize.k_anonymity.combinations import Combinations, combine
from services.anonymize.k_anonymity.hierarchy import IntArray
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.k_anonymity.recoding import Recoding, published
from services.anonymize.minimal_uniques import minimal_uniques
from services.anonymize.population_uniques import population_uniques
from services.anonymize.quasi_identifiers import hierarchy_digest, leaves_of
from services.anonymize.recode_beside import NOTHING_BEFORE, Before, Beside
from services.anonymize.uniqueness_report import Unique
from shared.card import Card
from shared.failures import Quarantined
from shared.messages import Reason

# Where neither the card nor the strategy says.
_LEAST = {"people": 5, "households": 11}
PROTECTED = tuple(_LEAST)


def is_counts(card: Card) -> bool:
    """Whether the rows published are counts: given, or made here."""
    return bool(card.privacy.measures or card.privacy.aggregate)


@dataclass(frozen=True)
class ProtectedTable:
    """The table to write, each of its rows' unit, and what the protection cost: rows left out, mean
    loss (`Hierarchy.loss`; 1 for a row left out), share of each quasi-identifier's rows made coarser.
    `held_back` are those of the rows left out that would have given somebody away beside an earlier
    release; `exposure` is what this one shows, `unique_before` who was unique before all that."""

    table: pa.Table
    units: pa.Array | None
    suppressed: int
    loss: float
    generalised: dict[str, float]
    held_back: int = 0
    exposure: Exposure | None = None
    unique_before: Unique | None = None


def asked_of(card: Card, published_names: list[str]) -> Protection:
    """The thresholds in force: the card's, which has the strategy's where it names none.

    Without a sensitive column among the published ones there is nothing to infer: l and t ask nothing.
    """
    privacy = card.privacy
    if not sensitive_columns(published_names, card):
        return Protection(privacy.k or _LEAST[card.subject])
    return Protection(
        k=privacy.k or _LEAST[card.subject],
        l=privacy.l or 2,
        t=privacy.t or 1.0,
        entropy=bool(privacy.entropy),
    )


def sensitive_columns(names: list[str], card: Card) -> list[str]:
    """The card's, else all that are published and are no quasi-identifiers."""
    named = card.privacy.sensitive
    return [
        name
        for name in names
        if (name in named if named is not None else name not in card.privacy.quasi_identifiers)
    ]


def protect_table(
    table: pa.Table,
    units: pa.Array | None,
    card: Card,
    before: Before = NOTHING_BEFORE,
) -> ProtectedTable:
    """Makes quasi-identifiers coarser and leaves rows out until the rest is protected; then sorts.

    `units` names each row's person or household; `before` is what other releases showed. Raises
    Quarantined when k, l, t cannot be reached, when an earlier release cannot be compared or gives
    somebody away beside this one, or when a column would be a row number, or shows an extreme that
    fewer than k have.
    """
    asked = asked_of(card, table.column_names)
    names = [name for name in table.column_names if name in card.privacy.quasi_identifiers]
    found, ways = _combined(table, names, units, card, before)
    count = found.total if found.units is None else int(found.units.max()) + 1
    if count < asked.k:
        raise Quarantined(Reason(code="too_few_units", count=count, limit=asked.k))
    sensitive = sensitive_columns(table.column_names, card)
    others = [n for n in table.column_names if n not in names and n not in sensitive]
    members = Members(
        units=np.arange(found.total) if found.units is None else found.units,
        told=told_of(table, sensitive, others),
        turns=_turns(table, units) if before.earlier else [b""] * found.total,
    )
    release = Beside(
        found, members, asked, card, tuple(names), ways, tuple(sensitive), before
    ).released()
    made, kept = release.made, release.kept
    if not kept.any():
        raise Quarantined(Reason(code="protection_unreachable", limit=asked.k))
    coarse = {name: _coarse(found, made, q) for q, name in enumerate(names)}
    columns = [coarse.get(name, table.column(name)) for name in table.column_names]
    out = pa.table(columns, names=table.column_names).filter(pa.array(kept))
    left = None if found.units is None else found.units[kept]
    _no_row_numbers(out, names)
    _no_lone_extremes(out, names, left, asked.k)
    order = pc.sort_indices(out, [(name, "ascending") for name in out.column_names])
    return ProtectedTable(
        table=out.take(order).combine_chunks(),
        units=None if left is None else pa.array(left).take(order),
        suppressed=int((~kept).sum()),
        held_back=int((~kept).sum() - found.rows[made.suppressed].sum()),
        loss=made.loss,
        generalised={
            name: float(np.mean(made.levels[found.of_row][kept, q] > 0))
            for q, name in enumerate(names)
        },
        exposure=release.exposure,
        unique_before=Unique(
            minimal_uniques(found),
            population_uniques(found.units_of_each(), card.privacy.population),
        ),
    )


def _turns(table: pa.Table, units: pa.Array | None) -> list[bytes]:
    """Who is held back first: an order that follows neither the source's nor any column's."""
    if units is not None:
        return [sha256(str(unit).encode()).digest() for unit in units.to_pylist()]
    return [sha256(repr(list(row.values())).encode()).digest() for row in table.to_pylist()]


def _combined(
    table: pa.Table,
    names: list[str],
    units: pa.Array | None,
    card: Card,
    before: Before,
) -> tuple[Combinations, tuple[str, ...]]:
    """The table's combinations, and a digest of how each quasi-identifier becomes coarser."""
    rules = card.privacy.hierarchies
    pairs = []
    for q, name in enumerate(names):
        known = {
            one.values[q]
            for each in before.earlier
            if each.quasi_identifiers == tuple(names)
            for one in each.classes
        }
        known |= _of_linked(words(name), before)
        pairs.append(leaves_of(name, _whole(table, name), rules.get(name), sorted(known, key=repr)))
    ways = tuple(
        hierarchy_digest(rules.get(name), hierarchy)
        for name, (_, hierarchy) in zip(names, pairs, strict=True)
    )
    numbers = None
    if units is not None:
        if units.null_count:
            raise Quarantined(
                Reason(code="unit_missing", column=card.privacy.unit, count=units.null_count)
            )
        numbers = _codes(units)
    sensitive = [
        _codes(_whole(table, name)) for name in sensitive_columns(table.column_names, card)
    ]
    found = combine(
        [leaves for leaves, _ in pairs],
        [hierarchy for _, hierarchy in pairs],
        units=numbers,
        sensitive=sensitive,
    )
    return found, ways


def _of_linked(word: str, before: Before) -> set[str | None]:
    """What linked datasets published of the same quasi-identifier."""
    return {
        shown.values[one.exposure.words.index(word)]
        for one in before.linked
        if word in one.exposure.words
        for shown in one.exposure.classes
        if shown.units
    }


def _coarse(found: Combinations, made: Recoding, q: int) -> pa.Array:
    numbers, texts = published(found, made.levels, q)
    return pa.array(texts, pa.string()).take(pa.array(numbers[found.of_row]))


def _whole(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column


def _codes(column: pa.Array) -> IntArray:
    """One number per value; null is a value, and so is not-a-number."""
    coded = column.dictionary_encode(null_encoding="encode")
    codes: IntArray = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _no_row_numbers(table: pa.Table, names: list[str]) -> None:
    """Raises Quarantined for a column that numbers or names each row: a key for the next release."""
    for name in table.column_names:
        column = table.column(name)
        if name in names or table.num_rows < 2 or pc.count_distinct(column).as_py() < len(column):
            continue
        numbered = pa.types.is_integer(column.type) and kind(name) == "identifier"
        if pa.types.is_string(column.type) or numbered:
            raise Quarantined(Reason(code="row_identifier", column=name))


def _no_lone_extremes(table: pa.Table, names: list[str], units: IntArray | None, k: int) -> None:
    """Raises Quarantined when fewer than k units have a number column's least or greatest value."""
    for name in table.column_names:
        column = table.column(name)
        if name in names or not (
            pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        ):
            continue
        bounds = pc.min_max(column)
        for bound in (bounds["min"], bounds["max"]):
            if not bound.is_valid:
                continue
            mask = pc.equal(column, bound).fill_null(False).to_numpy()
            count = int(mask.sum()) if units is None else len(np.unique(units[mask]))
            if count < k:
                raise Quarantined(Reason(code="lone_extreme", column=name, count=count, limit=k))

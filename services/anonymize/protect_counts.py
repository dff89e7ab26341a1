"""Tables of counts: small cells are hidden, with what would give them away, and a column says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from services.anonymize.secret_cells import (
    Counts,
    Line,
    Mask,
    TooEntangled,
    lines_of,
    secret_cells,
)
from shared.card import Card
from shared.card_protection import Measure
from shared.failures import Quarantined
from shared.messages import Reason

SHOWN, SECRET, ABSENT = "publié", "secret", "absent"
_SUFFIX = "_statut"
# Most that one enterprise may make up of a published amount, in % (INSEE's rule).
DOMINANCE = 85


def status_of(measure: str) -> str:
    """The name of the column that says which of a measure's cells are secret."""
    return measure + _SUFFIX


@dataclass(frozen=True)
class HiddenCells:
    """One measure's cells: how many there are, how many are small, how many hide beside them."""

    measure: str
    least: int
    cells: int
    primary: int
    secondary: int


def dimension_names(names: list[str], card: Card) -> list[str]:
    """The columns that say what is counted: all but measures and what is made from them."""
    measures = card.privacy.measures
    made = {
        name
        for measure in measures.values()
        for name in (*measure.along, *filter(None, [measure.count]))
    }
    return [name for name in names if name not in measures and name not in made]


def complete_lines(
    dimensions: Mapping[str, list[object]], margins: Mapping[str, str], absent: set[int]
) -> list[Line]:
    """The lines of which every cell is there: with an absent one nothing adds up."""
    lines = lines_of(dimensions, margins)
    return [line for line in lines if absent.isdisjoint(line.cells)]


def protect_counts(
    table: pa.Table, card: Card, largest: Mapping[str, pa.ChunkedArray] | None = None
) -> tuple[pa.Table, list[HiddenCells]]:
    """Hides what the card's measures ask for; a status column follows the others for each.

    `largest` are the columns, dropped by the policy, of the largest unit's part of an amount. Raises
    Quarantined for a measure that is no count, or too large a table.
    """
    privacy = card.privacy
    names = dimension_names(table.column_names, card)
    dimensions: dict[str, list[object]] = {name: table.column(name).to_pylist() for name in names}
    if len(set(zip(*dimensions.values(), strict=True))) < table.num_rows and dimensions:
        raise Quarantined(Reason(code="cells_repeated"))
    columns = {name: table.column(name) for name in table.column_names}
    told, statuses = [], {}
    for name, measure in privacy.measures.items():
        counts, absent = _counts(measure.count or name, table.column(measure.count or name))
        lines = complete_lines(dimensions, privacy.margins, absent)
        also = _dominated(name, measure, table, largest) | _told_of_all(lines, counts, names, card)
        try:
            hidden = secret_cells(counts, lines, measure.min, also)
        except TooEntangled:
            raise Quarantined(Reason(code="table_entangled", column=name)) from None
        for one in dict.fromkeys((name, *filter(None, [measure.count]), *measure.along)):
            kept = columns[one].to_pylist()
            values = [None if secret else v for v, secret in zip(kept, hidden, strict=True)]
            columns[one] = pa.chunked_array([pa.array(values, columns[one].type)])
        status = [SECRET if secret else SHOWN for secret in hidden]
        for row in absent:
            status[row] = ABSENT
        statuses[status_of(name)] = pa.array(status, pa.string())
        small = int((((counts > 0) & (counts < measure.min)) | also).sum())
        told.append(HiddenCells(name, measure.min, len(counts), small, int(hidden.sum()) - small))
    if set(statuses) & set(columns):
        raise Quarantined(Reason(code="status_column_there", expected=", ".join(sorted(statuses))))
    return pa.table(columns | statuses), told


def _dominated(
    name: str, measure: Measure, table: pa.Table, largest: Mapping[str, pa.ChunkedArray] | None
) -> Mask:
    """Cells of which one unit makes up more than the share allowed (85 % for enterprises)."""
    over: Mask = np.zeros(table.num_rows, np.bool_)
    if measure.largest is None:
        return over
    if largest is None or measure.largest not in largest:
        raise Quarantined(Reason(code="protection_inconsistent", column=measure.largest))
    share = (measure.dominance or DOMINANCE) / 100
    pairs = zip(table.column(name).to_pylist(), largest[measure.largest].to_pylist(), strict=True)
    for row, (whole, part) in enumerate(pairs):
        # What the largest unit has and nobody tells is taken for all of it.
        over[row] = bool(whole) and (part is None or abs(part) > share * abs(whole))
    return over


def _told_of_all(lines: list[Line], counts: Counts, names: list[str], card: Card) -> Mask:
    """Cells of lines along a sensitive dimension in which everybody is in one: hidden, with the zeros
    that say the same. (0 % and 100 % tell of each what they tell of all.)"""
    told: Mask = np.zeros(len(counts), np.bool_)
    sensitive = set(card.privacy.sensitive or ()) & set(names)
    for line in lines:
        full = [cell for cell in line.parts if counts[cell] > 0]
        if line.dimension in sensitive and len(full) == 1 and len(line.parts) > 1:
            told[list(line.parts)] = True
    return told


def _counts(name: str, column: pa.ChunkedArray) -> tuple[Counts, set[int]]:
    if not pa.types.is_integer(column.type):
        raise Quarantined(
            Reason(code="rule_type", column=name, detail="measures", expected="integer")
        )
    values = column.to_pylist()
    below = sum(1 for value in values if value is not None and value < 0)
    if below:
        raise Quarantined(Reason(code="value_unknown", column=name, count=below))
    absent = {row for row, value in enumerate(values) if value is None}
    return np.array([value or 0 for value in values], np.int64), absent

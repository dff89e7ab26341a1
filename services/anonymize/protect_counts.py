"""Tables of counts: small cells are hidden, with what would give them away, and a column says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from services.anonymize.secret_cells import Counts, Line, TooEntangled, lines_of, secret_cells
from shared.card import Card
from shared.failures import Quarantined
from shared.messages import Reason

SHOWN, SECRET, ABSENT = "publié", "secret", "absent"
_SUFFIX = "_statut"


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
    made = {name for measure in measures.values() for name in measure.along}
    return [name for name in names if name not in measures and name not in made]


def complete_lines(
    dimensions: Mapping[str, list[object]], margins: Mapping[str, str], absent: set[int]
) -> list[Line]:
    """The lines of which every cell is there: with an absent one nothing adds up."""
    lines = lines_of(dimensions, margins)
    return [line for line in lines if absent.isdisjoint(line.cells)]


def protect_counts(table: pa.Table, card: Card) -> tuple[pa.Table, list[HiddenCells]]:
    """Hides what the card's measures ask for; a status column follows the others for each.

    Raises Quarantined for a measure that is no count, or too large a table.
    """
    privacy = card.privacy
    names = dimension_names(table.column_names, card)
    dimensions: dict[str, list[object]] = {name: table.column(name).to_pylist() for name in names}
    if len(set(zip(*dimensions.values(), strict=True))) < table.num_rows and dimensions:
        raise Quarantined(Reason(code="cells_repeated"))
    columns = {name: table.column(name) for name in table.column_names}
    told, statuses = [], {}
    for name, measure in privacy.measures.items():
        counts, absent = _counts(name, table.column(name))
        lines = complete_lines(dimensions, privacy.margins, absent)
        try:
            hidden = secret_cells(counts, lines, measure.min)
        except TooEntangled:
            raise Quarantined(Reason(code="table_entangled", column=name)) from None
        for one in (name, *measure.along):
            kept = columns[one].to_pylist()
            values = [None if secret else v for v, secret in zip(kept, hidden, strict=True)]
            columns[one] = pa.chunked_array([pa.array(values, columns[one].type)])
        status = [SECRET if secret else SHOWN for secret in hidden]
        for row in absent:
            status[row] = ABSENT
        statuses[status_of(name)] = pa.array(status, pa.string())
        small = int(((counts > 0) & (counts < measure.min)).sum())
        told.append(HiddenCells(name, measure.min, len(counts), small, int(hidden.sum()) - small))
    if set(statuses) & set(columns):
        raise Quarantined(Reason(code="status_column_there", expected=", ".join(sorted(statuses))))
    return pa.table(columns | statuses), told


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

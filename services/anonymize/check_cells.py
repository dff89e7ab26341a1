"""What stops a table before or beside the scan: cells that are no text, types, places, identifiers."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.anonymize.position_columns import holds_positions
from services.anonymize.protect_table import PROTECTED, is_counts
from services.anonymize.scan_table import is_text
from shared.card import Card
from shared.card_parts import ColumnRule, ColumnType
from shared.failures import Quarantined
from shared.messages import Reason


def check_readable(column: pa.Array, name: str, first_row: int) -> None:
    """Raises Quarantined when a cell is no text at all: what cannot be read cannot be cleared."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raise Quarantined(
            Reason(code="cell_unreadable", column=name, line=_first_unreadable(column, first_row))
        ) from None


def _first_unreadable(column: pa.Array, first_row: int) -> int | None:
    for row in range(len(column)):
        try:
            column.slice(row, 1).validate(full=True)
        except pa.ArrowInvalid:
            return first_row + row + 2
    return None


def check_places(types: dict[str, ColumnType], rules: dict[str, ColumnRule], card: Card) -> None:
    """Raises Quarantined: a place is kept or dropped, and never kept where people are the subject."""
    for name, kind in types.items():
        if kind != "geometry":
            continue
        if card.subject in PROTECTED:
            raise Quarantined(Reason(code="type_unscannable", column=name))
        if rules[name].action != "keep":
            detail = rules[name].action
            raise Quarantined(
                Reason(code="rule_type", column=name, detail=detail, expected="geometry")
            )


def check_positions(table: pa.Table, card: Card) -> None:
    """Raises Quarantined for a place that no class of people shares: where somebody lives is who."""
    if card.subject not in PROTECTED or is_counts(card):
        return
    for name in table.column_names:
        shared = name in card.privacy.quasi_identifiers
        if not shared and holds_positions(name, table.column(name)):
            raise Quarantined(Reason(code="position_kept", column=name))


def check_carried(source: pq.ParquetFile, names: Sequence[str]) -> None:
    """Raises Quarantined for an identifier that comes back: its rows are one person's day."""
    for name in names:
        cells = source.read([name]).column(name).drop_null()
        if pc.count_distinct(cells).as_py() < len(cells):
            raise Quarantined(Reason(code="stable_identifier", column=name))


def column_type(field: pa.Field) -> tuple[ColumnType, pa.DataType]:
    """A column's type as the card names it, and as it is written: one Arrow type for each.

    Raises Quarantined for types that no scan looks into.
    """
    given = field.type
    kinds: tuple[tuple[bool, ColumnType, pa.DataType], ...] = (
        (is_text(given), "string", pa.string()),
        (pa.types.is_integer(given), "integer", pa.int64()),
        (pa.types.is_floating(given), "number", pa.float64()),
        (pa.types.is_boolean(given), "boolean", pa.bool_()),
        (pa.types.is_date(given), "date", pa.date32()),
        (pa.types.is_timestamp(given), "datetime", given),
        (pa.types.is_time(given), "time", given),
        (pa.types.is_binary(given) or pa.types.is_large_binary(given), "geometry", pa.binary()),
    )
    for holds, kind, written in kinds:
        if holds:
            return kind, written
    raise Quarantined(Reason(code="type_unscannable", column=field.name))

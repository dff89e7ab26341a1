"""The preview: first and random rows, the dictionary and profile of the columns, extent and a chart."""

from __future__ import annotations

import json
import random
from typing import Any

import polars as pl

from services.convert.cell_values import finite
from services.convert.column_profile import TableProfile
from services.convert.geo_extent import GeoExtent
from services.convert.safe_table import Batch, SafeTable
from services.convert.suggest_chart import suggest_chart
from shared.card import Card

ROWS = 100
RANDOM_ROWS = 50
LONGEST = 500


class Preview:
    """Gathers what a page shows of a table while its rows pass."""

    def __init__(self, table: SafeTable, release: str) -> None:
        self._table = table
        self.profile = TableProfile(table)
        # The same release shows the same rows.
        later = range(min(ROWS, table.rows), table.rows)
        count = min(RANDOM_ROWS, len(later))
        self._drawn = sorted(random.Random(release).sample(later, count))  # noqa: S311 - no secret
        self._row = 0
        self._first: list[list[object]] = []
        self._random: list[list[object]] = []

    def write(self, batch: Batch) -> None:
        """Takes the next rows."""
        self.profile.write(batch)
        end = self._row + batch.arrow.num_rows
        if self._row < ROWS:
            self._first += _rows(batch.cells.head(ROWS - self._row))
        if places := [place - self._row for place in self._drawn if self._row <= place < end]:
            self._random += _rows(batch.cells[places])
        self._row = end

    def content(self, card: Card, extent: GeoExtent | None, layer: str | None) -> bytes:
        """The preview as JSON: `columns`, `rows`, `random`, `total`, `bbox`, `chart`, `map`.

        Long texts are cut; `map` is the name of the simplified layer's file.
        """
        types, profile = self._table.types, self.profile.told()
        key = card.table_schema.primary_key if card.table_schema else ()
        content = {
            "columns": [_column(name, kind, card, profile) for name, kind in types.items()],
            "rows": self._first,
            "random": self._random,
            "total": self._table.rows,
            "bbox": extent.bounds if extent else None,
            "chart": suggest_chart(types, profile, key, self._table.rows),
            "map": layer,
        }
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _column(name: str, kind: str, card: Card, profile: dict[str, dict[str, Any]]) -> dict[str, Any]:
    said = card.columns.get(name)
    return {
        "name": name,
        "type": kind,
        "title": said.title if said else None,
        "description": said.description if said else None,
        "unit": said.unit if said else None,
        "codes": said.codes if said else {},
        "profile": profile.get(name),
    }


def _rows(frame: pl.DataFrame) -> list[list[object]]:
    # As plain values at once: a part of a frame keeps all of it in memory.
    return [[_plain(cell) for cell in row] for row in finite(frame).iter_rows()]


def _plain(cell: object) -> object:
    if cell is None or isinstance(cell, bool | int | float):
        return cell
    text = cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

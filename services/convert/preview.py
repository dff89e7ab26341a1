"""The preview: the first rows and the dictionary of the columns, for the dataset's page."""

from __future__ import annotations

import json

import polars as pl

from services.convert.cell_values import finite
from shared.card import Card

ROWS = 100
LONGEST = 500


def make_preview(first: pl.DataFrame, total: int, card: Card, types: dict[str, str]) -> bytes:
    """`{"columns": […], "rows": [[…]], "total": n}` as JSON; long texts are cut."""
    columns = []
    for name, kind in types.items():
        said = card.columns.get(name)
        columns.append(
            {
                "name": name,
                "type": kind,
                "title": said.title if said else None,
                "description": said.description if said else None,
                "unit": said.unit if said else None,
            }
        )
    rows = [[_plain(cell) for cell in row] for row in finite(first.head(ROWS)).iter_rows()]
    content = {"columns": columns, "rows": rows, "total": total}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(cell: object) -> object:
    if cell is None or isinstance(cell, bool | int | float):
        return cell
    text = cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

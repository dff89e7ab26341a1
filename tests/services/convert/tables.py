"""Tables and cards for the tests of convert."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.convert.convert_table import ConvertedRelease, convert_table
from shared.card import Card
from tests.cards import card

RELEASE = "r" + "0" * 31


def letting_out(*columns: str, **fields: object) -> Card:
    """A card that keeps these columns."""
    privacy = card().privacy.model_dump(mode="json", exclude_none=True)
    body = {"schema": None, "privacy": privacy | {"columns": dict.fromkeys(columns, "keep")}}
    return card(**(body | fields))


def convert(
    table: pa.Table,
    folder: Path,
    *optional: str,
    layout: dict[str, Any] | None = None,
    updated: dt.date | None = None,
    **fields: object,
) -> ConvertedRelease:
    """Converts a table in a folder into `optional` formats, and the three that always are.

    `layout` says how its Parquet file is written, `updated` when the data were last updated; `fields`
    replaces fields of the card.
    """
    source, out = folder / "in.parquet", folder / "out"
    out.mkdir(exist_ok=True)
    pq.write_table(table, source, **(layout or {}))
    chosen = letting_out(*table.column_names, **({"optional_formats": optional} | fields))
    return convert_table(source, chosen, RELEASE, out, updated)


def file(folder: Path, suffix: str) -> Path:
    """The release's file of a format."""
    return folder / "out" / f"bancs.{suffix}"

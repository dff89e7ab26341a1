"""Reads bytes or files as ingest does, and looks at what came out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.ingest.source_to_table import IngestedTable, ReadLimits, source_to_table
from shared.card import Card
from shared.failures import Quarantined
from tests.cards import card

DATA = Path(__file__).parents[2] / "data" / "ingest"
SECRET = "canari-7431"


def plain(*columns: str, **fields: object) -> Card:
    """A card without schema, whose policy names these columns."""
    names = columns or ("id", "places")
    privacy = card().privacy.model_dump(mode="json", exclude_none=True)
    told = privacy | {"columns": dict.fromkeys(names, "keep")}
    return card(**({"schema": None, "source": {}, "privacy": told} | fields))


def read(
    content: bytes | Path,
    folder: Path,
    chosen: Card | None = None,
    limits: ReadLimits | None = None,
) -> IngestedTable:
    """Ingests bytes, or a file."""
    source, out = folder / "source", folder / "table.parquet"
    source.write_bytes(content.read_bytes() if isinstance(content, Path) else content)
    return source_to_table(source, chosen or plain(), out, limits or ReadLimits())


def table(content: bytes | Path, folder: Path, chosen: Card | None = None) -> pa.Table:
    """The table that comes out."""
    read(content, folder, chosen)
    return pq.read_table(folder / "table.parquet")


def rows(content: bytes | Path, folder: Path, chosen: Card | None = None) -> list[dict[str, Any]]:
    """Its rows."""
    found: list[dict[str, Any]] = table(content, folder, chosen).to_pylist()
    return found


def refusal(
    content: bytes | Path,
    folder: Path,
    chosen: Card | None = None,
    limits: ReadLimits | None = None,
) -> dict[str, Any]:
    """The first reason why it is stopped. Nothing is left behind, and nothing of it is quoted."""
    with pytest.raises(Quarantined) as caught:
        read(content, folder, chosen, limits)
    told = [reason.model_dump(exclude_none=True) for reason in caught.value.reasons]
    assert SECRET not in json.dumps(told, ensure_ascii=False) + str(caught.value)
    assert {path.name for path in folder.iterdir()} == {"source"}
    return told[0]

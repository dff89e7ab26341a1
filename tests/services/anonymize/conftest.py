"""Cards and tables for the tests of anonymize."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.anonymize.scan_table import ColumnScan
from shared.card import Card


@pytest.fixture
def make_card() -> Callable[..., Card]:
    """A card with these column rules; further fields of `privacy` by name."""

    def make(columns: dict[str, Any], subject: str = "none", **privacy: Any) -> Card:
        return Card.model_validate(
            {
                "dataset": "arbres",
                "domain": "espaces-verts",
                "title": "Arbres",
                "description": "Arbres suivis par la ville.",
                "subject": subject,
                "privacy": {
                    "decided": {"by": "responsable", "date": "2026-03-01", "until": "2027-03-01"},
                    "columns": columns,
                    **privacy,
                },
            }
        )

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a table as ingest does, and says where."""

    def to_parquet(columns: dict[str, Any], metadata: dict[str, str] | None = None) -> Path:
        table = pa.table(columns).replace_schema_metadata(metadata)
        path = tmp_path / "in.parquet"
        pq.write_table(table, path, compression="zstd")
        return path

    return to_parquet


@pytest.fixture
def scan() -> Callable[..., dict[str, int]]:
    """What a scan of one column finds: detector → cells."""

    def found(values: Any, name: str = "c1", kind: pa.DataType | None = None) -> dict[str, int]:
        column = ColumnScan(name)
        column.see(pa.array(values, kind), 0)
        return {one.detector: one.cells for one in column.findings() if not one.chance}

    return found

"""The proof that reads the written bytes again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.anonymize.verify_table import verify_table
from shared.failures import Quarantined

GIVEN: dict[str, Any] = {"a": ["x", "y", None], "b": [1.5, math.nan, None], "c": ["1", "2", "3"]}
ALLOWED = pa.schema([("a", pa.string()), ("b", pa.float64())])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    pq.write_table(pa.table(GIVEN), tmp_path / "in.parquet", row_group_size=2)
    return tmp_path / "in.parquet"


def test_the_right_file_is_proved(source: Path, tmp_path: Path) -> None:
    """A file with the kept columns' cells passes, not-a-number and nulls included."""
    out = tmp_path / "out.parquet"
    pq.write_table(pa.table(GIVEN).select(["a", "b"]), out, store_schema=False)
    verify_table(source, out, ALLOWED, 3)


@pytest.mark.parametrize(
    ("written", "what"),
    [
        (pa.table(GIVEN), "columns"),
        (pa.table(GIVEN).select(["b", "a"]), "columns"),
        (pa.table(GIVEN).select(["a", "c"]), "columns"),
        (pa.table(GIVEN).select(["a", "b"]).slice(0, 2), "rows"),
        (pa.table(GIVEN).select(["a", "b"]).replace_schema_metadata({"k": "v"}), "metadata"),
        (
            pa.table(GIVEN)
            .select(["a", "b"])
            .cast(pa.schema([pa.field("a", "string", metadata={"k": "v"}), ("b", "double")])),
            "metadata",
        ),
        (pa.table(GIVEN | {"a": ["x", "y", "z"]}).select(["a", "b"]), "cells"),
        (pa.table(GIVEN | {"b": [1.5, 1.5, None]}).select(["a", "b"]), "cells"),
        (pa.table(GIVEN | {"b": ["1.5", "nan", None]}).select(["a", "b"]), "columns"),
    ],
    ids=[
        "a column too many", "another order", "another column", "a row gone", "metadata of the table",
        "metadata of a column", "another text", "another number", "another type",
    ],
)  # fmt: skip
def test_any_other_file_is_not(source: Path, tmp_path: Path, written: pa.Table, what: str) -> None:
    """Whatever else the file holds or lacks is noticed, and named."""
    out = tmp_path / "out.parquet"
    pq.write_table(written, out, store_schema=what == "metadata")
    with pytest.raises(Quarantined) as failure:
        verify_table(source, out, ALLOWED, 3)
    (reason,) = failure.value.reasons
    assert (reason.code, reason.detail) == ("proof_failed", what)


def test_rows_left_out_at_the_end(source: Path, tmp_path: Path) -> None:
    """A file that holds as many rows as were copied, and not all of the source's, is not proved."""
    out = tmp_path / "out.parquet"
    pq.write_table(pa.table(GIVEN).select(["a", "b"]).slice(0, 2), out, store_schema=False)
    with pytest.raises(Quarantined) as failure:
        verify_table(source, out, ALLOWED, 2)
    assert failure.value.reasons[0].detail == "cells"

"""Geometries: cells that are coordinates and nothing else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import shapely

from shared.failures import Quarantined
from shared.messages import Reason


def check_geometries(column: pa.Array, name: str, first_row: int) -> None:
    """Raises Quarantined(`type_unscannable`) unless every cell is WKB in the form that ingest writes.

    ISO WKB (OGC 06-103r4), little-endian, without SRID: read and written again a cell must be the same
    bytes, so that none can carry anything beside its coordinates. `first_row` counts from 0; the
    failure's line from 1, header included.
    """
    cells = column.to_numpy(zero_copy_only=False)
    there = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    read = shapely.from_wkb(cells[there], on_invalid="ignore")
    again = shapely.to_wkb(read, flavor="iso")
    for row, ours, given in zip(there, again, cells[there], strict=True):
        if ours != given:
            raise Quarantined(
                Reason(code="type_unscannable", column=name, line=first_row + int(row) + 2)
            )

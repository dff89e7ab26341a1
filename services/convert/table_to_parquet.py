"""Parquet: zstd, row groups for range reads, statistics and page index, our metadata and no other.

With geometries also GeoParquet 1.1 (OGC): WKB, and in the file named so a column with each geometry's
bounding box, which readers skip row groups by.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from services.convert.geo_extent import GeoExtent
from services.convert.release_facts import ReleaseFacts
from services.convert.safe_table import Batch
from services.convert.written_file import CountingWriter

ROW_GROUP = 100_000
# Level 9 of 22: beyond it files hardly shrink and writing slows several times.
LEVEL = 9
SIDES = ("xmin", "ymin", "xmax", "ymax")


class ParquetWriter:
    """Writes batches as row groups. `geometries` are WKB columns, the primary one first.

    With `boxes` a column of bounding boxes goes along.
    """

    def __init__(
        self,
        out: CountingWriter,
        schema: pa.Schema,
        facts: ReleaseFacts,
        *,
        geometries: Sequence[str] = (),
        extent: GeoExtent | None = None,
        boxes: bool = False,
    ) -> None:
        self._out = out
        # In the file's own metadata: pyarrow leaves a schema's out when it does not store the schema.
        self._facts = facts.pairs()
        self._box: str | None = None
        if boxes:
            self._box = _free_name("bbox", schema.names)
            struct = pa.struct([pa.field(side, pa.float64()) for side in SIDES])
            schema = schema.append(pa.field(self._box, struct))
        self._schema = schema
        if extent is not None:
            self._facts["geo"] = json.dumps(_geo(geometries, extent, self._box), sort_keys=True)
        self._writer = pq.ParquetWriter(
            pa.PythonFile(out, mode="w"),
            schema,
            compression="zstd",
            compression_level=LEVEL,
            write_page_index=True,
            store_schema=False,
        )

    def write(self, batch: Batch) -> None:
        if not batch.arrow.num_rows:
            return
        columns = list(batch.arrow.columns)
        if self._box:
            bounds = shapely.bounds(batch.shapes)
            sides = [pa.array(bounds[:, place]) for place in range(4)]
            mask = pa.array(np.isnan(bounds[:, 0]))
            columns.append(pa.StructArray.from_arrays(sides, SIDES, mask=mask))
        table = pa.Table.from_arrays(columns, schema=self._schema)
        self._writer.write_table(table, row_group_size=ROW_GROUP)

    def close(self) -> None:
        self._writer.add_key_value_metadata(self._facts)
        self._writer.close()
        self._out.close()


def _free_name(wanted: str, taken: Sequence[str]) -> str:
    while wanted in taken:
        wanted += "_"
    return wanted


def _geo(geometries: Sequence[str], extent: GeoExtent, box: str | None) -> dict[str, Any]:
    """The `geo` metadata. Without a CRS it is OGC:CRS84: longitude and latitude in WGS 84."""
    primary: dict[str, Any] = {"encoding": "WKB", "geometry_types": list(extent.kinds)}
    if extent.bounds:
        primary["bbox"] = list(extent.bounds)
    if box:
        primary["covering"] = {"bbox": {side: [box, side] for side in SIDES}}
    others = {name: {"encoding": "WKB", "geometry_types": []} for name in geometries[1:]}
    return {
        "version": "1.1.0",
        "primary_column": geometries[0],
        "columns": {geometries[0]: primary, **others},
    }

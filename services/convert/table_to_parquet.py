"""Parquet: zstd, row groups for range reads, statistics and page index, our metadata and no other.

With geometries also GeoParquet 1.1 (OGC): WKB, and in the file named so a column with each geometry's
bounding box, which readers skip row groups by.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from services.convert.column_names import free_name
from services.convert.geo_extent import GeoExtent
from services.convert.release_facts import ReleaseFacts
from services.convert.safe_table import Batch
from services.convert.written_file import CountingWriter
from shared.repeating import repeating

ROW_GROUP = 100_000
GROUP_BYTES = 64 * 2**20  # fewer rows a group where rows are wide
# Of zstd's 22. Beyond the last, files hardly shrink and writing slows several times.
LEVELS = (1, 5, 9)
WORTH = 1.03  # a column gets a dearer level where the cheaper one leaves it larger than this times
PAGE = 25_000  # rows that are compressed for a trial
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
            self._box = free_name("bbox", schema.names)
            struct = pa.struct([pa.field(side, pa.float64()) for side in SIDES])
            schema = schema.append(pa.field(self._box, struct))
        self._schema = schema
        if extent is not None:
            self._facts["geo"] = json.dumps(_geo(geometries, extent, self._box), sort_keys=True)
        self._held: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: Batch) -> None:
        if not batch.arrow.num_rows:
            return
        columns = list(batch.arrow.columns)
        if self._box:
            bounds = shapely.bounds(batch.shapes)
            sides = [pa.array(bounds[:, place]) for place in range(4)]
            mask = pa.array(np.isnan(bounds[:, 0]))
            columns.append(pa.StructArray.from_arrays(sides, SIDES, mask=mask))
        self._held.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._rows += batch.arrow.num_rows
        self._bytes += self._held[-1].nbytes
        if self._rows >= ROW_GROUP or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._held, self._schema)
        self._opened(table).write_table(table, row_group_size=ROW_GROUP)
        self._held, self._rows, self._bytes = [], 0, 0

    def close(self) -> None:
        if self._held:
            self._flush()
        writer = self._opened(self._schema.empty_table())
        writer.add_key_value_metadata(self._facts)
        writer.close()
        self._out.close()

    def _opened(self, first: pa.Table) -> pq.ParquetWriter:
        """The writer, made when the first rows say how their columns are best encoded."""
        if self._writer is None:
            dictionaries = repeating(first)
            self._writer = pq.ParquetWriter(
                pa.PythonFile(self._out, mode="w"),
                self._schema,
                compression="zstd",
                compression_level=_levels(first.slice(0, PAGE), dictionaries),
                use_dictionary=dictionaries,
                write_page_index=True,
                store_schema=False,
            )
        return self._writer


def _levels(page: pa.Table, dictionaries: list[str]) -> dict[str, int]:
    """Leaf column → the cheapest level that compresses these rows about as well as the dearest.

    Digits of measures hardly shrink at any level, and the dearest takes ten times as long on them.
    """
    sizes: dict[str, list[int]] = {}
    for level in LEVELS:
        tried = io.BytesIO()
        pq.write_table(
            page,
            tried,
            compression="zstd",
            compression_level=level,
            use_dictionary=dictionaries,
            row_group_size=max(len(page), 1),
            store_schema=False,
        )
        group = pq.read_metadata(tried).row_group(0)
        for place in range(group.num_columns):
            column = group.column(place)
            sizes.setdefault(column.path_in_schema, []).append(column.total_compressed_size)
    return {
        leaf: next(
            level for level, size in zip(LEVELS, found, strict=True) if size <= WORTH * min(found)
        )
        for leaf, found in sizes.items()
    }


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

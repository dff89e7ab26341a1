"""GeoPackage 1.4 (OGC), written by GDAL: geometries as they are, typed columns, spatial index.

GDAL pulls batches while the other formats push theirs, so it works in a thread of its own.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pyarrow as pa
import pyogrio
from pyogrio.errors import DataSourceError

from services.convert.geo_extent import GeoExtent
from services.convert.refusal import refused
from services.convert.release_facts import ReleaseFacts
from services.convert.safe_table import Batch, SafeTable
from services.convert.written_file import CountingWriter

# GDAL writes when a layer was last changed: the file is to say when its data were, not of its making.
_UNKNOWN = "1980-01-01"


class GpkgWriter:
    """Writes batches as one layer, named for the dataset."""

    def __init__(
        self, out: CountingWriter, table: SafeTable, extent: GeoExtent, facts: ReleaseFacts
    ) -> None:
        self._out = out
        self._work = out.path.with_name(f".{out.path.name}")
        self._table, self._extent, self._facts = table, extent, facts
        self._batches: queue.Queue[pa.RecordBatch | None] = queue.Queue(1)
        self._failed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, batch: Batch) -> None:
        if batch.arrow.num_rows and not self._failed:
            self._batches.put(batch.arrow)

    def close(self) -> None:
        self._batches.put(None)
        self._thread.join()
        if self._failed:
            self._work.unlink(missing_ok=True)
            raise refused("gpkg", "tool_failed")
        with self._work.open("rb") as made:
            while part := made.read(2**20):
                self._out.write(part)
        self._work.unlink()
        self._out.close()

    def _pulled(self) -> Iterator[pa.RecordBatch]:
        while (batch := self._batches.get()) is not None:
            yield batch

    def _run(self) -> None:
        day = self._facts.updated or _UNKNOWN
        pyogrio.set_gdal_config_options(
            {"OGR_CURRENT_DATE": f"{day}T00:00:00.000Z", "OGR_SQLITE_SYNCHRONOUS": "OFF"}
        )
        kinds = {kind.removesuffix(" Z") for kind in self._extent.kinds}
        high = " Z" if any(kind.endswith(" Z") for kind in self._extent.kinds) else ""
        one = kinds.pop() if len(kinds) == 1 else "Unknown"
        try:
            pyogrio.write_arrow(
                pa.RecordBatchReader.from_batches(self._table.schema, self._pulled()),
                self._work,
                driver="GPKG",
                layer=self._facts.dataset,
                geometry_name=self._table.geometries[0],
                geometry_type=one + (high if one != "Unknown" else ""),
                crs="EPSG:4326",
                layer_metadata=self._facts.pairs(),
                IDENTIFIER=self._facts.title,
                DESCRIPTION=self._facts.sentence(),
            )
        except (DataSourceError, RuntimeError, ValueError):
            self._failed = True
            while self._batches.get() is not None:
                pass

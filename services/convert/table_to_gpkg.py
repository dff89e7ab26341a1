"""GeoPackage 1.4 (OGC), written by GDAL: geometries as they are, typed columns, spatial index.

GDAL pulls batches while the other formats push theirs, so it works in a thread of its own. A column
keeps its name: the rows' number, which GDAL adds, and the geometry are called as no other column is.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pyarrow as pa
import pyogrio

from services.convert.column_names import free_name, names_alike
from services.convert.geo_extent import GeoExtent
from services.convert.refusal import refused, tool_failed
from services.convert.release_facts import ReleaseFacts
from services.convert.safe_table import Batch, SafeTable
from services.convert.written_file import CountingWriter
from services.convert.xml_text import holds_nul

# GDAL writes when a layer was last changed: the file is to say when its data were, not of its making.
_UNKNOWN = "1980-01-01"
MOST_COLUMNS = 1999  # SQLite's 2,000, less the rows' number


def _layer(dataset: str) -> str:
    """The dataset's name, which may not begin as the format's own tables do."""
    return f"data-{dataset}" if dataset.startswith("gpkg") else dataset


class GpkgWriter:
    """Writes batches as one layer, named for the dataset."""

    def __init__(
        self, out: CountingWriter, table: SafeTable, extent: GeoExtent, facts: ReleaseFacts
    ) -> None:
        names = table.schema.names
        if len(names) > MOST_COLUMNS:
            raise refused("gpkg", "too_many_columns", count=len(names), limit=MOST_COLUMNS)
        if alike := names_alike(names):
            raise refused("gpkg", "names_alike", column=alike)
        self._out = out
        self._work = out.path.with_name(f".{out.path.name}")
        self._table, self._extent, self._facts = table, extent, facts
        self._batches: queue.Queue[pa.RecordBatch | None] = queue.Queue(1)
        self._failed = self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        out.helped_by(self._stop)

    def write(self, batch: Batch) -> None:
        if column := holds_nul(batch.frame):
            raise refused("gpkg", "control_characters", column=column)
        if batch.arrow.num_rows and not self._failed:
            self._batches.put(batch.arrow)

    def close(self) -> None:
        self._batches.put(None)
        self._thread.join()
        if self._failed:
            raise tool_failed("gpkg", self._work)
        with self._work.open("rb") as made:
            while part := made.read(2**20):
                self._out.write(part)
        self._work.unlink()
        self._out.close()

    def _stop(self) -> None:
        """Ends the thread, which may wait for more, and leaves nothing of its work."""
        if self._thread.is_alive():
            self._batches.put(None)
            self._thread.join()
        self._work.unlink(missing_ok=True)

    def _pulled(self) -> Iterator[pa.RecordBatch]:
        while (batch := self._batches.get()) is not None:
            yield batch
        self._ended = True

    def _run(self) -> None:
        try:
            self._make()
        except Exception:  # noqa: BLE001 - whatever it was, who pushes must not wait for ever
            self._failed = True
            while not self._ended and self._batches.get() is not None:
                pass

    def _make(self) -> None:
        day = self._facts.updated or _UNKNOWN
        pyogrio.set_gdal_config_options(
            {"OGR_CURRENT_DATE": f"{day}T00:00:00.000Z", "OGR_SQLITE_SYNCHRONOUS": "OFF"}
        )
        kinds = {kind.removesuffix(" Z") for kind in self._extent.kinds}
        high = " Z" if any(kind.endswith(" Z") for kind in self._extent.kinds) else ""
        one = kinds.pop() if len(kinds) == 1 else "Unknown"
        geometry = self._table.geometries[0]
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(self._table.schema, self._pulled()),
            self._work,
            driver="GPKG",
            layer=_layer(self._facts.dataset),
            geometry_name=geometry,
            geometry_type=one + (high if one != "Unknown" else ""),
            crs="EPSG:4326",
            layer_metadata=self._facts.pairs(),
            IDENTIFIER=self._facts.title,
            DESCRIPTION=self._facts.sentence(),
            GEOMETRY_NAME=geometry,
            # A column of this name GDAL would take for the rows' number, and write into its cells,
            # which the other formats read.
            FID=free_name("fid", self._table.schema.names),
        )

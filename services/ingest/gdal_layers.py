"""Layers of a geographic file, read by GDAL (through pyogrio) as Arrow.

GDAL is given one local file under a name of ours, and is asked beforehand which of its drivers took
it: formats of its own that point to other files or hosts are not among those allowed. What it
warns of may quote a cell, and is dropped.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyogrio
from pyogrio.raw import open_arrow

from services.ingest.gpx_values import MOST_LINKS
from shared.failures import Quarantined
from shared.messages import Reason

BATCH_ROWS = 20_000
GEOMETRY = "geometry"
_DRIVERS = {
    "kml": ("LIBKML", "KML"),
    "gpx": ("GPX",),
    "shapefile": ("ESRI Shapefile",),
    "geopackage": ("GPKG",),
}
_SUFFIX = {"kml": ".kml", "gpx": ".gpx", "geopackage": ".gpkg"}
_BROKEN = (RuntimeError, ValueError, OSError, pa.ArrowException)

for _module in (r"pyogrio\.", r"services\.ingest\."):
    warnings.filterwarnings("ignore", module=_module, category=UserWarning)
    warnings.filterwarnings("ignore", module=_module, category=RuntimeWarning)
logging.getLogger("pyogrio").setLevel(logging.CRITICAL + 1)
# What it says before pyogrio listens would name columns on the standard error.
pyogrio.set_gdal_config_options({"CPL_LOG": os.devnull, "GPX_N_MAX_LINKS": str(MOST_LINKS)})


# What GDAL and QGIS call the number that they give each row; by another name it is the producer's.
_OWN_KEYS = ("", "fid", "ogc_fid")


class Layer(NamedTuple):
    """One layer: its name, its columns (the geometry last, as `geometry`; first a key that has a name
    of its own, `keyed` then), its reference system."""

    name: str
    columns: tuple[str, ...]
    crs: str | None
    rows: int
    keyed: bool = False


def named_for_gdal(source: Path, format_: str, work: Path) -> Path:
    """The file under a name of ours whose ending GDAL knows. Raises Quarantined(`geo_unreadable`)
    when GDAL takes it for something else, or it cannot be opened."""
    path = source
    if format_ in _SUFFIX:
        path = work / f"layer{_SUFFIX[format_]}"
        path.symlink_to(source.resolve())
    if format_ == "geopackage":
        _check_tables(path)
    try:
        names = pyogrio.list_layers(path)
        driver = pyogrio.read_info(path, layer=0)["driver"] if len(names) else ""
    except _BROKEN:
        driver = ""
    if driver not in _DRIVERS[format_]:
        raise Quarantined(Reason(code="geo_unreadable"))
    return path


def _check_tables(path: Path) -> None:
    """Layers of a GeoPackage are tables: a view may call functions, some of which ask the network."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
            database.execute("PRAGMA trusted_schema=OFF")
            kinds = database.execute(
                "select m.type, upper(m.sql) like 'CREATE VIRTUAL%' from gpkg_contents c"
                " left join sqlite_master m on lower(m.name) = lower(c.table_name)"
                " where c.data_type in ('features', 'attributes')"
            ).fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        raise Quarantined(Reason(code="geo_unreadable")) from None
    if any(kind != "table" or virtual for kind, virtual in kinds):
        raise Quarantined(Reason(code="geo_unreadable", detail="view"))


def layers(path: Path, encoding: str | None) -> list[Layer]:
    """Every layer, in the file's order."""
    found = []
    try:
        for name, _ in pyogrio.list_layers(path):
            info = pyogrio.read_info(path, layer=name, encoding=encoding, force_feature_count=True)
            columns = tuple(str(column) for column in info["fields"])
            if info["geometry_type"] is not None:
                columns = (*columns, GEOMETRY)
            keyed = (key := str(info["fid_column"])).lower() not in _OWN_KEYS
            columns = (key, *columns) if keyed else columns
            crs = info["crs"]
            found.append(Layer(str(name), columns, crs and str(crs), int(info["features"]), keyed))
    except _BROKEN:
        raise Quarantined(Reason(code="geo_unreadable")) from None
    return found


def read_layer(path: Path, layer: Layer, encoding: str | None) -> Iterator[pa.RecordBatch]:
    """The layer's rows, with `layer.columns`. Raises Quarantined(`geo_unreadable`)."""
    try:
        with open_arrow(
            path, layer=layer.name, encoding=encoding, batch_size=BATCH_ROWS, use_pyarrow=True,
            datetime_as_string=True, return_fids=layer.keyed,
        ) as (_, reader):  # fmt: skip
            for batch in reader:
                batch.validate(full=True)
                if batch.num_columns != len(layer.columns):
                    raise Quarantined(Reason(code="geo_unreadable"))
                yield pa.record_batch(batch.columns, names=list(layer.columns))
    except _BROKEN:
        raise Quarantined(Reason(code="geo_unreadable")) from None

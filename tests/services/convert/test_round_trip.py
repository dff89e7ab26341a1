"""The same values come back from every format, each read by a program that is not ours.

More of them, and wilder ones: `test_wild_tables.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import osmium
import pandas as pd
import pyarrow as pa
import pyogrio
import pytest
import shapely

from shared.formats import FORMATS as ALL
from tests.services.convert.tables import convert, file

FORMATS = (
    "txt", "ndjson", "xlsx", "ods", "geojson", "kml", "kmz", "geoparquet", "gpkg", "pmtiles", "osm",
)  # fmt: skip
NAMES = ['l\'été, "vif"', "𝛑 🌳 <&>", None, "01001"]
NUMBERS = [3, -5, 2**40, None]
SHARES = [0.1, -2.5, None, 1e-7]
PLACES = [shapely.Point(4.85 + n / 10, 45.75) for n in range(4)]
Rows = list[tuple[Any, ...]]


def frame(read: pd.DataFrame) -> Rows:
    """What pandas found: text, whole number, number, place."""
    rows = read.astype(object).where(read.notna(), None)
    return [row[:3] for row in rows.itertuples(index=False, name=None)]


def asked(path: Path) -> Rows:
    return duckdb.execute(f"select nom, n, part from '{path}'").fetchall()


def drawn(path: Path) -> Rows:
    """What GDAL found, in the order of the places."""
    _, table = pyogrio.read_arrow(path)
    place = next(name for name in table.column_names if name in ("lieu", "geom", "wkb_geometry"))
    shapes = shapely.from_wkb(table[place].to_numpy())
    order = np.argsort(shapely.get_x(shapes))
    assert [shapes[one].equals_exact(PLACES[n], 1e-7) for n, one in enumerate(order)] == [True] * 4
    told = table.select(["nom", "n", "part"]).to_pylist()
    return [tuple(told[one].values()) for one in order]


def places(path: Path) -> Rows:
    """What DuckDB found in a GeoParquet file; geometries as WKB, whether or not it knows them."""
    rows = duckdb.execute(f"select nom, n, part, bbox.xmin from '{path}' order by 4").fetchall()
    assert [row[3] for row in rows] == pytest.approx([one.x for one in PLACES])
    return [row[:3] for row in rows]


def tiled(path: Path) -> Rows:
    """What GDAL found in the tiles of the last zoom, in the table's order."""
    _, table = pyogrio.read_arrow(path)
    rows = [tuple(one.values()) for one in table.select(["nom", "n", "part"]).to_pylist()]
    return sorted(rows, key=lambda row: NAMES.index(row[0]))


def tagged(path: Path) -> Rows:
    """What osmium found: a node a row."""
    file_ = osmium.FileProcessor(str(path))
    nodes = [(one.lon, dict(one.tags)) for one in file_ if isinstance(one, osmium.osm.Node)]
    assert [lon for lon, _ in nodes] == pytest.approx([one.x for one in PLACES])
    return [(tags.get("nom"), tags.get("n"), tags.get("part")) for _, tags in nodes]


READERS: dict[str, Callable[[Path], Rows]] = {
    "csv": lambda path: frame(pd.read_csv(path, dtype={"nom": str})),
    "txt": lambda path: frame(pd.read_csv(path, sep="\t", dtype={"nom": str})),
    "json": asked,
    "ndjson": asked,
    "parquet": asked,
    "xlsx": lambda path: frame(pd.read_excel(path, dtype={"nom": str}, engine="openpyxl")),
    "ods": lambda path: frame(pd.read_excel(path, dtype={"nom": str}, engine="calamine")),
    "geojson": drawn,
    "kml": drawn,
    "kmz": drawn,
    "gpkg": drawn,
    "geo.parquet": places,
    "pmtiles": tiled,
    "osm": tagged,
}


def test_no_format_is_left_out() -> None:
    """Each that there is has its reader."""
    assert {facts.suffix for facts in ALL.values()} == set(READERS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("round")
    cells = {"nom": NAMES, "n": NUMBERS, "part": SHARES}
    table = pa.table(cells | {"lieu": pa.array(shapely.to_wkb(np.array(PLACES, object)))})
    assert not convert(table, folder, *FORMATS).refused
    return folder


@pytest.mark.parametrize("suffix", READERS)
def test_the_same_values_come_back(made: Path, suffix: str) -> None:
    """pandas, DuckDB, GDAL and osmium; a number may be a text where the format has no other."""
    found = [
        (name, number if number is None else int(number), share if share is None else float(share))
        for name, number, share in READERS[suffix](file(made, suffix))
    ]
    assert found == list(zip(NAMES, NUMBERS, SHARES, strict=True))

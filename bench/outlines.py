"""Real outlines of municipalities, for the benches that draw maps.

Those of Spain: 8,213 as TopoJSON in the npm package `es-atlas`, of the Instituto Geográfico Nacional
(CC BY 4.0), fetched once by npm. No package with those of French communes under an open licence was
found. Without npm the outlines of countries stand in, which pyogrio brings (Natural Earth, public
domain), drawn as large as a municipality; whoever measures is told which they were.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio
import shapely

PACKAGE = "es-atlas@0.6.0"
MEMBER = "package/es/municipalities.json"
SHA256 = "5fbb353b1b8ef145d2c39d59bb93d9ac473b83fff299aec791c0b812a9924b1e"
KEPT = Path(__file__).parents[1] / ".ecluse" / "bench" / "outlines" / "municipalities.json"
COUNTRIES = "naturalearth_lowres/naturalearth_lowres.shp"
DEGREES = 0.1  # a municipality's width, about
SPAIN = (23.0, 18.0)  # degrees from west to east and from south to north, a gap included


@dataclass(frozen=True)
class Outlines:
    """Valid polygons in longitude and latitude, and the name of each. `of` says whose they are;
    `step` is how far apart copies of them lie, in degrees."""

    shapes: npt.NDArray[np.object_]
    names: list[str]
    of: str
    step: tuple[float, float]


def outlines() -> Outlines:
    """Municipalities, or countries where they are not to be had."""
    path = _municipalities()
    if path is None:
        shapes, names = _polygons(Path(pyogrio.__file__).parent / "tests" / "fixtures" / COUNTRIES)
        side = math.ceil(math.sqrt(len(shapes)))
        small = [_small(shape, *divmod(place, side)) for place, shape in enumerate(shapes)]
        step = (side + 1) * DEGREES
        return Outlines(np.array(small, object), names, "countries drawn small", (step, step))
    return Outlines(*_polygons(path, layer="municipalities"), "municipalities", SPAIN)


def repeated(found: Outlines, count: int) -> tuple[npt.NDArray[np.object_], list[str]]:
    """So many polygons: the outlines over and over, each copy beside the one before."""
    columns = int(340 // found.step[0])
    shapes: list[Any] = []
    names: list[str] = []
    copy = 0
    while len(shapes) < count:
        row, column = divmod(copy, columns)
        by = np.array([(column - columns // 2) * found.step[0], row * found.step[1]])
        moved = shapely.transform(found.shapes, lambda xy, by=by: xy + by)
        # Rounding makes one or two of them touch themselves, of which GDAL makes no KML.
        good = np.flatnonzero(shapely.is_valid(moved))
        shapes += moved[good].tolist()
        names += [found.names[place] for place in good]
        copy += 1
    return np.array(shapes[:count], object), names[:count]


def _small(shape: Any, row: int, column: int) -> Any:
    """A municipality's size, in its square of a board at the 40th parallel."""
    west, south, east, north = shapely.bounds(shape)
    by = DEGREES / max(east - west, north - south)
    corner = np.array([column * DEGREES, 40 + row * DEGREES])
    return shapely.transform(shape, lambda xy: corner + (xy - [west, south]) * by)


def _polygons(path: Path, layer: str | None = None) -> tuple[npt.NDArray[np.object_], list[str]]:
    """The largest valid polygon of each feature, and the features' names."""
    _, table = pyogrio.read_arrow(path, layer=layer)
    whole = shapely.from_wkb(table["wkb_geometry"].to_numpy())
    parts, of = shapely.get_parts(whole, return_index=True)
    order = np.lexsort([-shapely.area(parts), of])
    first = order[np.unique(of[order], return_index=True)[1]]
    good = shapely.is_valid(parts[first]) & (shapely.area(parts[first]) > 0)
    names = [str(name) for name in table["name"].to_pylist()]
    return parts[first][good], [names[place] for place in of[first][good]]


def _municipalities() -> Path | None:
    npm = shutil.which("npm")
    if not KEPT.exists() and npm is not None:
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT.parent) as folder:
            command = [npm, "pack", "--silent", PACKAGE, f"--pack-destination={folder}"]
            done = subprocess.run(command, cwd=folder, check=False, capture_output=True)
            packed = next(Path(folder).glob("*.tgz"), None)
            if done.returncode == 0 and packed is not None:
                with tarfile.open(packed) as package:
                    package.extract(MEMBER, folder, filter="data")
                shutil.move(Path(folder) / MEMBER, KEPT)
    if KEPT.exists() and hashlib.sha256(KEPT.read_bytes()).hexdigest() == SHA256:
        return KEPT
    return None

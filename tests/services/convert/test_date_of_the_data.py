"""The day of the data's last update travels inside every format that can hold it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from pmtiles.reader import MmapSource, Reader

from services.convert.convert_table import ConvertedRelease
from tests.services.convert.tables import convert, file

DAY = dt.date(2019, 2, 28)
FORMATS = ("xlsx", "ods", "geojson", "kml", "kmz", "geoparquet", "gpkg", "pmtiles", "osm")
TABLE = pa.table({"n": [1], "g": pa.array(shapely.to_wkb([shapely.Point(4.8, 45.7)]), pa.binary())})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ConvertedRelease]:
    folder = tmp_path_factory.mktemp("made")
    return folder, convert(TABLE, folder, *FORMATS, updated=DAY)


def member(folder: Path, suffix: str, name: str) -> str:
    return zipfile.ZipFile(file(folder, suffix)).read(name).decode()


def pmtiles(folder: Path) -> str:
    with file(folder, "pmtiles").open("rb") as opened:
        return str(Reader(MmapSource(opened)).metadata()["attribution"])


def last_change(folder: Path) -> str:
    with sqlite3.connect(file(folder, "gpkg")) as opened:
        return str(opened.execute("select last_change from gpkg_contents").fetchone()[0])


def facts(path: Path) -> str:
    told = pq.read_metadata(path).metadata
    return str(told[b"updated"].decode())


HOLDERS: dict[str, Callable[[Path], str]] = {
    "parquet": lambda folder: facts(file(folder, "parquet")),
    "geoparquet": lambda folder: facts(folder / "out" / "bancs.geo.parquet"),
    "xlsx": lambda folder: openpyxl.load_workbook(
        file(folder, "xlsx")
    ).properties.modified.isoformat(),
    "xlsx properties": lambda folder: member(folder, "xlsx", "docProps/custom.xml"),
    "ods": lambda folder: member(folder, "ods", "meta.xml").split("<dc:date>")[1],
    "geojson": lambda folder: json.loads(file(folder, "geojson").read_text())["updated"],
    "kml": lambda folder: file(folder, "kml").read_text().split("<Schema")[0],
    "kmz": lambda folder: member(folder, "kmz", "doc.kml").split("<Schema")[0],
    "gpkg": last_change,
    "gpkg metadata": lambda folder: str(
        pyogrio.read_info(file(folder, "gpkg"))["layer_metadata"]["updated"]
    ),
    "pmtiles": pmtiles,
    "osm": lambda folder: file(folder, "osm").read_text().splitlines()[1],
    "readme": lambda folder: (folder / "out" / "README.md").read_text().split("## Citer")[1],
    "datapackage": lambda folder: json.loads((folder / "out" / "datapackage.json").read_text())[
        "modified"
    ],
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_the_day_travels_inside(made: tuple[Path, ConvertedRelease], holder: str) -> None:
    """Attribution with the date of last update, as both licences ask re-users to give it."""
    assert DAY.isoformat() in HOLDERS[holder](made[0])


def test_no_other_day_is_in_them(made: tuple[Path, ConvertedRelease], tmp_path: Path) -> None:
    """The same day gives the same bytes again; another day changes what holds it and no value."""
    folder, first = made
    again = convert(TABLE, tmp_path, *FORMATS, updated=DAY)
    assert [one.sha256 for one in again.files] == [one.sha256 for one in first.files]
    other = tmp_path / "other"
    other.mkdir()
    convert(TABLE, other, *FORMATS, updated=dt.date(2020, 1, 1))
    for suffix in ("csv", "json"):
        digests = {
            hashlib.sha256(file(one, suffix).read_bytes()).digest() for one in (folder, other)
        }
        assert len(digests) == 1

"""Licence, source, release and the day of the last update travel inside formats that can hold them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from pmtiles.reader import MmapSource, Reader

from services.convert.convert_table import ConvertedRelease
from shared.formats import FORMATS as ALL
from tests.services.convert.tables import RELEASE, convert, file

DAY = dt.date(2019, 2, 28)
FORMATS = ("xlsx", "ods", "geojson", "kml", "kmz", "geoparquet", "gpkg", "pmtiles", "osm")
TABLE = pa.table({"n": [1], "g": pa.array(shapely.to_wkb([shapely.Point(4.8, 45.7)]), pa.binary())})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ConvertedRelease]:
    folder = tmp_path_factory.mktemp("made")
    origin = {"title": "Base adresse", "licence": "lov2"}
    return folder, convert(TABLE, folder, *FORMATS, updated=DAY, derived_from=[origin])


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
    origin = {"title": "Base adresse", "licence": "lov2"}
    again = convert(TABLE, tmp_path, *FORMATS, updated=DAY, derived_from=[origin])
    assert [one.sha256 for one in again.files] == [one.sha256 for one in first.files]
    other = tmp_path / "other"
    other.mkdir()
    convert(TABLE, other, *FORMATS, updated=dt.date(2020, 1, 1))
    for suffix in ("csv", "json"):
        digests = {
            hashlib.sha256(file(one, suffix).read_bytes()).digest() for one in (folder, other)
        }
        assert len(digests) == 1


def tiles_metadata(folder: Path) -> str:
    with file(folder, "pmtiles").open("rb") as opened:
        return json.dumps(Reader(MmapSource(opened)).metadata(), ensure_ascii=False)


TOLD: dict[str, Callable[[Path], str]] = {
    "parquet": lambda folder: told(pq.read_metadata(file(folder, "parquet"))),
    "geoparquet": lambda folder: told(pq.read_metadata(file(folder, "geo.parquet"))),
    "xlsx": HOLDERS["xlsx properties"],
    "ods": lambda folder: member(folder, "ods", "meta.xml"),
    "geojson": lambda folder: file(folder, "geojson").read_text().split('"features"')[0],
    "kml": HOLDERS["kml"],
    "kmz": HOLDERS["kmz"],
    "gpkg": lambda folder: str(pyogrio.read_info(file(folder, "gpkg"))["layer_metadata"]),
    "pmtiles": tiles_metadata,
    "osm": HOLDERS["osm"],
}


def told(metadata: Any) -> str:
    return b" ".join(metadata.metadata.values()).decode()


@pytest.mark.parametrize("form", TOLD)
def test_licence_attribution_source_and_release_travel_inside(
    made: tuple[Path, ConvertedRelease], form: str
) -> None:
    """In each format that has a place for them."""
    found = TOLD[form](made[0])
    for text in ("Licence Ouverte 2.0", "Ville d'essai", "Base adresse", RELEASE):
        assert text in found


def test_each_format_with_a_place_for_facts_is_tried() -> None:
    """Text formats of tables have none."""
    assert set(TOLD) == set(ALL) - {"csv", "txt", "json", "ndjson"}

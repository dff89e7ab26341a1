"""Tables of every type, under the names that formats keep for themselves: each format holds the same
values, or says by name and reason that it cannot."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
import xml.etree.ElementTree as ET
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
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from services.convert.formula_guard import guarded_headers
from tests.services.convert.tables import convert, file

Row = dict[str, Any]
FORMS = (
    "txt", "ndjson", "xlsx", "ods", "geojson", "kml", "kmz", "geoparquet", "gpkg", "pmtiles", "osm",
)  # fmt: skip
# What formats, their readers or SQL have a meaning of their own for.
NAMES = (
    "id", "ID", "name", "Name", "description", "timestamp", "begin", "icon", "fid", "ogc_fid", "geom",
    "geometry", "rowid", "bbox", "type", "properties", "=x", "a b", 'q"u,o;t', "<&>", "é🌳", "x" * 200,
    "*", "^n.*$", "{0}", "\\",
)  # fmt: skip
MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)).map(
    lambda one: one.replace(microsecond=one.microsecond // 1000 * 1000)
)
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    "whole": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "number": (pa.float64(), st.floats(allow_subnormal=False)),
    "truth": (pa.bool_(), st.booleans()),
    "day": (pa.date32(), st.dates()),
    "moment": (pa.timestamp("us"), MOMENTS),
    "instant": (pa.timestamp("us", "UTC"), MOMENTS.map(lambda one: one.replace(tzinfo=dt.UTC))),
    "hour": (
        pa.time32("ms"),
        st.times().map(lambda one: one.replace(microsecond=one.microsecond // 1000 * 1000)),
    ),
}
SHAPES = (
    "POINT (4.85 45.75)", "POINT Z (4.85 45.75 171)", "LINESTRING (179 10, -179 12)",
    "MULTILINESTRING ((4 45, 5 46), (6 45, 7 46))", "POLYGON ((4 45, 5 45, 5 46, 4 45))", None,
    "POLYGON ((179.9 1, -179.9 1, -179.9 1.1, 179.9 1, 179.9 1))", "MULTIPOINT ((4 45), (5 46))",
    "GEOMETRYCOLLECTION (POINT (4 45), GEOMETRYCOLLECTION (LINESTRING (4 45, 5 46)))",
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Some columns of some types, some rows, a geometry in each or none."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    kinds = [draw(st.sampled_from(sorted(KINDS))) for _ in names]
    rows = draw(st.integers(1, 4))
    columns = {
        name: pa.array(
            draw(st.lists(st.none() | KINDS[kind][1], min_size=rows, max_size=rows)), KINDS[kind][0]
        )
        for name, kind in zip(names, kinds, strict=True)
    }
    few = draw(st.sampled_from([SHAPES, SHAPES[:4]]))
    shapes = draw(st.lists(st.sampled_from(few), min_size=rows, max_size=rows))
    made = [one and shapely.to_wkb(shapely.from_wkt(one), flavor="iso") for one in shapes]
    return pa.table(columns | {"lieu": pa.array(made, pa.binary())})


# --- readers -------------------------------------------------------------------------------------


def delimited(delimiter: str) -> Callable[[Path, list[str]], list[Row]]:
    def read(path: Path, names: list[str]) -> list[Row]:
        text = io.StringIO(path.read_bytes().decode(), newline="")
        header, *rows = csv.reader(text, delimiter=delimiter, strict=True)
        assert header == [*guarded_headers([*names, "lieu"]).values()]
        return [dict(zip(names, row, strict=False)) for row in rows]

    return read


def records(path: Path, names: list[str]) -> list[Row]:
    return [dict(one) for one in json.loads(path.read_bytes())]


def lines(path: Path, names: list[str]) -> list[Row]:
    return [dict(json.loads(one)) for one in path.read_bytes().splitlines()]


def features(path: Path, names: list[str]) -> list[Row]:
    return [dict(one["properties"]) for one in json.loads(path.read_bytes())["features"]]


def parquet(path: Path, names: list[str]) -> list[Row]:
    return list(pq.read_table(path).select(names).to_pylist())


def workbook(path: Path, names: list[str]) -> list[Row]:
    header, *rows = openpyxl.load_workbook(path)["Données"].iter_rows(values_only=True)
    assert list(header[:-1]) == names
    unescape = openpyxl.utils.escape.unescape
    return [
        {
            name: unescape(cell) if isinstance(cell, str) else cell
            for name, cell in zip(names, row, strict=False)
        }
        for row in rows
    ]


def open_document(path: Path, names: list[str]) -> list[Row]:
    sheet = CalamineWorkbook.from_path(str(path)).get_sheet_by_name("Données")
    header, *rows = sheet.to_python(skip_empty_area=False)
    assert header[:-1] == names
    return [dict(zip(names, row, strict=False)) for row in rows]


def geopackage(path: Path, names: list[str]) -> list[Row]:
    _, table = pyogrio.read_arrow(path)
    assert set(table.column_names) == {*names, "lieu"}
    return list(table.select(names).to_pylist())


def placemarks(path: Path, names: list[str]) -> list[Row]:
    text = zipfile.ZipFile(path).read("doc.kml") if path.suffix == ".kmz" else path.read_bytes()
    kml = "{http://www.opengis.net/kml/2.2}"
    return [
        {one.attrib["name"]: one.text or "" for one in mark.iter(f"{kml}SimpleData")}
        for mark in ET.fromstring(text).iter(f"{kml}Placemark")
    ]


READERS: dict[str, Callable[[Path, list[str]], list[Row]]] = {
    "csv": delimited(","),
    "txt": delimited("\t"),
    "json": records,
    "ndjson": lines,
    "parquet": parquet,
    "geo.parquet": parquet,
    "xlsx": workbook,
    "ods": open_document,
    "geojson": features,
    "kml": placemarks,
    "kmz": placemarks,
    "gpkg": geopackage,
}


def same(given_: Any, found: Any) -> bool:
    """Whether a reader's cell is the table's, as a text or as itself; no text may be an empty one."""
    if given_ is None or (isinstance(given_, float) and not math.isfinite(given_)):
        return found in (None, "") or (isinstance(found, float) and not math.isfinite(found))
    if isinstance(given_, str):
        return given_ == (found or "") or f"'{given_}" == found
    if isinstance(given_, bool):
        return str(found).lower() in ({True: ("true", "1"), False: ("false", "0")}[given_])
    if isinstance(given_, int):
        return int(found) == given_
    if isinstance(given_, float):
        return float(found) == given_
    if isinstance(given_, dt.datetime):
        read = found if isinstance(found, dt.datetime) else _moment(found)
        return abs(read.replace(tzinfo=None) - given_.replace(tzinfo=None)) < dt.timedelta(
            0, 0, 600
        )
    if isinstance(given_, dt.date):
        return str(found)[:10] == given_.isoformat()
    return _of_day(found) == _of_day(given_)


def _moment(found: Any) -> dt.datetime:
    if isinstance(found, dt.date):
        return dt.datetime(found.year, found.month, found.day)
    return dt.datetime.fromisoformat(found)


def _of_day(found: Any) -> int:
    """Milliseconds since midnight."""
    if isinstance(found, float):
        return round(found * 86_400_000)
    if isinstance(found, dt.timedelta):
        return round(found.total_seconds() * 1000)
    if isinstance(found, dt.datetime):
        found = found.time()
    time = found if isinstance(found, dt.time) else dt.time.fromisoformat(found)
    seconds = time.hour * 3600 + time.minute * 60 + time.second
    return seconds * 1000 + round(time.microsecond / 1000)


CANNOT = {
    "format_control_characters": {"ODS", "KML", "KMZ", "GeoPackage", "PMTiles", "OSM XML"},
    "format_names_alike": {"KML", "KMZ", "GeoPackage"},
    "format_geometry_kind": {"OSM XML"},
    "format_no_geometry": {
        "GeoJSON", "KML", "KMZ", "GeoParquet", "GeoPackage", "PMTiles", "OSM XML",
    },
}  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(tables())
def test_each_format_holds_it_or_says_why_not(
    tmp_path_factory: pytest.TempPathFactory, table: pa.Table
) -> None:
    """Every cell, under the column's own name; nothing is refused without a reason that fits."""
    folder = tmp_path_factory.mktemp("w")
    made = convert(table, folder, *FORMS)
    for reason in made.refused:
        assert reason.detail in CANNOT.get(reason.code, ()), reason
    names = [name for name in table.column_names if name != "lieu"]
    given_ = table.select(names).to_pylist()
    for suffix, read in READERS.items():
        if not file(folder, suffix).exists():
            continue
        found = read(file(folder, suffix), names)
        if suffix == "geo.parquet":
            # Along the curve: told apart by what they hold.
            assert sorted(map(str, found)) == sorted(map(str, given_))
            continue
        if suffix == "ods":
            # Its reader ends where nothing more is written in a cell.
            found += [{}] * (len(given_) - len(found))
        assert len(found) == len(given_), suffix
        for row, back in zip(given_, found, strict=True):
            for name in names:
                cell = back.get(name)
                assert same(row[name], cell), (suffix, row[name], cell)

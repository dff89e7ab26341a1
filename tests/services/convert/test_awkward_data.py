"""Data that break careless writers, against golden files; shapes at the edges; a death half way."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from python_calamine import CalamineWorkbook

from services.convert.handlers import Room, on_anonymized
from shared.event_parts import CardRef, Sequence
from shared.events import DatasetAnonymized
from shared.pinned_card import pin
from shared.settings import Settings
from shared.storage import Store, open_store
from tests.services.convert.tables import RELEASE, convert, file, letting_out

GOLDEN = Path(__file__).parent / "golden"
AWKWARD = pa.table(
    {
        "texte": [
            'guillemets "doubles", virgule; point-virgule\ttabulation',
            "ligne\nsuivante\r\nencore",
            "arbre 🌳 et famille 👩‍👩‍👧",
            "עברית ו-العربية",
            "=1+1",
            "-5",
            "<b>&amp;</b>",
            None,
        ],
        "nombre": [float("nan"), float("inf"), float("-inf"), 0.1, -0.0, 1e300, 5e-324, None],
        "entier": [2**63 - 1, -(2**63), 1234567890123456789, 0, 1, -1, 10**15, None],
        "jour": pa.array(
            [dt.date(1, 1, 1), dt.date(1789, 7, 14), dt.date(1900, 2, 28), dt.date(1900, 3, 1),
             dt.date(1969, 12, 31), dt.date(2026, 2, 28), dt.date(9999, 12, 31), None]
        ),
        "lieu": pa.array(
            shapely.to_wkb(
                np.array(
                    shapely.from_wkt(
                        [
                            "POINT (4.85 45.75)",
                            "LINESTRING (179 10, -179 12)",
                            "POLYGON ((4 45, 4 46, 5 46, 5 45, 4 45))",
                            "MULTIPOINT ((4 45), (5 46))",
                            "GEOMETRYCOLLECTION (POINT (4 45), LINESTRING (4 45, 5 46))",
                            "POLYGON ((179 0, -179 0, -179 1, 179 1, 179 0))",
                            "POINT Z (4 45 171.5)",
                            None,
                        ]
                    ),
                    object,
                ),
                flavor="iso",
            )
        ),
    }
)  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "txt", "json", "ndjson", "geojson", "kml"])
def test_awkward_data_are_as_they_were(tmp_path: Path, suffix: str) -> None:
    """Quotes, line breaks, emoji, right-to-left, NaN and ∞, 19 digits, days before 1900, mixed
    geometries, the antimeridian: byte for byte what a person has looked at."""
    convert(AWKWARD, tmp_path, "txt", "ndjson", "geojson", "kml")
    assert file(tmp_path, suffix).read_bytes() == (GOLDEN / f"bancs.{suffix}").read_bytes()


def sheet(path: Path) -> Any:
    book = openpyxl.load_workbook(path)
    return {one.title: [list(row) for row in one.iter_rows(values_only=True)] for one in book}


def open_document(path: Path) -> Any:
    book = CalamineWorkbook.from_path(str(path))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def shown(table: pa.Table, *, by: str | None = None) -> Any:
    """Rows with geometries as text; sorted by a column, or as they come."""
    shapes = {
        name: shapely.to_wkt(shapely.from_wkb(table[name].to_numpy()), rounding_precision=5)
        for name in table.column_names
        if pa.types.is_binary(table[name].type)
    }
    rows = [
        row | {name: texts[place] for name, texts in shapes.items()}
        for place, row in enumerate(table.to_pylist())
    ]
    return sorted(rows, key=lambda row: str(row[by])) if by else rows


def tiles(path: Path) -> Any:
    """Values and kinds of geometry in the tiles of the last zoom: where they are cut says their size."""
    table = pyogrio.read_arrow(path)[1]
    kinds = shapely.get_type_id(shapely.from_wkb(table["wkb_geometry"].to_numpy())).tolist()
    rows = table.drop_columns(["wkb_geometry", "mvt_id"]).to_pylist()
    told = {
        str(sorted(row.items(), key=str)): row | {"kind": kind}
        for row, kind in zip(rows, kinds, strict=True)
    }
    return [told[one] for one in sorted(told)]


# Bytes in which nobody reads: what programs that are not ours find in them.
READERS: dict[str, Callable[[Path], Any]] = {
    "xlsx": sheet,
    "ods": open_document,
    "parquet": lambda path: shown(pq.read_table(path)),
    "geo.parquet": lambda path: shown(pq.read_table(path), by="texte"),
    "gpkg": lambda path: shown(pyogrio.read_arrow(path)[1]),
    "pmtiles": tiles,
}


@pytest.mark.parametrize("suffix", READERS)
def test_awkward_data_are_read_as_they_were(tmp_path: Path, suffix: str) -> None:
    """Likewise in formats of bytes: value by value what a person has looked at."""
    made = convert(AWKWARD, tmp_path, "xlsx", "ods", "geoparquet", "gpkg", "pmtiles")
    assert made.refused == ()
    found = json.dumps(
        READERS[suffix](file(tmp_path, suffix)), default=str, ensure_ascii=False, indent=1
    )
    assert f"{found}\n" == (GOLDEN / f"{suffix}.read.json").read_text(encoding="utf-8")


def test_awkward_itineraries_are_as_they_were(tmp_path: Path) -> None:
    """OSM XML holds the rows with points and lines, byte for byte."""
    convert(AWKWARD.take([0, 1, 6]), tmp_path, "osm")
    assert file(tmp_path, "osm").read_bytes() == (GOLDEN / "bancs.osm").read_bytes()


def test_kmz_is_the_same_kml(tmp_path: Path) -> None:
    """In a ZIP file, under the name that readers look for."""
    convert(AWKWARD, tmp_path, "kmz")
    with zipfile.ZipFile(file(tmp_path, "kmz")) as package:
        assert package.read("doc.kml") == (GOLDEN / "bancs.kml").read_bytes()


EVERY = ("txt", "ndjson", "xlsx", "ods", "geojson", "kml", "kmz", "geoparquet", "gpkg", "pmtiles")


def wide() -> pa.Table:
    places = pa.array(shapely.to_wkb(shapely.points([[4.8, 45.7], [4.9, 45.8]])))
    return pa.table({f"c{n}": [n, None] for n in range(4095)} | {"lieu": places})


def test_a_table_of_4096_columns(tmp_path: Path) -> None:
    """Every format but GeoPackage holds it: SQLite takes 2,000 columns."""
    made = convert(wide(), tmp_path, *EVERY)
    assert [one.detail for one in made.refused] == ["GeoPackage"]
    assert pq.read_schema(file(tmp_path, "geo.parquet")).names[4094:] == ["c4094", "lieu", "bbox"]
    assert (
        len(json.loads(file(tmp_path, "geojson").read_bytes())["features"][1]["properties"]) == 4095
    )
    assert len(json.loads(made.preview.path.read_bytes())["columns"]) == 4096


def test_a_table_without_rows(tmp_path: Path) -> None:
    """Tables are empty; what draws is refused: there is nothing to draw."""
    made = convert(AWKWARD.slice(0, 0), tmp_path, *EVERY)
    spatial = {"GeoJSON", "KML", "KMZ", "GeoParquet", "GeoPackage", "PMTiles"}
    assert {one.detail for one in made.refused} == spatial
    assert file(tmp_path, "txt").read_bytes() == b"texte\tnombre\tentier\tjour\tlieu\r\n"
    assert file(tmp_path, "ndjson").read_bytes() == b""
    assert pq.read_table(file(tmp_path, "parquet")).num_rows == 0


class Inline:
    """Runs work here."""

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        return work(*args)


async def prepare(folder: Path) -> tuple[DatasetAnonymized, Room]:
    """A safe table in a store, and the event that says so."""
    table = pa.table({"id": [f"a{n}" for n in range(60_000)], "n": list(range(60_000))})
    source = folder / "safe.parquet"
    pq.write_table(table, source)
    settings = Settings.model_validate({"store": str(folder / "store"), "spool": folder})
    store: Store = open_store(settings, "operator")
    ref = await store.put_bytes("safe", f"bancs/tables/{RELEASE}.parquet", source.read_bytes())
    chosen = letting_out("id", "n", optional_formats=["xlsx", "ods"], archive=True)
    card = CardRef(digest=chosen.digest(), shaping=chosen.shaping_digest(), revision=1)
    await pin(store, chosen, card)
    event = DatasetAnonymized(
        dataset="bancs",
        change="c" + "0" * 31,
        run="c" + "0" * 31,
        sequence=Sequence(generation=0, number=1),
        kind="update",
        card=card,
        release=RELEASE,
        occurred_at=dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
        table=ref,
        rows=60_000,
        policy="0" * 64,
        report=ref,
    )
    return event, Room(settings, store, cast(Any, Inline()))


async def staged(room: Room) -> dict[str, int]:
    return {found.key: found.bytes async for found in room.store.list("staged")}


DYING = """
import asyncio, os, signal, sys
from pathlib import Path
from services.convert import table_to_json
from services.convert.handlers import on_anonymized
from tests.services.convert.test_awkward_data import prepare
really, seen = table_to_json.JsonWriter.write, []
def dying(self, batch):
    really(self, batch)
    seen.append(batch)
    if len(seen) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
table_to_json.JsonWriter.write = dying
async def run():
    event, room = await prepare(Path(sys.argv[1]))
    await on_anonymized(event, room)
asyncio.run(run())
"""


async def test_a_death_half_way_leaves_nothing(tmp_path: Path) -> None:
    """Killed while it writes: nothing in `staged`, no manifest; the repeat gives the bytes that an
    undisturbed run gives."""
    command = [sys.executable, "-c", DYING, str(tmp_path)]
    died = await asyncio.to_thread(
        subprocess.run, command, check=False, env={"PYTHONPATH": str(Path(__file__).parents[3])}
    )
    assert died.returncode == -signal.SIGKILL
    event, room = await prepare(tmp_path)
    assert await staged(room) == {}
    assert await room.store.get("reports", f"bancs/manifests/{RELEASE}.convert.json") is None
    again = await on_anonymized(event, room)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    calm = await on_anonymized(*await prepare(elsewhere))
    assert again == calm
    assert len(await staged(room)) == len(again.files) + len(again.extras) + 2

"""Geometries: coordinates pass, and nothing that hides behind them."""

from __future__ import annotations

import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from services.anonymize.anonymize_table import anonymize_table
from services.anonymize.geometry_cells import check_geometries
from shared.card import Card
from shared.failures import Quarantined
from tests.cards import card

POINT = shapely.to_wkb(shapely.Point(4.8, 45.7), flavor="iso")
FORMS = [
    shapely.Point(4.8, 45.7),
    shapely.Point(4.8, 45.7, 12.0),
    shapely.LineString([(0, 0), (1, 1)]),
    shapely.Polygon([(0, 0), (1, 0), (1, 1)]),
    shapely.MultiPoint([(0, 0), (1, 1)]),
    shapely.GeometryCollection([shapely.Point(0, 0)]),
]
SECRET = b"canari-7431"


def column(*cells: bytes | None) -> pa.Array:
    return pa.array(cells, pa.binary())


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.geom_type)
def test_coordinates_pass(form: shapely.Geometry) -> None:
    """Every kind of geometry as ingest writes it, and no geometry at all."""
    check_geometries(column(shapely.to_wkb(form, flavor="iso"), None), "lieu", 0)


@pytest.mark.parametrize(
    "cell",
    [
        POINT + SECRET,
        SECRET,
        b"",
        POINT[:-1],
        shapely.to_wkb(shapely.Point(4.8, 45.7), byte_order=0),
        shapely.to_wkb(shapely.set_srid(shapely.Point(4.8, 45.7), 4326), include_srid=True),
        struct.pack("<BI", 1, 99) + SECRET,
    ],
    ids=["behind", "text", "empty", "cut", "big-endian", "SRID", "unknown kind"],
)
def test_anything_else_stops(cell: bytes) -> None:
    """Bytes beside the coordinates, or coordinates in another form: the line is named, not the cell."""
    with pytest.raises(Quarantined) as caught:
        check_geometries(column(None, POINT, cell), "lieu", 10)
    [reason] = caught.value.reasons
    assert (reason.code, reason.column, reason.line) == ("type_unscannable", "lieu", 14)
    assert SECRET.decode() not in repr(reason)


def places(**fields: object) -> Card:
    body = {
        "schema": {
            "fields": [{"name": "id", "type": "string"}, {"name": "lieu", "type": "geometry"}]
        },
        "privacy": {
            "columns": {"id": "keep", "lieu": "keep"},
            "decided": {"by": "responsable", "date": "2026-03-01", "until": "2031-03-01"},
            "dpo_opinion": {"opinion": "favourable", "date": "2026-02-20"},
        },
    }
    return card(**(body | fields))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.parquet"
    pq.write_table(
        pa.table({"id": ["a", "b"], "lieu": column(POINT, None)}).replace_schema_metadata(
            {"geo": SECRET}
        ),
        path,
    )
    return path


def test_a_geometry_that_is_kept(table: Path, tmp_path: Path) -> None:
    """It leaves as it came, without the file's metadata, and the written file is proved."""
    out = tmp_path / "out.parquet"
    made = anonymize_table(table, places(), out)
    assert made.columns == (("id", "string"), ("lieu", "geometry"))
    assert pq.read_table(out).column("lieu").to_pylist() == [POINT, None]
    assert SECRET not in out.read_bytes()


def test_a_geometry_where_people_are_the_subject(table: Path, tmp_path: Path) -> None:
    """A place may be a home: it is not kept, whoever signed it."""
    about_people = places(
        subject="people",
        privacy={
            "columns": {"id": "keep", "lieu": "keep"},
            "quasi_identifiers": ["id"],
            "decided": {"by": "responsable", "date": "2026-03-01", "until": "2031-03-01"},
            "dpo_opinion": {"opinion": "favourable", "date": "2026-02-20"},
        },
    )
    with pytest.raises(Quarantined) as caught:
        anonymize_table(table, about_people, tmp_path / "out.parquet")
    assert [one.code for one in caught.value.reasons] == ["type_unscannable"]

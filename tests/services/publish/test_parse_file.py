"""Whether a file can be read in its format."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.publish.portals.parse_file import parses


@pytest.mark.parametrize(
    ("form", "content", "rows", "readable"),
    [
        ("csv", "id,n\n1,2\n", 1, True),
        ("csv", 'id;n\n"a\nb";2\n', 1, True),
        ("csv", "id,n\n1\n", 1, False),
        ("csv", "id,n\n1,2\n", 2, False),
        ("txt", "id\tn\n1\t2\n", 1, True),
        ("json", '[{"id": 1}]', 1, True),
        ("json", '[{"id": 1}', 1, False),
        ("json", '[{"id": 1}]', 2, False),
        ("geojson", '{"type": "FeatureCollection", "features": []}', 0, True),
        ("ndjson", '{"id": 1}\n{"id": 2}\n', 2, True),
        ("ndjson", '{"id": 1}\n{"id"', 2, False),
        ("kml", "<kml><Document/></kml>", None, True),
        ("kml", "<kml><Document></kml>", None, False),
        ("kml", '<!DOCTYPE x [<!ENTITY a "b">]><kml>&a;</kml>', None, False),
        ("parquet", "PAR1", None, False),
        ("xlsx", "PK", None, False),
        ("pmtiles", "PMTiles\x03", None, True),
        ("gpkg", "none", None, False),
    ],
)
def test_a_reader_gets_to_the_end_or_not(
    tmp_path: Path, form: str, content: str, rows: int | None, readable: bool
) -> None:
    """Whole files are; broken ones, and those of another length, are not."""
    path = tmp_path / f"file.{form}"
    path.write_text(content, encoding="utf-8", newline="")
    assert parses(path, form, rows) is readable


def test_parquet_and_zip_are_read_whole(tmp_path: Path) -> None:
    """Every row group and every member, checksums included."""
    table = tmp_path / "file.parquet"
    pq.write_table(pa.table({"n": [1, 2, 3]}), table)
    assert parses(table, "parquet", 3)
    assert not parses(table, "parquet", 4)
    book = tmp_path / "file.xlsx"
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("sheet.xml", "<sheet/>" * 100)
    assert parses(book, "xlsx")
    broken = bytearray(book.read_bytes())
    broken[60] ^= 0xFF
    book.write_bytes(broken)
    assert not parses(book, "xlsx")

"""Files that are traps: each stopped with its reason, in little memory, and nothing of them is said.

All are read by one process of its own, whose peak of memory is measured. The bad inputs (S01 to S21)
are those of the project's list of limits.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from services.ingest.source_to_table import ReadLimits
from tests.services.ingest.reading import SECRET, plain, read, refusal
from tests.services.ingest.trap_process import Sprung, spring

MIB = 1 << 20
# Over what the imports take by themselves.
PEAK = 400 * MIB


def zipped(entries: dict[str, bytes], **more: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **more) as archive:
        for name, content in entries.items():
            stored = zipfile.ZIP_STORED if name == "mimetype" else None
            archive.writestr(name, content, stored)
    return out.getvalue()


def stored(entries: dict[str, bytes]) -> bytes:
    """A zip whose entries take as many bytes as they hold."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


ODS_HEAD = (
    '<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x"><office:body>'
    '<office:spreadsheet><table:table table:name="A">'
)
ODS_TAIL = "</table:table></office:spreadsheet></office:body></office:document-content>"
CELL = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
ROW = "<table:table-row{}>{}</table:table-row>"


def ods(*rows: str, head: str = "") -> bytes:
    content = head + ODS_HEAD + "".join(rows) + ODS_TAIL
    kind = b"application/vnd.oasis.opendocument.spreadsheet"
    manifest = b'<manifest:manifest xmlns:manifest="m"/>'
    return zipped(
        {"mimetype": kind, "content.xml": content.encode(), "META-INF/manifest.xml": manifest}
    )


def cells(*values: str, tag: str = "") -> str:
    return ROW.format(tag, "".join(CELL.format(value) for value in values))


def lying(packed: bytes) -> bytes:
    """The same archive, every size of its directory and headers said to be 10 bytes."""
    small = (10).to_bytes(4, "little")
    out = bytearray(packed)
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        found = out.find(mark)
        while found >= 0:
            out[found + at : found + at + 4] = small
            found = out.find(mark, found + 4)
    return bytes(out)


def traps() -> dict[str, tuple[bytes, str]]:
    """Name → bytes, and the reason that they must be stopped for."""
    zeros = bytes(80 * MIB)
    times = ' table:number-{}-repeated="1000000000"'
    deep = b"[" * 200_000
    doctype = f'<!DOCTYPE x [<!ENTITY a "{SECRET}"><!ENTITY b "&a;&a;&a;&a;">]>'
    return {
        "S01 ratio": (zipped({"a.csv": zeros}), "archive_ratio"),
        "S03 lying sizes": (lying(zipped({"a.csv": zeros})), "archive_ratio"),
        "S01 gzip ratio": (gzip.compress(zeros), "archive_ratio"),
        "S04 entries": (zipped({f"{n}.csv": b"" for n in range(10_001)}), "archive_entries"),
        "S05 escape": (zipped({"../../etc/cron.d/x": b"id\n1\n"}), "archive_name"),
        "S05 absolute": (zipped({"/etc/x": b"id\n1\n"}), "archive_name"),
        "S05 drive": (zipped({"C:\\x.csv": b"id\n1\n"}), "archive_name"),
        "S05 long name": (zipped({"x" * 256: b"id\n1\n"}), "archive_name"),
        "S04 nested": (zipped({"a.zip": zipped({"a.csv": b"id\n1\n"})}), "archive_depth"),
        "S14 ods rows": (
            ods(cells("id"), cells(SECRET, tag=times.format("rows"))),
            "sheet_too_large",
        ),
        "S14 ods gap": (
            ods(cells("id"), ROW.format(times.format("rows"), ""), cells(SECRET)),
            "sheet_too_large",
        ),
        "S14 ods columns": (
            ods(
                ROW.format(
                    "", CELL.format("x").replace("-cell ", "-cell" + times.format("columns") + " ")
                )
            ),
            "sheet_too_large",
        ),
        "S14 ods quoted": (
            ods(cells("id"), cells(SECRET, tag=times.format("rows").replace('"', "'"))),
            "sheet_too_large",
        ),
        "S08 ods entity": (ods(cells("&b;"), head=doctype), "xml_entity"),
        "S20 json depth": (deep, "json_depth"),
        "S20 json objects": (b'{"a":' * 200_000, "json_depth"),
        "S21 json long text": (b'[{"a": "' + b"x" * (40 * MIB) + b'"}]', "json_string"),
        "S21 json digits": (b'[{"a": ' + b"1" * 5000 + b"}]", "json_number"),
        "S21 json twice": (f'[{{"{SECRET}": 1, "{SECRET}": 2}}]'.encode(), "json_key"),
        "S17 csv quote": (b'id;places\n"' + b"x;y\n" * (3 * MIB), "quote_unclosed"),
        "S17 csv line": (b"id;places\n" + b"x" * (40 * MIB), "row_too_large"),
        "S17 csv columns": (b";".join(b"a%d" % n for n in range(5000)) + b"\n", "too_many_columns"),
        "S17 csv nul": (f"id;places\n{SECRET}\x00;3\n".encode() + b"B1;3\n" * 100, "nul_character"),
    }


TRAPS = (
    "S01 ratio",
    "S03 lying sizes",
    "S01 gzip ratio",
    "S04 entries",
    "S05 escape",
    "S05 absolute",
    "S05 drive",
    "S05 long name",
    "S04 nested",
    "S14 ods rows",
    "S14 ods gap",
    "S14 ods columns",
    "S14 ods quoted",
    "S08 ods entity",
    "S20 json depth",
    "S20 json objects",
    "S21 json long text",
    "S21 json digits",
    "S21 json twice",
    "S17 csv quote",
    "S17 csv line",
    "S17 csv columns",
    "S17 csv nul",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sprung]:
    """Of each trap: reason given, peak of memory so far, all that the process said."""
    made = traps()
    assert tuple(made) == TRAPS
    folder = tmp_path_factory.mktemp("traps")
    return spring(folder, {name: content for name, (content, _) in made.items()})


@pytest.mark.parametrize("name", TRAPS)
def test_traps(told: dict[str, Sprung], name: str) -> None:
    """Stopped for the reason it is one, within memory; no value of it in what is said."""
    code, peak, said = told[name]
    assert code == traps()[name][1]
    assert peak < PEAK
    assert SECRET not in said


def text_of_length(size: int) -> bytes:
    return b"id;places\n" + b"x" * size + b";3\n"


def book(sheets: int) -> bytes:
    import openpyxl

    made = openpyxl.Workbook()
    made.active.append(["id"])
    made.active.append(["B1"])
    for _ in range(sheets - 1):
        made.create_sheet()
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def nested(depth: int) -> bytes:
    """Objects within the row and the list: `depth` levels in all."""
    return b"[" + b'{"a":' * (depth - 1) + b"1" + b"}" * (depth - 1) + b"]"


OSM = '<osm version="0.6"><node id="1" lat="45" lon="4"><tag k="a" v="{}"/></node></osm>'


AT_LIMIT: dict[str, tuple[bytes, bytes, ReadLimits, str]] = {
    "field": (
        text_of_length(100),
        text_of_length(101),
        ReadLimits(field_bytes=100),
        "cell_too_large",
    ),
    "row": (text_of_length(98), text_of_length(101), ReadLimits(row_bytes=99), "row_too_large"),
    "columns": (
        b"a;b;c\n1;2;3\n",
        b"a;b;c;d\n1;2;3;4\n",
        ReadLimits(columns=3),
        "too_many_columns",
    ),
    "JSON columns": (
        b'[{"a":1,"b":2}]',
        b'[{"a":1,"b":2},{"c":3}]',
        ReadLimits(columns=2),
        "too_many_columns",
    ),
    "sheets": (book(3), book(4), ReadLimits(sheets=3), "too_many_sheets"),
    "ODS rows": (
        ods(cells("id"), *[cells("x")] * 9),
        ods(cells("id"), *[cells("x")] * 10),
        ReadLimits(sheet_rows=10),
        "sheet_too_large",
    ),
    "ODS cells": (
        ods(cells("id", "n"), *[cells("x", "y")] * 9),
        ods(cells("id", "n"), *[cells("x", "y")] * 10),
        ReadLimits(sheet_cells=20),
        "sheet_too_large",
    ),
    "JSON depth": (nested(64), nested(65), ReadLimits(), "json_depth"),
    "JSON depth by line": (
        nested(65)[1:-1] + b"\n{}",
        nested(66)[1:-1] + b"\n{}",
        ReadLimits(),
        "json_depth",
    ),
    "JSON text": (
        b'[{"a":"' + b"x" * 50 + b'"}]',
        b'[{"a":"' + b"x" * 51 + b'"}]',
        ReadLimits(json_string_bytes=50),
        "json_string",
    ),
    "JSON text by line": (
        '{"a":1}\n{"a":"é"}'.encode(),
        '{"a":1}\n{"a":"éx"}'.encode(),
        ReadLimits(json_string_bytes=2),
        "json_string",
    ),
    "JSON digits": (
        b'[{"a":' + b"1" * 400 + b"}]",
        b'[{"a":' + b"1" * 402 + b"}]",
        ReadLimits(),
        "json_number",
    ),
    "JSON digits by line": (
        b'{"a":1}\n{"a":' + b"1" * 400 + b"}",
        b'{"a":1}\n{"a":' + b"1" * 401 + b"}",
        ReadLimits(),
        "json_number",
    ),
    "XML attributes": (
        OSM.format("x" * 149).encode(),
        OSM.format("x" * 150).encode(),
        ReadLimits(xml_token_bytes=150),
        "xml_token",
    ),
    "sheet columns": (
        ods(cells("a", "b"), cells("x", "y")),
        ods(cells("a", "b", "c"), cells("x", "y", "z")),
        ReadLimits(sheet_columns=2),
        "sheet_too_large",
    ),
    "packed": (
        zipped({"a.csv": b"id\n1\n"}),
        zipped({"a.csv": b"id\n1\n2\n"}),
        ReadLimits(archive_bytes=len(zipped({"a.csv": b"id\n1\n"}))),
        "archive_too_large",
    ),
    "ratio": (
        stored({"a.csv": b"id;n\n" + b"1;2\n" * 100}),
        zipped({"a.csv": b"id;n\n" + b"1;2\n" * 100}),
        ReadLimits(ratio=1),
        "archive_ratio",
    ),
    "gzip ratio": (
        gzip.compress(b"id;n\n1;2\n"),
        gzip.compress(b"id;n\n" + b"1;2\n" * 100),
        ReadLimits(ratio=1),
        "archive_ratio",
    ),
    "unpacked": (
        zipped({"a.csv": b"id;n\n1;2\n"}),
        zipped({"a.csv": b"id;n\n1;23\n"}),
        ReadLimits(unpacked_bytes=9),
        "archive_too_large",
    ),
    "gunzipped": (
        gzip.compress(b"id;n\n1;2\n"),
        gzip.compress(b"id;n\n1;23\n"),
        ReadLimits(gzip_bytes=9),
        "archive_too_large",
    ),
    "entries": (
        zipped({"a.csv": b"id;n\n1;2\n", ".x": b""}),
        zipped({"a.csv": b"id;n\n1;2\n", ".x": b"", ".y": b""}),
        ReadLimits(entries=2),
        "archive_entries",
    ),
    "name": (
        zipped({"é" * 127 + "x": b"id;n\n1;2\n"}),
        zipped({"é" * 128: b"id;n\n1;2\n"}),
        ReadLimits(),
        "archive_name",
    ),
}


@pytest.mark.parametrize("what", AT_LIMIT)
def test_at_the_limit(tmp_path: Path, what: str) -> None:
    """What is at the limit is read; what is over it is stopped, and the limit is told."""
    within, over, limits, code = AT_LIMIT[what]
    assert read(within, tmp_path, plain(), limits).rows
    (tmp_path / "table.parquet").unlink()
    assert refusal(over, tmp_path, limits=limits)["code"] == code


def test_an_empty_end_is_no_extent(tmp_path: Path) -> None:
    """Every spreadsheet program ends a sheet with a million empty rows of empty cells."""
    end = (
        '<table:table-row table:number-rows-repeated="1048574">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    assert read(ods(cells("id", "n"), cells("a", "b"), end), tmp_path).rows == 1

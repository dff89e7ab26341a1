"""Archives, XML and geometries made to do harm: stopped, in little memory, and nobody is called.

Whatever points somewhere points at a server of the test, which must be asked for nothing. The bad
inputs (S02 to S13, S22, S23) are those of the project's list of limits.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import openpyxl
import pytest

from tests.services.ingest.reading import DATA, SECRET
from tests.services.ingest.test_limits import CELL, ROW, cells, ods, zipped
from tests.services.ingest.trap_process import Sprung, spring

MIB = 1 << 20
# Over what the imports take by themselves; the largest of these files has 40 MiB.
PEAK = 400 * MIB
# One feature is held whole, up to five million positions of it: half of what a worker may take.
LAST, PEAK_OF_ONE = "S22 too many positions", 768 * MIB
URL = "http://{url}/x"

KML = '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{}</Document></kml>'
PLACE = (
    "<Placemark><name>a</name><description>{}</description><Point><coordinates>4.8,45.7</coordinates>"
    "</Point></Placemark>"
)
GPX = (
    '<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">'
    '<wpt lat="1" lon="1"><name>{}</name></wpt></gpx>'
)
OSM = '<osm version="0.6"><node id="1" lat="45.7" lon="4.8"><tag k="a" v="{}"/></node></osm>'
FILE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
EXTERNAL = f'<!DOCTYPE x SYSTEM "{URL}.dtd">'
ENTITY = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{URL}"><!ENTITY % p SYSTEM "{URL}">%p;]>'
INCLUDE = f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{URL}"/>'
LAUGHS = f'<!DOCTYPE s [<!ENTITY a "{SECRET}"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
LINKS = (
    f"<NetworkLink><Link><href>{URL}.kml</href></Link></NetworkLink>"
    f"<Style id='s'><IconStyle><Icon><href>{URL}.png</href></Icon></IconStyle></Style>"
    + PLACE.format(f"<![CDATA[<img src='{URL}.gif'><a href='javascript:1'>x</a>]]>")
)


FAR_CELL = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    '<row r="1"><c r="A1" t="inlineStr"><is><t>{}</t></is></c></row>'
    '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
)


def book(**parts: bytes) -> bytes:
    """A workbook of two rows; `parts` (`__` is a slash, `_dot_` a dot) replace its own or are added."""
    made = openpyxl.Workbook()
    for row in (["id", "places"], ["B1", 3]):
        made.active.append(row)
    out = io.BytesIO()
    made.save(out)
    with zipfile.ZipFile(out) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    named = {n.replace("__", "/").replace("_dot_", "."): part for n, part in parts.items()}
    return zipped(whole | named)


def linked() -> bytes:
    """A workbook with a link to another one, which its relations name."""
    link = (
        '<externalLink xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
        ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        '<externalBook r:id="rId1"/></externalLink>'
    )
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        f'relationships/externalLinkPath" Target="{URL}.xlsx" TargetMode="External"/></Relationships>'
    )
    rels = "xl__externalLinks___rels__externalLink1_dot_xml_dot_rels"
    return book(
        **{"xl__externalLinks__externalLink1_dot_xml": link.encode(), rels: relations.encode()}
    )


def private() -> bytes:
    """A workbook that says more than its cells: a hidden sheet, comments, a defined name, who wrote
    it."""
    made = openpyxl.Workbook()
    for row in (["id", "places"], ["B1", 3]):
        made.active.append(row)
    hidden = made.create_sheet("agents")
    hidden.append([SECRET])
    hidden.sheet_state = "hidden"
    made.properties.creator = made.properties.lastModifiedBy = made.properties.title = SECRET
    made.active["A2"].comment = openpyxl.comments.Comment(SECRET, SECRET)
    name = openpyxl.workbook.defined_name.DefinedName("agent", attr_text=f'"{SECRET}"')
    made.defined_names["agent"] = name
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def annotated() -> bytes:
    """The same of LibreOffice: a note on a cell, who wrote it, a table that is not displayed."""
    note = f"<office:annotation><dc:creator xmlns:dc='d'>{SECRET}</dc:creator><text:p>{SECRET}</text:p>"
    cell = CELL.replace("<text:p>", note + "</office:annotation><text:p>").format("B1")
    whole = ods(cells("id", "places"), ROW.format("", cell + CELL.format("x")))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    meta = f"<office:document-meta xmlns:office='o'>{SECRET}</office:document-meta>"
    return zipped(parts | {"meta.xml": meta.encode()})


def overlapping() -> bytes:
    """Two entries of one size, both said to begin where the first does."""
    made = bytearray(zipped({"a.csv": b"id\n1\n", ".bcsv": b"id\n1\n"}))
    second = made.rfind(b"PK\x01\x02")
    made[second + 42 : second + 46] = bytes(4)
    return bytes(made)


def linking() -> bytes:
    """An entry that is a symbolic link."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a.csv")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def locked() -> bytes:
    """An entry that is said to be encrypted."""
    made = bytearray(zipped({"a.csv": b"id\n1\n"}))
    made[6] |= 1
    made[made.find(b"PK\x01\x02") + 8] |= 1
    return bytes(made)


def positions(count: int) -> bytes:
    ring = b"[4.8,45.7]," * count + b"[4.8,45.7]"
    return (
        b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":1},'
        b'"geometry":{"type":"MultiPoint","coordinates":[' + ring + b"]}}]}"
    )


def geojson(coordinates: str) -> str:
    return (
        f'{{"type":"FeatureCollection","features":[{{"type":"Feature","properties":{{"id":"{SECRET}"}},'
        f'"geometry":{{"type":"Point","coordinates":{coordinates}}}}}]}}'
    )


def _pbf(at: int, new: bytes) -> bytes:
    content = (DATA / "sample.osm.pbf").read_bytes()
    return content[:at] + new + content[at + len(new) :]


TRAPS: dict[str, tuple[str | bytes, str]] = {
    "S02 overlap": (overlapping(), "archive_overlap"),
    "S05 NUL in a name": (
        zipped({"aXb.csv": b"id\n1\n"}).replace(b"aXb.csv", b"a\x00b.csv"),
        "archive_name",
    ),
    "S05 symbolic link": (linking(), "archive_name"),
    "S06 encrypted zip": (locked(), "encrypted"),
    "S06 macros": (book(xl__vbaProject_dot_bin=b"x"), "macro_not_allowed"),
    "S07 PDF": (f"%PDF-1.7\n{SECRET}\n", "format_unknown"),
    "S07 ELF": (b"\x7fELF\x02\x01\x01" + bytes(60), "format_unknown"),
    "S07 HTML": (f"<!DOCTYPE html><html><body>{SECRET}</body></html>", "format_unknown"),
    "S08 laughs": (
        book(xl__sharedStrings_dot_xml=(LAUGHS + "<sst><si><t>&b;</t></si></sst>").encode()),
        "xml_entity",
    ),
    "S09 KML": (FILE + KML.replace("{}", PLACE.replace("{}", "&e;")), "xml_dtd"),
    "S09 OSM": (FILE + OSM.replace("{}", "&e;"), "xml_dtd"),
    "S09 GPX": (FILE + GPX.replace("{}", "&e;"), "xml_dtd"),
    "S09 ODS": (ods(cells("&e;"), head=FILE), "xml_entity"),
    "S10 KML, DTD": (EXTERNAL + KML, "xml_dtd"),
    "S10 KML, entities": (ENTITY + KML.replace("{}", "&e;"), "xml_dtd"),
    "S10 OSM, entities": (ENTITY + OSM.replace("{}", "&e;"), "xml_dtd"),
    "S10 GPX, entities": (ENTITY + GPX.replace("{}", "&e;"), "xml_dtd"),
    "S10 inclusion": (KML.replace("{}", INCLUDE), "xml_entity"),
    "S11 depth": (KML.replace("{}", "<a>" * MIB), "xml_depth"),
    "S11 attribute": (KML.replace("{}", f'<a b="{"x" * (40 * MIB)}"/>'), "xml_token"),
    "S11 text": (OSM.replace("{}", "x" * (40 * MIB)), "xml_token"),
    "S12 links alone": (KML.replace("{}", LINKS[: LINKS.index("<Placemark")]), "no_rows"),
    "S12 links": (KML.replace("{}", LINKS), "read"),
    "S13 links": (linked(), "read"),
    "S22 off the Earth": (geojson("[4, 999]"), "geometry_unreadable"),
    "S22 infinite": (geojson("[4, 1e999]"), "json_number"),
    "S23 header of 2 GB": (_pbf(0, b"\x7f\xff\xff\xff"), "geo_unreadable"),
    "S23 bad zlib": (_pbf(200, bytes(50)), "geo_unreadable"),
    "S06 encrypted workbook": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
        "encrypted",
    ),
    "S06 XLSB": (book(xl__workbook_dot_bin=SECRET.encode()), "format_unknown"),
    "S07 zip after text": (b"id;places\n" + zipped({"a.csv": b"\0" * 4000}), "format_unknown"),
    "S14 far cell": (
        book(xl__worksheets__sheet1_dot_xml=(FAR_CELL.format(SECRET)).encode()),
        "sheet_too_large",
    ),
    "S16 workbook": (private(), "read"),
    "S16 ODS": (annotated(), "read"),
    "S17 quote in quotes": (f'id;places\n"a "{SECRET}" b";3\n', "quote_misplaced"),
    "S18 two encodings": (
        "id;places\né;1\n".encode() + f"{SECRET} é;2\n".encode("cp1252"),
        "encoding",
    ),
    "S18 stray byte": (
        f"id;places\n{'été;1' * 20}{SECRET}".encode("cp1252") + b"\x81;2\n",
        "encoding",
    ),
    "S18 half of UTF-16": (f"id;places\n{SECRET};2\n".encode("utf-16") + b"\x00", "encoding"),
    "S19 twice in disguise": (
        f"id;{SECRET};{SECRET[:3]}\u200b{SECRET[3:]}\n1;2;3\n",
        "header_twice",
    ),
    "S21 NaN": (f'[{{"id": "{SECRET}", "b": NaN}}]', "json_invalid"),
    "S21 NaN by line": (f'{{"id": "{SECRET}"}}\n{{"id": NaN}}\n', "json_number"),
    "S21 twice by line": (f'{{"id": 1}}\n{{"{SECRET}": 1, "{SECRET}": 2}}\n', "json_key"),
    "S22 crossing itself": (
        geojson("[[[0,0],[1,1],[1,0],[0,1],[0,0]]]").replace('"Point"', '"Polygon"'),
        "geometry_invalid",
    ),
    "S22 another system": (geojson("[842000, 6520000]"), "geometry_unreadable"),
    "S25 pickle": (b"\x80\x04\x95" + SECRET.encode() + bytes(20), "format_unknown"),
    "S25 HDF": (b"\x89HDF\r\n\x1a\n" + SECRET.encode() + bytes(20), "format_unknown"),
    "S25 Arrow": (b"ARROW1\x00\x00" + SECRET.encode() + bytes(20), "format_unknown"),
    "S25 feather": (b"FEA1" + SECRET.encode() + bytes(20), "format_unknown"),
    LAST: (positions(5_000_001), "geometry_too_large"),
}


class Stub(BaseHTTPRequestHandler):
    """Notes that somebody asked."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """What the server was asked for."""
    return []


@pytest.fixture(scope="module")
def sprung(
    tmp_path_factory: pytest.TempPathFactory, asked: list[str]
) -> Iterator[dict[str, Sprung]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        server.asked = asked  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_address[1]}"
        made = {}
        for name, (content, _) in TRAPS.items():
            whole = content.encode() if isinstance(content, str) else content
            made[name] = whole.replace(b"{url}", host.encode())
        yield spring(tmp_path_factory.mktemp("hostile"), made)
        server.shutdown()


@pytest.mark.parametrize("name", TRAPS)
def test_hostile_files(sprung: dict[str, Sprung], name: str) -> None:
    """Stopped for the reason it is one, or read, within memory; no value of it in what is said."""
    assert sprung[name].code == TRAPS[name][1]
    assert sprung[name].peak < (PEAK_OF_ONE if name == LAST else PEAK)
    assert SECRET not in sprung[name].said


def test_nobody_is_called(sprung: dict[str, Sprung], asked: list[str]) -> None:
    """No entity, inclusion, link, icon or workbook elsewhere is fetched."""
    assert sprung
    assert asked == []

"""What a file is, by its content. Names and declared media types are not believed."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Literal

from services.ingest.check_archive import open_archive
from services.ingest.read_limits import ReadLimits
from shared.failures import Quarantined
from shared.messages import Reason

SAMPLE_BYTES = 1 << 16
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# First bytes of what cities send by mistake, and of what attackers send on purpose.
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PAR1", "parquet"),
    (b"PARE", "encrypted"),
    (b"ARROW1", "arrow"),
    (b"FEA1", "arrow"),
    (b"\x00\x00\x27\x0a", "shapefile_alone"),
    (b"\x89HDF\r\n\x1a\n", "hdf"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"{\\rtf", "rtf"),
    (b"%!PS", "postscript"),
    (b"\x80\x04\x95", "pickle"),
    # Web pages and SYLK, which some programs export under the name of a workbook. A delimited text may
    # begin with ID;P as well.
    (b"MIME-Version:", "mhtml"),
    (b"ID;PWXL", "sylk"),
    (b"ID;PSCALC", "sylk"),
    (b"ID;PCALC", "sylk"),
)
_SQLITE = b"SQLite format 3\x00"
_GEOPACKAGE = (b"GPKG", b"GP10", b"GP11")
# A blob's header, of which this is the first field (OSM PBF format, `BlobHeader.type`).
_PBF = b"\x0a\x09OSMHeader"
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|table|script)\b", re.IGNORECASE)
_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")
_ROOTS = {b"kml": "kml", b"gpx": "gpx", b"osm": "osm"}
# Workbooks of one XML file (Excel 2003, flat OpenDocument): told apart, and not read.
_FLAT = {
    b"urn:schemas-microsoft-com:office:spreadsheet": "excel_2003_xml",
    b"urn:oasis:names:tc:opendocument:xmlns:office": "flat_opendocument",
}
_JSON = re.compile(rb'\{\s*["}]|\[\s*[\[{"\]]')
_FEATURE = re.compile(rb'"type"\s*:\s*"Feature(?:Collection)?"')
# Its shapes are arcs that stand elsewhere in the file: as rows they would mean nothing.
_TOPOLOGY = re.compile(rb'"type"\s*:\s*"Topology"')
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
# Control characters that no text holds; NUL is told apart, for it has a reason of its own.
_BINARY = bytes(range(1, 9)) + bytes(range(14, 27)) + bytes(range(28, 32)) + b"\x7f"


def detect_format(source: Path, limits: ReadLimits) -> str:
    """A `SourceFormat`, or a word for what it is else: `gzip`, `zip`, `kmz`, `pdf`…

    Raises Quarantined: `no_rows` for an empty file, `encrypted`, `macro_not_allowed`, `encoding` for
    JSON that is not UTF-8, and the reasons of `open_archive` for a damaged or hostile zip.
    """
    with source.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    if not head:
        raise Quarantined(Reason(code="no_rows", detail="empty_file"))
    found = _by_magic(source, head, limits) or _by_text(head)
    if found in ("json", "geojson") and len(head) == SAMPLE_BYTES:
        longest = limits.row_bytes + limits.json_string_bytes
        found = "ndjson" if _objects_by_line(source, longest) else found
    if found == "encrypted":
        raise Quarantined(Reason(code="encrypted"))
    return found


def _by_magic(source: Path, head: bytes, limits: ReadLimits) -> str | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(source, limits)
    if head.startswith(_OLE):
        return _compound(source)
    # ISO 32000 readers accept the header anywhere in the first 1024 bytes.
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(_SQLITE):
        return "geopackage" if head[68:72] in _GEOPACKAGE else "sqlite"
    if head[4 : 4 + len(_PBF)] == _PBF:
        return "osm_pbf"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def _by_text(head: bytes) -> str:
    if head.startswith(_UTF16_BOMS) or (wide := looks_like_utf16(head)):
        encoding = "utf-16" if head.startswith(_UTF16_BOMS) else wide or "utf-16"
        start = head[:1024].decode(encoding, "ignore").lstrip()
        if _JSON.match(start.encode("utf-8", "ignore")):
            # RFC 8259, 8.1: JSON is UTF-8.
            raise Quarantined(Reason(code="encoding", expected="utf-8", line=1, count=1))
        return "csv"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        root = _ROOT.search(re.sub(rb"<[?!].*?>", b"", text, flags=re.DOTALL))
        if root and root[1] in _ROOTS:
            return _ROOTS[root[1]]
        if root and root[1] in (b"Workbook", b"document"):
            return next((kind for space, kind in _FLAT.items() if space in text), "xml")
        return "html" if _HTML.search(text[:2048]) else "xml"
    if _JSON.match(text):
        return _json(text)
    unprintable = len(head) - len(head.translate(None, _BINARY))
    if unprintable > len(head) // 50 or head.count(0) > len(head) // 50:
        return "binary"
    return "csv"


def _json(text: bytes) -> str:
    """JSON, GeoJSON (RFC 7946), or one object a line."""
    if text.startswith(b"{"):
        try:
            first, end = json.JSONDecoder().raw_decode(text.decode("utf-8", "ignore"))
            if isinstance(first, dict) and text.decode("utf-8", "ignore")[end:].strip():
                return "ndjson"
        except (ValueError, RecursionError):
            pass  # One object longer than the sample, or none: the reader says which.
        if _TOPOLOGY.search(text) and b'"arcs"' in text:
            return "topojson"
    return "geojson" if _FEATURE.search(text) else "json"


def _objects_by_line(source: Path, longest: int) -> bool:
    """Whether a first line longer than the sample is an object, and another one follows."""
    with source.open("rb") as file:
        first, second = file.readline(longest), file.read(1)
    return second == b"{" and is_object(first)


def is_object(text: bytes) -> bool:
    """Whether the bytes are one JSON object, whole."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def looks_like_utf16(head: bytes) -> Literal["utf-16-le", "utf-16-be"] | None:
    """UTF-16 without its mark: in text mostly Latin every other byte is zero."""
    pairs = len(head) // 2
    if pairs < 4:
        return None
    even, odd = head[0 : pairs * 2 : 2].count(0), head[1 : pairs * 2 : 2].count(0)
    if odd > pairs * 0.4 and even < pairs * 0.05:
        return "utf-16-le"
    if even > pairs * 0.4 and odd < pairs * 0.05:
        return "utf-16-be"
    return None


def _zipped(source: Path, limits: ReadLimits) -> str:
    with open_archive(source, limits) as archive:
        names = {info.filename for info in archive.infolist()}
        lower = {name.lower() for name in names}
        if "[Content_Types].xml" not in names:
            if "content.xml" in names and "mimetype" in names:
                return _open_document(archive)
            if any(name.endswith(".iwa") for name in lower):
                return "apple_iwork"
            if any(name.endswith(".shp") for name in lower):
                return "shapefile"
            return "kmz" if any(name.endswith(".kml") for name in lower) else "zip"
        if any(
            name.endswith("vbaproject.bin") or name.startswith("xl/macrosheets/") for name in lower
        ):
            raise Quarantined(Reason(code="macro_not_allowed"))
        if "xl/workbook.bin" in names:
            return "xlsb"
        return "xlsx" if "xl/workbook.xml" in names else "office_document"


def _open_document(archive: zipfile.ZipFile) -> str:
    try:
        with archive.open("mimetype") as entry:
            kind = entry.read(100)
    except (zipfile.BadZipFile, RuntimeError, OSError, EOFError, ValueError):
        raise Quarantined(Reason(code="archive_damaged")) from None
    return "ods" if b"opendocument.spreadsheet" in kind else "office_document"


def _compound(source: Path) -> str:
    """OLE compound files: legacy Excel, or an encrypted workbook (MS-OFFCRYPTO, MS-OVBA)."""
    marks = {
        "EncryptedPackage".encode("utf-16-le"): "encrypted",
        "_VBA_PROJECT".encode("utf-16-le"): "macro_not_allowed",
    }
    with source.open("rb") as file:
        tail = b""
        while chunk := file.read(1 << 20):
            for mark, code in marks.items():
                if mark in tail + chunk:
                    raise Quarantined(Reason(code=code))
            tail = chunk[-64:]
    return "xls"

"""What a file is, by its content. Names and declared media types are not believed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args

from services.ingest.check_archive import open_archive
from services.ingest.read_limits import ReadLimits
from shared.failures import Quarantined
from shared.messages import Reason

SourceFormat = Literal["csv", "xlsx"]

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
    (b"ARROW1", "arrow"),
    (b"FEA1", "arrow"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"\x89HDF\r\n\x1a\n", "hdf"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"{\\rtf", "rtf"),
    (b"%!PS", "postscript"),
)
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|table|script)\b", re.IGNORECASE)
_JSON = re.compile(rb'\{\s*["}]|\[\s*[\[{"\]]')
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
# Control characters that no text holds; NUL is told apart, for it has a reason of its own.
_BINARY = bytes(range(1, 9)) + bytes(range(14, 27)) + bytes(range(28, 32)) + b"\x7f"


def detect_format(source: Path, declared: SourceFormat | None, limits: ReadLimits) -> SourceFormat:
    """`csv` (any delimited text) or `xlsx`.

    Raises Quarantined: `no_rows` for an empty file, `encrypted`, `macro_not_allowed`,
    `format_mismatch` when the card declares another format, `format_unknown` for anything else,
    and the reasons of `check_archive` for a damaged or hostile zip.
    """
    with source.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    if not head:
        raise Quarantined(Reason(code="no_rows", detail="empty_file"))
    found = _found(source, head, limits)
    if declared is not None and found != declared:
        raise Quarantined(Reason(code="format_mismatch", expected=declared, found=found))
    for accepted in get_args(SourceFormat):
        if found == accepted:
            format_: SourceFormat = accepted
            return format_
    raise Quarantined(Reason(code="format_unknown", found=found))


def _found(source: Path, head: bytes, limits: ReadLimits) -> str:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(source, limits)
    if head.startswith(_OLE):
        return _compound(source)
    # ISO 32000 readers accept the header anywhere in the first 1024 bytes.
    if b"%PDF-" in head[:1024]:
        return "pdf"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head.startswith(_UTF16_BOMS) or looks_like_utf16(head):
        return "csv"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return "html" if _HTML.search(text[:2048]) else "xml"
    if _JSON.match(text):
        return "json"
    unprintable = len(head) - len(head.translate(None, _BINARY))
    if unprintable > len(head) // 50 or head.count(0) > len(head) // 50:
        return "binary"
    return "csv"


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
        if "[Content_Types].xml" not in names:
            return "ods" if "content.xml" in names and "mimetype" in names else "zip"
        if any(name.lower().endswith("vbaproject.bin") for name in names) or any(
            name.lower().startswith("xl/macrosheets/") for name in names
        ):
            raise Quarantined(Reason(code="macro_not_allowed"))
        if "xl/workbook.bin" in names:
            return "xlsb"
        return "xlsx" if "xl/workbook.xml" in names else "office_document"


def _compound(source: Path) -> str:
    """OLE compound files: legacy Excel, or an encrypted workbook (MS-OFFCRYPTO)."""
    encrypted = "EncryptedPackage".encode("utf-16-le")
    with source.open("rb") as file:
        tail = b""
        while chunk := file.read(1 << 20):
            if encrypted in tail + chunk:
                raise Quarantined(Reason(code="encrypted"))
            tail = chunk[-len(encrypted) :]
    return "xls"

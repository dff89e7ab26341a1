"""What a source is, by its content: its name and its sender's word do not count.

Untrusted containers are measured before anything parses them: what an entry says of its own size is
not believed, what comes out of it is counted.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shared.failures import Quarantined
from shared.messages import Reason

MIB = 2**20
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BINARY = {
    b"%PDF": "PDF",
    b"\x7fELF": "ELF",
    b"PAR1": "Parquet",
    b"\x1f\x8b": "gzip",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"SQLite format 3": "SQLite",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "RAR",
}
_MARKUP = re.compile(rb"^\s*<(!doctype|html|\?xml|svg)", re.IGNORECASE)
_ENTITY = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


@dataclass(frozen=True)
class ReadLimits:
    """What a source may ask of us (defaults of the project's limits)."""

    cell_bytes: int = 1 * MIB
    row_bytes: int = 8 * MIB
    columns: int = 4096
    packed_bytes: int = 200 * MIB
    unpacked_bytes: int = 2048 * MIB
    ratio: int = 150
    entries: int = 10_000
    sheets: int = 100
    reasons: int = 100


def detect_format(source: Path, limits: ReadLimits) -> Literal["csv", "xlsx"]:
    """`csv` (any delimited text) or `xlsx`. Raises Quarantined for anything else."""
    with source.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise Quarantined(Reason(code="no_rows"))
    if head.startswith(_OLE):
        with source.open("rb") as file:
            packed = "EncryptedPackage".encode("utf-16-le") in file.read(4 * MIB)
        raise Quarantined(
            Reason(code="encrypted") if packed else Reason(code="format_unknown", detail="XLS")
        )
    if head.startswith(b"PK"):
        return _workbook(source, limits)
    for magic, name in _BINARY.items():
        if head.startswith(magic):
            raise Quarantined(Reason(code="format_unknown", detail=name))
    if _MARKUP.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise Quarantined(Reason(code="format_unknown", detail="HTML/XML"))
    if head.lstrip()[:1] in (b"{", b"["):
        raise Quarantined(Reason(code="format_unknown", detail="JSON"))
    return "csv"


def _workbook(source: Path, limits: ReadLimits) -> Literal["xlsx"]:
    if source.stat().st_size > limits.packed_bytes:
        raise Quarantined(Reason(code="archive_too_large", limit=limits.packed_bytes))
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries}
            if len(entries) > limits.entries:
                raise Quarantined(Reason(code="archive_entries", limit=limits.entries))
            if any(entry.flag_bits & 1 for entry in entries):
                raise Quarantined(Reason(code="encrypted"))
            if "xl/workbook.bin" in names or any("vbaProject" in name for name in names):
                raise Quarantined(Reason(code="macro_not_allowed"))
            if "xl/workbook.xml" not in names:
                raise Quarantined(Reason(code="format_unknown", detail="ZIP"))
            _check_overlap(entries)
            _measure(archive, entries, limits)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, OSError):
        raise Quarantined(Reason(code="archive_damaged")) from None
    except (RuntimeError, ValueError):
        raise Quarantined(Reason(code="archive_damaged")) from None
    return "xlsx"


def _check_overlap(entries: list[zipfile.ZipInfo]) -> None:
    """Entries that share bytes make a small file unpack to a huge one."""
    end = 0
    for entry in sorted(entries, key=lambda one: one.header_offset):
        if entry.header_offset < end:
            raise Quarantined(Reason(code="archive_overlap"))
        end = entry.header_offset + entry.compress_size


def _measure(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: ReadLimits) -> None:
    total = 0
    for entry in entries:
        size, tail = 0, b""
        with archive.open(entry) as content:
            while part := content.read(MIB):
                size += len(part)
                total += len(part)
                if total > limits.unpacked_bytes:
                    raise Quarantined(Reason(code="archive_too_large", limit=limits.unpacked_bytes))
                if size > MIB and size > limits.ratio * max(entry.compress_size, 1):
                    raise Quarantined(Reason(code="archive_ratio", limit=limits.ratio))
                if entry.filename.endswith((".xml", ".rels")) and _ENTITY.search(tail + part):
                    raise Quarantined(Reason(code="xml_entity"))
                tail = part[-16:]

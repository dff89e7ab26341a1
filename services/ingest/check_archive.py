"""Checks a zip before a parser sees it, and unpacks what is wanted of it: sizes, overlaps, names, XML.

Sizes are counted while inflating: those in the headers belong to whoever wrote the file. DTDs and
entities have no place in Office Open XML (ECMA-376 part 2, 8.1.4) and are refused wherever found.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from services.ingest.check_xml import XmlCheck
from services.ingest.ods_extent import OdsExtent
from services.ingest.read_limits import ReadLimits
from shared.failures import Quarantined
from shared.messages import Reason

# The checks look at each block several times: it stays in the processor's cache.
_CHUNK = 1 << 18
# So much of the largest entry is checked before anything else may read the archive.
_LEAD_BYTES = 4 << 20
_EOCD = struct.Struct("<4s4H2LH")
_EOCD64_LOCATOR = struct.Struct("<4sLQL")
_EOCD64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED_FLAG = 0x1
_SYMLINK = 0o120000


@dataclass(frozen=True, slots=True)
class CheckedArchive:
    """What the check counted over all entries."""

    unpacked_bytes: int
    error_cells: int
    uncomputed: int
    external_links: int
    ods_marks: int = 0


NO_ARCHIVE = CheckedArchive(0, 0, 0, 0)


def open_archive(source: Path, limits: ReadLimits) -> zipfile.ZipFile:
    """The zip at `source`, its directory bounded and its names checked; nothing inflated yet.

    Raises Quarantined: `archive_too_large`, `archive_entries`, `archive_name`, `encrypted`,
    `archive_damaged`.
    """
    if source.stat().st_size > limits.archive_bytes:
        raise Quarantined(
            Reason(code="archive_too_large", limit=limits.archive_bytes, detail="packed")
        )
    with source.open("rb") as file:
        entries, directory_bytes = _directory(file)
    if entries > limits.entries or directory_bytes > limits.entries * 1024:
        raise Quarantined(Reason(code="archive_entries", limit=limits.entries))
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError):
        raise Quarantined(Reason(code="archive_damaged")) from None
    try:
        _check_names(archive.infolist(), limits)
    except Quarantined:
        archive.close()
        raise
    return archive


NOTHING_WANTED: Mapping[str, Path] = {}


def check_archive(
    source: Path,
    limits: ReadLimits,
    wanted: Mapping[str, Path] = NOTHING_WANTED,
    *,
    begin: Callable[[], object] | None = None,
) -> CheckedArchive:
    """Inflates every entry once; those `wanted`, by name, are written where it says.

    The largest comes last. Where it is long, `begin` is called once all others and its beginning
    have passed: what reads the archive may start, and is to be abandoned if this raises.

    Raises Quarantined: those of `open_archive`, `archive_overlap`, `archive_ratio`,
    `archive_too_large`, `xml_dtd`, `xml_entity`, `xml_depth`, `xml_attributes`, `xml_token`,
    `sheet_too_large`.
    """
    counted = CheckedArchive(0, 0, 0, 0)
    with open_archive(source, limits) as archive, source.open("rb") as file:
        infos = archive.infolist()
        starts = _data_starts(file, infos, archive.start_dir)
        entries = sorted(zip(infos, starts, strict=True), key=lambda entry: entry[0].file_size)
        for info, _ in entries:
            if info.file_size > max(info.compress_size, 1) * limits.ratio:
                raise Quarantined(Reason(code="archive_ratio", limit=limits.ratio))
        for info, start in entries:
            chunks = _kept(_inflate(file, info, start), wanted.get(info.filename))
            last = info is entries[-1][0]
            counted = _check_entry(info, chunks, counted, limits, begin if last else None)
    return counted


def _check_entry(
    info: zipfile.ZipInfo,
    chunks: Iterator[bytes],
    counted: CheckedArchive,
    limits: ReadLimits,
    begin: Callable[[], object] | None,
) -> CheckedArchive:
    """What was counted before this entry, and in it."""
    name = info.filename.lower()
    xml = XmlCheck(limits, sheet=name.startswith("xl/worksheets/"))
    is_xml = name.endswith((".xml", ".rels", ".vml"))
    sheets = OdsExtent(limits) if name == "content.xml" else None
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max(info.compress_size, 1) * limits.ratio:
            raise Quarantined(Reason(code="archive_ratio", limit=limits.ratio))
        if counted.unpacked_bytes + size > limits.unpacked_bytes:
            raise Quarantined(
                Reason(code="archive_too_large", limit=limits.unpacked_bytes, detail="unpacked")
            )
        if is_xml:
            xml.feed(chunk)
        if sheets:
            sheets.feed(chunk)
        if begin and size > _LEAD_BYTES:
            begin()
            begin = None
    return CheckedArchive(
        counted.unpacked_bytes + size,
        counted.error_cells + xml.error_cells + (sheets.error_cells if sheets else 0),
        counted.uncomputed + xml.uncomputed + (sheets.uncomputed if sheets else 0),
        counted.external_links + (name.startswith("xl/externallinks/") and name.endswith(".xml")),
        counted.ods_marks + (sheets.marks if sheets else 0),
    )


def _kept(chunks: Iterator[bytes], to: Path | None) -> Iterator[bytes]:
    """The same chunks, each written once whoever takes them has let it pass."""
    with ExitStack() as opened:
        file = opened.enter_context(to.open("wb")) if to else None
        for chunk in chunks:
            yield chunk
            if file:
                file.write(chunk)


def _directory(file: BinaryIO) -> tuple[int, int]:
    """Entries and bytes that the end-of-directory record claims (APPNOTE 4.3.16, 4.3.14)."""
    end = file.seek(0, 2)
    tail_start = max(0, end - (1 << 16) - _EOCD.size)
    file.seek(tail_start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + _EOCD.size:
        raise Quarantined(Reason(code="archive_damaged"))
    _, _, _, _, entries, size, offset, _ = _EOCD.unpack_from(tail, at)
    if entries == 0xFFFF or size == 0xFFFFFFFF or offset == 0xFFFFFFFF:
        locator_at = at - _EOCD64_LOCATOR.size
        if locator_at < 0 or tail[locator_at : locator_at + 4] != b"PK\x06\x07":
            return entries, size
        _, _, where, _ = _EOCD64_LOCATOR.unpack_from(tail, locator_at)
        file.seek(min(where, end))
        record = file.read(_EOCD64.size)
        if len(record) < _EOCD64.size or record[:4] != b"PK\x06\x06":
            raise Quarantined(Reason(code="archive_damaged"))
        fields = _EOCD64.unpack(record)
        return fields[7], fields[8]
    return entries, size


def _check_names(infos: list[zipfile.ZipInfo], limits: ReadLimits) -> None:
    if len(infos) > limits.entries:
        raise Quarantined(Reason(code="archive_entries", limit=limits.entries))
    seen: set[str] = set()
    for info in infos:
        name = info.orig_filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        unsafe = (
            len(name.encode("utf-8", "surrogatepass")) > limits.entry_name_bytes
            or "\x00" in name
            or name.startswith(("/", "\\"))
            or name[1:2] == ":"
            or ".." in parts
            or (info.external_attr >> 16) & 0o170000 == _SYMLINK
            or info.filename in seen
        )
        if unsafe:
            raise Quarantined(Reason(code="archive_name"))
        if info.flag_bits & _ENCRYPTED_FLAG:
            raise Quarantined(Reason(code="encrypted"))
        seen.add(info.filename)


def _data_starts(file: BinaryIO, infos: list[zipfile.ZipInfo], directory: int) -> list[int]:
    """Where each entry's bytes begin. Entries that share bytes are how small bombs grow big."""
    starts: list[int] = []
    spans: list[tuple[int, int]] = []
    for info in infos:
        if not 0 <= info.header_offset < directory:
            raise Quarantined(Reason(code="archive_damaged"))
        file.seek(info.header_offset)
        header = file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
            raise Quarantined(Reason(code="archive_damaged"))
        *_, name_bytes, extra_bytes = _LOCAL.unpack(header)
        start = info.header_offset + _LOCAL.size + name_bytes + extra_bytes
        starts.append(start)
        spans.append((info.header_offset, start + info.compress_size))
    spans.sort()
    ends = [*(begin for begin, _ in spans[1:]), directory]
    if any(end > limit for (_, end), limit in zip(spans, ends, strict=True)):
        raise Quarantined(Reason(code="archive_overlap"))
    return starts


def _inflate(file: BinaryIO, info: zipfile.ZipInfo, start: int) -> Iterator[bytes]:
    """The entry's bytes as they truly inflate, at most `_CHUNK` at a time, to its end: one that
    stops before, or whose checksum is another (APPNOTE 4.4.7), is damaged."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Quarantined(Reason(code="archive_damaged", detail="compression"))
    file.seek(start)
    left = info.compress_size
    crc = 0
    stored = info.compress_type == zipfile.ZIP_STORED
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while left and not inflater.eof:
        packed = file.read(min(left, _CHUNK))
        if not packed:
            raise Quarantined(Reason(code="archive_damaged"))
        left -= len(packed)
        while packed and not inflater.eof:
            part = packed if stored else _inflated(inflater, packed)
            crc = zlib.crc32(part, crc)
            yield part
            packed = b"" if stored else inflater.unconsumed_tail
    # What the limit held back of bytes that are all read in.
    while not (stored or inflater.eof) and (part := _inflated(inflater, b"")):
        crc = zlib.crc32(part, crc)
        yield part
    if crc != info.CRC or not (stored or inflater.eof):
        raise Quarantined(Reason(code="archive_damaged"))


def _inflated(inflater: zlib._Decompress, packed: bytes) -> bytes:
    try:
        return inflater.decompress(packed, _CHUNK)
    except zlib.error:
        raise Quarantined(Reason(code="archive_damaged")) from None

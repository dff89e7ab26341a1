"""Takes a source out of its wrapping: gzip, or a zip that holds one file. One level, no more.

What comes out lies under names of ours: those in an archive belong to whoever wrote it.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple, get_args

from services.ingest.check_archive import check_archive, open_archive
from services.ingest.detect_format import detect_format
from services.ingest.read_limits import ReadLimits
from shared.card_source import SourceFormat
from shared.failures import Quarantined
from shared.messages import Reason

_CHUNK = 1 << 18
_WRAPPED = frozenset({"gzip", "zip", "kmz", "shapefile"})
_SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg")
# What operating systems leave in archives.
_LITTER = frozenset({"thumbs.db", "desktop.ini"})


class Unwrapped(NamedTuple):
    """A file to read and what it is. A shapefile's other parts lie beside it."""

    path: Path
    format: SourceFormat
    # Other documents of a KMZ.
    unread: int = 0


def unwrap(
    source: Path, declared: SourceFormat | None, limits: ReadLimits, work: Path
) -> Unwrapped:
    """The file to read, unpacked into the folder `work` if need be.

    Raises Quarantined: `format_unknown`, or `format_mismatch` where the card declares a format,
    `archive_content` when there is not one file to choose, `archive_depth` for an archive in an
    archive, the reasons of `detect_format` and `check_archive`.
    """
    found = detect_format(source, limits)
    if found not in _WRAPPED:
        return Unwrapped(source, _known(found, declared))
    inner = work / "inner"
    if found == "shapefile":
        return Unwrapped(_shapefile(source, limits, work), "shapefile")
    if found == "gzip":
        _gunzip(source, inner, limits)
    else:
        check_archive(source, limits, {_only(source, found, limits): inner})
    unread = len(_documents(source, limits)) - 1 if found == "kmz" else 0
    within = detect_format(inner, limits)
    if within in _WRAPPED:
        raise Quarantined(Reason(code="archive_depth"))
    return Unwrapped(inner, _known(within, declared), unread)


def _known(found: str, declared: SourceFormat | None) -> SourceFormat:
    for accepted in get_args(SourceFormat):
        if found == accepted:
            known: SourceFormat = accepted
            return known
    if declared is not None:
        raise Quarantined(Reason(code="format_mismatch", expected=declared, found=found))
    raise Quarantined(Reason(code="format_unknown", found=found))


def _names(source: Path, limits: ReadLimits) -> list[str]:
    with open_archive(source, limits) as archive:
        return [info.filename for info in archive.infolist() if _meant(info)]


def _meant(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename)
    return not (
        info.is_dir()
        or path.parts[0] == "__MACOSX"
        or path.name.startswith(".")
        or path.name.lower() in _LITTER
    )


def _only(source: Path, found: str, limits: ReadLimits) -> str:
    """The one file of a zip; of a KMZ its main document, the first (OGC 12-007r2, 6.3)."""
    names = _names(source, limits)
    if found == "kmz":
        names = _documents(source, limits)
        names = [name for name in names if "/" not in name][:1] or names[:1]
    if len(names) != 1:
        raise Quarantined(Reason(code="archive_content", count=len(names)))
    return names[0]


def _documents(source: Path, limits: ReadLimits) -> list[str]:
    return [name for name in _names(source, limits) if name.lower().endswith(".kml")]


def _shapefile(source: Path, limits: ReadLimits, work: Path) -> Path:
    names = _names(source, limits)
    shapes = [name for name in names if name.lower().endswith(".shp")]
    if len(shapes) != 1:
        raise Quarantined(Reason(code="archive_content", count=len(shapes)))
    stem = shapes[0][: -len(".shp")].lower()
    parts = {name: name.lower().removeprefix(stem) for name in names}
    wanted = {name: work / f"layer{end}" for name, end in parts.items() if end in _SHAPEFILE}
    if not {".shx", ".dbf"} <= set(parts.values()):
        raise Quarantined(Reason(code="shapefile_incomplete"))
    check_archive(source, limits, wanted)
    return work / "layer.shp"


def _gunzip(source: Path, to: Path, limits: ReadLimits) -> None:
    """Counts what comes out, whatever the trailer says. Files put end to end are one (RFC 1952)."""
    unpacked = packed = 0
    inflater = zlib.decompressobj(wbits=31)
    with source.open("rb") as file, to.open("wb") as out:
        while chunk := file.read(_CHUNK):
            packed += len(chunk)
            while chunk:
                if inflater.eof:
                    if not chunk.strip(b"\x00"):
                        break  # padding, as tape and some servers add
                    inflater = zlib.decompressobj(wbits=31)
                try:
                    part = inflater.decompress(chunk, _CHUNK)
                except zlib.error:
                    raise Quarantined(Reason(code="archive_damaged")) from None
                chunk = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
                unpacked += len(part)
                if unpacked > packed * limits.ratio:
                    raise Quarantined(Reason(code="archive_ratio", limit=limits.ratio))
                if unpacked > limits.gzip_bytes:
                    limit = limits.gzip_bytes
                    raise Quarantined(
                        Reason(code="archive_too_large", limit=limit, detail="unpacked")
                    )
                out.write(part)
        while not inflater.eof and (part := inflater.decompress(inflater.unconsumed_tail, _CHUNK)):
            out.write(part)
    if not inflater.eof:
        raise Quarantined(Reason(code="archive_damaged"))

"""Everything of a release in one ZIP file, for those who want a single download."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from services.convert.written_file import CountingWriter, WrittenFile
from services.convert.zip_stream import ZipStream

# These are compressed already.
_PACKED = {"parquet", "xlsx", "ods", "kmz", "geoparquet", "pmtiles"}
_PART = 2**20


def make_archive(path: Path, files: Sequence[WrittenFile]) -> WrittenFile:
    """The files under their own names, in their order."""
    out = CountingWriter(path)
    archive = ZipStream(out)
    for file in files:
        stored = file.format in _PACKED
        member = archive.open(file.name, size=file.bytes, stored=stored)
        with member, file.path.open("rb") as source:
            shutil.copyfileobj(source, member, _PART)
    archive.close()
    return WrittenFile(
        name=path.name,
        format="zip",
        media_type="application/zip",
        path=path,
        bytes=out.bytes,
        sha256=out.sha256,
        rows=None,
    )

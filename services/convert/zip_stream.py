"""A ZIP file written from start to end, the same bytes for the same content: its times are fixed."""

from __future__ import annotations

import zipfile
from typing import IO

from services.convert.written_file import CountingWriter

# The earliest that the format knows: a ZIP file has no way to leave a time out.
EPOCH = (1980, 1, 1, 0, 0, 0)
ZIP64_FROM = 2**30
_UNIX = 3  # else a member says which system wrote it


class ZipStream:
    """Writes members one after another into a file that is never read back."""

    def __init__(self, out: CountingWriter) -> None:
        self._out = out
        self._zip = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED)  # type: ignore[arg-type,unused-ignore]  # writes, never seeks
        self._member: IO[bytes] | None = None
        out.helped_by(self._forget)

    def add(self, name: str, content: bytes, *, stored: bool = False) -> None:
        """A small member; `stored` leaves it uncompressed."""
        self._zip.writestr(_info(name, stored=stored), content)

    def open(self, name: str, *, size: int = 0, stored: bool = False) -> IO[bytes]:
        """A member to be written in parts and closed; `size` is about how many bytes it will be."""
        self._member = self._zip.open(
            _info(name, stored=stored), "w", force_zip64=size > ZIP64_FROM
        )
        return self._member

    def close(self) -> None:
        self._zip.close()
        self._out.close()

    def _forget(self) -> None:
        """Ends what is open, or it would complain of it later; the file is abandoned."""
        if self._member is not None:
            self._member.close()
        self._zip.close()


def _info(name: str, *, stored: bool) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    info.create_system = _UNIX
    info.external_attr = 0o644 << 16
    return info

"""A file of a release, its size and SHA-256 reckoned while it is written."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shared.formats import FORMATS


@dataclass(frozen=True)
class WrittenFile:
    """A file on the spool: what it is called, what it is, its bytes, checksum and rows."""

    name: str
    format: str
    media_type: str
    path: Path
    bytes: int
    sha256: str
    rows: int | None


class CountingWriter(io.RawIOBase):
    """A binary file that knows its size and SHA-256; it is written once, from start to end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = 0
        self._digest = hashlib.sha256()
        # A file of its own: who reads along the one that was there must not go on with this one.
        path.unlink(missing_ok=True)
        self._file = path.open("xb")
        self._abandoned = False
        self._helpers: list[Callable[[], None]] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]  # any buffer: bytes, pyarrow's, polars'
        if self._abandoned:
            return view.nbytes
        self._digest.update(view)
        self.bytes += view.nbytes
        self._file.write(view)
        return view.nbytes

    def tell(self) -> int:
        return self.bytes

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    @property
    def sha256(self) -> str:
        """Of what was written so far."""
        return self._digest.hexdigest()

    def helped_by(self, stop: Callable[[], None]) -> None:
        """Some thread or program helps to write it; `stop` ends it when the file is abandoned."""
        self._helpers.append(stop)

    def abandon(self) -> None:
        """Deletes the file; what a ZIP writer still says when it is forgotten goes nowhere."""
        self._abandoned = True
        while self._helpers:
            self._helpers.pop()()
        self._file.close()
        self.path.unlink(missing_ok=True)

    def written(self, name: str, form: str, rows: int | None) -> WrittenFile:
        """What was written, once it is closed."""
        return WrittenFile(
            name=name,
            format=form,
            media_type=FORMATS[form].media_type,
            path=self.path,
            bytes=self.bytes,
            sha256=self.sha256,
            rows=rows,
        )


def write_small(path: Path, content: bytes) -> WrittenFile:
    """A file beside the data, written whole; its format is what its name ends with."""
    path.write_bytes(content)
    form = path.suffix.removeprefix(".")
    return WrittenFile(
        name=path.name,
        format=form,
        media_type=_BESIDE[form],
        path=path,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        rows=None,
    )


_BESIDE = {"json": "application/json", "geojson": "application/geo+json", "md": "text/markdown"}

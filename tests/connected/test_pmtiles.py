"""PMTiles under the eyes of the program of the format's makers, and tile by tile."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import numpy as np
import pytest
import shapely
from pmtiles.reader import MmapSource, all_tiles

from services.convert.geometry import Shapes
from tests.connected.pmtiles_program import PROGRAM
from tests.services.convert.tables import convert, file
from tests.services.convert.test_awkward_data import AWKWARD
from tests.services.convert.test_geometry_formats import MIXED, located

SPOTS = np.random.default_rng(3).uniform([-179, -80], [179, 80], (3000, 2))
KINDS: dict[str, Shapes] = {
    "points": shapely.points(SPOTS),
    "lines": shapely.linestrings(SPOTS.reshape(1500, 2, 2)),
    "areas": shapely.buffer(shapely.points(SPOTS), 0.5),
    "one": MIXED[:1],
    "one meridian": shapely.points([[4.0, 45], [4, 46]]),
    "all sorts": MIXED,
}


def verify(archive: Path) -> tuple[int, str]:
    command = [str(PROGRAM.binary()), "verify", str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_the_archive_is_as_it_says(tmp_path: Path, kind: str) -> None:
    """Header, directories, counts, extent and levels agree; each tile can be unpacked."""
    convert(located(KINDS[kind]), tmp_path, "pmtiles")
    archive = file(tmp_path, "pmtiles")
    code, said = verify(archive)
    assert code == 0, said
    with archive.open("rb") as opened:
        tiles = [gzip.decompress(tile) for _, tile in all_tiles(MmapSource(opened))]
    assert tiles
    assert all(tiles)


def test_awkward_data_too(tmp_path: Path) -> None:
    """Whatever they hold."""
    convert(AWKWARD, tmp_path, "pmtiles")
    code, said = verify(file(tmp_path, "pmtiles"))
    assert code == 0, said


def test_a_damaged_archive_is_found(tmp_path: Path) -> None:
    """So that the others tell something: a byte of the header, and the last bytes, are others."""
    convert(located(KINDS["points"]), tmp_path, "pmtiles")
    archive = file(tmp_path, "pmtiles")
    content = archive.read_bytes()
    # Byte 72: how many tiles are addressed.
    for damaged in (content[:72] + b"\xff" + content[73:], content[:-9]):
        archive.write_bytes(damaged)
        assert verify(archive)[0] != 0

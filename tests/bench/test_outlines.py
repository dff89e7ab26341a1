"""The outlines that maps are measured with, as they are where npm is missing."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import shapely

from bench import outlines
from bench.convert_tables import make_polygons


@pytest.mark.parametrize("count", [100, 1000])
def test_outlines_are_repeated_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """So many valid polygons within the world, each with its name; no copy lies on another."""
    monkeypatch.setattr(outlines, "_municipalities", lambda: None)
    assert make_polygons(tmp_path / "t.parquet", count) == "countries drawn small"
    table = pq.read_table(tmp_path / "t.parquet")
    shapes = shapely.from_wkb(table["geom"].to_numpy())
    assert len(shapes) == count
    assert shapely.is_valid(shapes).all()
    west, south, east, north = shapely.total_bounds(shapes)
    assert (west >= -180, east <= 180, south >= -90, north <= 90) == (True,) * 4
    assert len(set(shapely.to_wkb(shapely.centroid(shapes)))) == count
    assert "France" in table["nom"].to_pylist()


def test_what_npm_brings_is_believed_by_its_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file of that name is as none."""
    kept = tmp_path / "municipalities.json"
    kept.write_text("{}")
    monkeypatch.setattr(outlines, "KEPT", kept)
    assert outlines.outlines().of == "countries drawn small"

"""Tables made for the benches of convert: the same for all who measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely


def make_table(path: Path, rows: int) -> None:
    """12 columns as a city's tables have them, about 128 bytes a row as CSV."""
    rng = np.random.default_rng(1)
    words = np.array(
        ["École élémentaire", "Place Bellecour", "rue de la République", "platane", "érable", "bon"]
    )
    days = np.datetime64("2000-01-01") + np.arange(9000)
    schema: pa.Schema | None = None
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, 50_000):
        count = min(50_000, rows - start)
        batch = pa.table(
            {
                "id": pa.array(np.arange(start, start + count)),
                "lieu": words[rng.integers(0, 6, count)],
                "etat": words[rng.integers(3, 6, count)],
                "adresse": [
                    f"{n} {w}"
                    for n, w in zip(
                        rng.integers(1, 300, count), words[rng.integers(0, 3, count)], strict=True
                    )
                ],
                "code": [f"{n:05}" for n in rng.integers(1000, 96000, count)],
                "nb": pa.array(rng.integers(0, 1000, count)),
                "total": pa.array(rng.integers(0, 10**9, count)),
                "x": rng.normal(4.8, 0.1, count).round(6),
                "y": rng.normal(45.7, 0.1, count).round(6),
                "taux": rng.random(count),
                "ouvert": pa.array(rng.random(count) < 0.5),
                "jour": pa.array(days[rng.integers(0, 9000, count)], pa.date32()),
            },
            schema=schema,
        )
        if writer is None:
            schema = batch.schema
            writer = pq.ParquetWriter(path, schema, compression="zstd", store_schema=False)
        writer.write_table(batch)
    if writer:
        writer.close()


def make_polygons(path: Path, count: int) -> None:
    """Outlines of some dozens of positions all over a metropolis, each with a name and a number."""
    rng = np.random.default_rng(2)
    centres = rng.uniform([4.6, 45.5], [5.1, 46.0], (count, 2))
    angles = np.linspace(0, 2 * np.pi, 33)[:-1]
    sizes = rng.uniform(0.0002, 0.001, (count, 1)) * rng.uniform(0.7, 1, (count, 32))
    rings = centres[:, None, :] + np.stack([sizes * np.cos(angles), sizes * np.sin(angles)], axis=2)
    shapes = shapely.polygons(np.concatenate([rings, rings[:, :1]], axis=1))
    table = pa.table(
        {
            "n": np.arange(count),
            "nom": [f"parcelle {number}" for number in range(count)],
            "geom": pa.array(shapely.to_wkb(shapes), pa.binary()),
        }
    )
    pq.write_table(table, path, compression="zstd", row_group_size=50_000, store_schema=False)

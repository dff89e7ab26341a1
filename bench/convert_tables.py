"""Tables made for the benches of convert: the same for all who measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from bench.outlines import outlines, repeated


def make_table(path: Path, rows: int) -> str:
    """12 columns as a city's tables have them, about 128 bytes a row as CSV. Says what it is of."""
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
    return "rows"


def make_polygons(path: Path, count: int) -> str:
    """Real outlines, repeated side by side, each with a number and a name. Says what they are of."""
    found = outlines()
    shapes, names = repeated(found, count)
    table = pa.table(
        {
            "n": np.arange(count),
            "nom": names,
            "geom": pa.array(shapely.to_wkb(shapes, flavor="iso"), pa.binary()),
        }
    )
    pq.write_table(table, path, compression="zstd", row_group_size=50_000, store_schema=False)
    return found.of

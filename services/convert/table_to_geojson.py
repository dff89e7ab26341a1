"""GeoJSON (RFC 7946): one feature a line; licence and source as members of the collection."""

from __future__ import annotations

import json

from services.convert.release_facts import ReleaseFacts
from services.convert.safe_table import Batch
from services.convert.written_file import CountingWriter


class GeojsonWriter:
    """Writes batches of features into one collection."""

    def __init__(self, out: CountingWriter, facts: ReleaseFacts) -> None:
        self._out = out
        head = json.dumps({"type": "FeatureCollection", **facts.pairs()}, ensure_ascii=False)
        self._out.write(f'{head[:-1]}, "features": ['.encode())
        self._first = True

    def write(self, batch: Batch) -> None:
        if not batch.arrow.num_rows:
            return
        lines = batch.features.str.join(",\n").item()
        self._out.write((("\n" if self._first else ",\n") + lines).encode())
        self._first = False

    def close(self) -> None:
        self._out.write(b"\n]}\n")
        self._out.close()

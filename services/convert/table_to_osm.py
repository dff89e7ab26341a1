"""OSM XML 0.6, for itineraries and places: a line is a way, several are a relation, a point is a node.

Identifiers count from 1, since GDAL reads no negative ones; `upload="never"` tells editors that these
are not OpenStreetMap's own objects. Lines that meet share a node. No user, no changeset, no time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import shapely

from services.convert.cell_values import dated, finite
from services.convert.column_names import series_of
from services.convert.geo_extent import GeoExtent
from services.convert.refusal import refused
from services.convert.release_facts import ReleaseFacts
from services.convert.safe_table import Batch
from services.convert.written_file import CountingWriter
from services.convert.xml_text import attribute, holds_forbidden

# Every node is remembered, so that lines which meet share it.
MOST_POINTS = 1_000_000
MOST_NODES = 2000  # of a way, as OpenStreetMap has it
LONGEST_TAG = 255  # characters of a key or a value, likewise: its programs read no longer ones
_KINDS = {"Point", "LineString", "MultiLineString"}
_SCALE = 10**7


class OsmWriter:
    """Writes nodes at once, ways and relations when it is closed, as the format's readers want them."""

    def __init__(self, out: CountingWriter, extent: GeoExtent, facts: ReleaseFacts) -> None:
        if {kind.removesuffix(" Z") for kind in extent.kinds} - _KINDS:
            raise refused("osm", "geometry_kind")
        if extent.points > MOST_POINTS:
            raise refused("osm", "too_many_points", count=extent.points, limit=MOST_POINTS)
        self._out = out
        self._nodes: dict[tuple[int, int], int] = {}
        self._last = {"node": 0, "way": 0, "relation": 0}
        self._ways = tempfile.TemporaryFile(dir=out.path.parent)  # noqa: SIM115 - closed with the writer - closed with the rest
        self._relations = tempfile.TemporaryFile(dir=out.path.parent)  # noqa: SIM115 - closed with the writer
        licence, source = attribute(facts.licence_url), attribute(facts.sentence())
        self._out.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6" generator="Écluse"'
            f' upload="never" attribution={source} license={licence}>\n'.encode()
        )

    def write(self, batch: Batch) -> None:
        rows = dated(finite(batch.cells.drop(batch.geometries[0])))
        if column := holds_forbidden(rows):
            raise refused("osm", "control_characters", column=column)
        texts = rows.select(pl.all().cast(pl.String))
        for name in texts.columns:
            lengths = series_of(texts, name).str.len_chars()
            if len(name) > LONGEST_TAG or (lengths > LONGEST_TAG).any():
                raise refused("osm", "cell_too_long", limit=LONGEST_TAG, column=name)
        keys = [attribute(name) for name in texts.columns]
        told = texts.rows() if keys else [()] * len(batch.drawn)
        for shape, row in zip(batch.drawn, told, strict=True):
            if shape is None or shape.is_empty:
                continue
            tags = "".join(
                f"<tag k={key} v={attribute(text)}/>"
                for key, text in zip(keys, row, strict=True)
                if text is not None
            )
            self._draw(shape, tags)

    def _draw(self, shape: Any, tags: str) -> None:
        if shape.geom_type == "Point":
            # A place of its own, even where a line has a node.
            self._node(*_positions(shape)[0], tags)
            return
        ways = [
            part
            for line in shapely.get_parts(shape)
            for part in _parted([self._shared(place) for place in _positions(line)])
        ]
        if len(ways) == 1:
            self._way(ways[0], tags)
            return
        members = "".join(
            f'<member type="way" ref="{self._way(way, "")}" role=""/>' for way in ways
        )
        typed = tags if 'k="type"' in tags else f'<tag k="type" v="route"/>{tags}'
        self._write(self._relations, "relation", "", f"{members}{typed}")

    def _shared(self, place: tuple[int, int]) -> int:
        if place not in self._nodes:
            self._nodes[place] = self._node(*place, "")
        return self._nodes[place]

    def _node(self, lon: int, lat: int, tags: str) -> int:
        where = f' lat="{lat / _SCALE:.7f}" lon="{lon / _SCALE:.7f}"'
        return self._write(self._out, "node", where, tags)

    def _way(self, nodes: Sequence[int], tags: str) -> int:
        references = "".join(f'<nd ref="{node}"/>' for node in nodes)
        return self._write(self._ways, "way", "", f"{references}{tags}")

    def _write(self, file: Any, kind: str, where: str, content: str) -> int:
        self._last[kind] += 1
        number = self._last[kind]
        head = f'<{kind} id="{number}" version="1"{where}'
        file.write(f"{head}>{content}</{kind}>\n".encode() if content else f"{head}/>\n".encode())
        return number

    def close(self) -> None:
        for part in (self._ways, self._relations):
            part.seek(0)
            while content := part.read(2**20):
                self._out.write(content)
            part.close()
        self._out.write(b"</osm>\n")
        self._out.close()


def _positions(shape: Any) -> list[tuple[int, int]]:
    scaled = np.rint(shapely.get_coordinates(shape) * _SCALE).astype(np.int64)
    return [(lon, lat) for lon, lat in scaled.tolist()]


def _parted(nodes: Sequence[int]) -> list[Sequence[int]]:
    """A line in ways that are not too long; each begins where the one before ends."""
    step = MOST_NODES - 1
    return [nodes[start : start + MOST_NODES] for start in range(0, max(len(nodes) - 1, 1), step)]

"""KML 2.2 (OGC) and KMZ: a placemark a row, its values as typed data.

Coordinates are put together for a batch at once. Descriptions hold no HTML, nothing is fetched from
anywhere: no icon, no style, no network link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import shapely

from services.convert.cell_values import dated, finite
from services.convert.column_names import cells_of, names_alike
from services.convert.geometry import Shapes
from services.convert.refusal import refused
from services.convert.release_facts import ReleaseFacts
from services.convert.safe_table import Batch, SafeTable
from services.convert.written_file import CountingWriter
from services.convert.xml_text import attribute, escape, escaped, holds_forbidden
from services.convert.zip_stream import ZipStream

_TYPES = {"number": "double", "boolean": "bool"}
_NAMES = ("nom", "name", "libelle", "title", "titre")


class KmlWriter:
    """Writes batches of placemarks into one document."""

    form = "kml"

    def __init__(self, out: CountingWriter, table: SafeTable, facts: ReleaseFacts) -> None:
        if alike := names_alike(table.schema.names):
            raise refused(self.form, "names_alike", column=alike)
        self._out, self._size = out, table.as_xml(100)
        self._sheet = self._open()
        texts = [name for name, kind in table.types.items() if kind == "string"]
        self._name = next((name for name in texts if name.lower() in _NAMES), None)
        coded = [name for name, kind in table.types.items() if kind in ("string", "integer")]
        self._id = next((name for name in coded if name.lower() == "id"), None)
        fields = "".join(
            f'<SimpleField type="{_type(table, name, kind)}" name={attribute(name)}/>'
            for name, kind in table.types.items()
            if name != table.geometry
        )
        self._say(
            '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2">'
            f"<Document><name>{escape(facts.title)}</name>"
            f"<description>{escape(facts.sentence())}</description>"
            f'<Schema name={attribute(facts.dataset)} id="columns">{fields}</Schema>\n'
        )

    def write(self, batch: Batch) -> None:
        rows = dated(finite(batch.cells.drop(batch.geometries[0])))
        if column := holds_forbidden(rows):
            raise refused(self.form, "control_characters", column=column)
        data = [
            pl.concat_str(
                pl.lit(f"<SimpleData name={attribute(name)}>"),
                # A carriage return as it is would be read as a line feed.
                escaped(cells_of(name).cast(pl.String)).str.replace_all(
                    "\r", "&#13;", literal=True
                ),
                pl.lit("</SimpleData>"),
            ).fill_null("")
            for name in rows.columns
        ]
        name = pl.lit("")
        if self._name:
            name = pl.concat_str(pl.lit("<name>"), escaped(cells_of(self._name)), pl.lit("</name>"))
        placemark = pl.concat_str(
            pl.lit("<Placemark"),
            self._identifier(),
            pl.lit(">"),
            name.fill_null(""),
            pl.lit('<ExtendedData><SchemaData schemaUrl="#columns">'),
            *data,
            pl.lit("</SchemaData></ExtendedData>"),
            pl.col("\x00shape").fill_null(""),
            pl.lit("</Placemark>\n"),
        )
        drawn = rows.with_columns(kml_shapes(batch.drawn).alias("\x00shape"))
        self._say(drawn.select(placemark).to_series().str.join("").item())

    def _identifier(self) -> pl.Expr:
        """GDAL takes a column of this name from the element's identifier and hides the one among
        the data; it writes identifiers of numbers itself, though XML's begin with a letter."""
        if self._id is None:
            return pl.lit("")
        text = escaped(cells_of(self._id).cast(pl.String)).str.replace_all(
            '"', "&quot;", literal=True
        )
        # An attribute's line breaks would be read as spaces.
        kept = text.str.replace_many(["\t", "\n", "\r"], ["&#9;", "&#10;", "&#13;"])
        return pl.concat_str(pl.lit(' id="'), kept, pl.lit('"')).fill_null("")

    def close(self) -> None:
        self._say("</Document></kml>\n")
        self._close()

    def _open(self) -> IO[bytes] | CountingWriter:
        return self._out

    def _close(self) -> None:
        self._out.close()

    def _say(self, xml: str) -> None:
        self._sheet.write(xml.encode())


def _type(table: SafeTable, name: str, kind: str) -> str:
    # KML's integers have 32 bits; longer ones are whole as text.
    if kind == "integer" and table.is_short(name):
        return "int"
    return _TYPES.get(kind, "string")


class KmzWriter(KmlWriter):
    """The same in a ZIP file, as `doc.kml`."""

    form = "kmz"

    def _open(self) -> IO[bytes]:
        self._zip = ZipStream(self._out)
        return self._zip.open("doc.kml", size=self._size)

    def _close(self) -> None:
        self._sheet.close()
        self._zip.close()


def kml_shapes(shapes: Shapes) -> pl.Series:
    """KML geometry elements as text; null where there is none."""
    texts: npt.NDArray[np.object_] = np.full(len(shapes), None, object)
    kinds = shapely.get_type_id(shapes)
    kinds[shapely.is_empty(shapes)] = -1
    for kind, draw in _DRAWN.items():
        places = np.flatnonzero(kinds == kind)
        if len(places):
            texts[places] = draw(shapes[places]).to_numpy()
    for place in np.flatnonzero(kinds == shapely.GeometryType.GEOMETRYCOLLECTION):
        inner = kml_shapes(shapely.get_parts(shapes[place : place + 1]))
        texts[place] = f"<MultiGeometry>{''.join(inner.drop_nulls())}</MultiGeometry>"
    return pl.Series(texts.tolist(), dtype=pl.String)


def _positions(parts: Shapes) -> pl.Series:
    """`lon,lat lon,lat …` of points, lines or rings."""
    high = bool(shapely.has_z(parts).any())
    xyz = shapely.get_coordinates(parts, include_z=high)
    columns = pl.DataFrame({str(place): xyz[:, place] for place in range(xyz.shape[1])})
    # Heights of a geometry without them are NaN.
    texts = columns.fill_nan(None).select(pl.concat_str(pl.all(), separator=",", ignore_nulls=True))
    return _joined(texts.to_series(), shapely.get_num_coordinates(parts), " ")


def _joined(texts: pl.Series, counts: npt.NDArray[np.integer], between: str = "") -> pl.Series:
    """Runs of `counts` texts, each joined to one."""
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    lists = pa.LargeListArray.from_arrays(pa.array(ends), texts.to_arrow())
    series = pl.from_arrow(lists)
    return pl.Series(series).list.join(between)


def _wrapped(texts: pl.Series, before: str, after: str) -> pl.Series:
    return pl.select(pl.concat_str(pl.lit(before), texts, pl.lit(after))).to_series()


def _points(shapes: Shapes) -> pl.Series:
    return _wrapped(_positions(shapes), "<Point><coordinates>", "</coordinates></Point>")


def _linestrings(shapes: Shapes) -> pl.Series:
    return _wrapped(_positions(shapes), "<LineString><coordinates>", "</coordinates></LineString>")


def _polygons(shapes: Shapes) -> pl.Series:
    rings, owners = shapely.get_rings(shapes, return_index=True)
    outer = np.concatenate([[True], owners[1:] != owners[:-1]])
    words = pl.Series(np.where(outer, "outerBoundaryIs>", "innerBoundaryIs>"))
    texts = pl.select(
        pl.concat_str(
            pl.lit("<"),
            words,
            pl.lit("<LinearRing><coordinates>"),
            _positions(rings),
            pl.lit("</coordinates></LinearRing></"),
            words,
        )
    ).to_series()
    counts = np.bincount(owners, minlength=len(shapes))
    return _wrapped(_joined(texts, counts), "<Polygon>", "</Polygon>")


def _several(draw: Callable[[Shapes], pl.Series]) -> Callable[[Shapes], pl.Series]:
    def drawn(shapes: Shapes) -> pl.Series:
        parts = shapely.get_parts(shapes)
        texts = _joined(draw(parts), shapely.get_num_geometries(shapes))
        return _wrapped(texts, "<MultiGeometry>", "</MultiGeometry>")

    return drawn


_DRAWN: dict[int, Callable[[Shapes], pl.Series]] = {
    0: _points,
    1: _linestrings,
    2: _linestrings,
    3: _polygons,
    4: _several(_points),
    5: _several(_linestrings),
    6: _several(_polygons),
}

"""ODS (OpenDocument 1.3): typed cells, header kept in view, a second sheet with the dictionary.

By the same way as XLSX, and for the same reason. Every text is a string cell, never a formula. An
integer of more than 15 digits is a text: OpenDocument's numbers are of double precision. Line breaks
become paragraphs. A text with a character that XML forbids cannot be held.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

import polars as pl

from services.convert.column_names import cells_of
from services.convert.dictionary_rows import HEADER
from services.convert.refusal import refused
from services.convert.release_facts import ReleaseFacts
from services.convert.safe_table import Batch, SafeTable
from services.convert.sheets import DICTIONARY, data_sheets, sheet_integers, write_rows
from services.convert.written_file import CountingWriter
from services.convert.xml_text import attribute, escape, escaped, holds_forbidden
from services.convert.zip_stream import ZipStream

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NS = "urn:oasis:names:tc:opendocument:xmlns:"
_SPACES = "".join(
    f' xmlns:{name}="{_NS}{path}:1.0"'
    for name, path in (
        ("office", "office"), ("table", "table"), ("text", "text"), ("style", "style"),
        ("number", "datastyle"), ("fo", "xsl-fo-compatible"), ("meta", "meta"),
        ("config", "config"),
    )
)  # fmt: skip
_SPACES += ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
_TIME_PARTS = (
    '<number:hours number:style="long"/><number:text>:</number:text>'
    '<number:minutes number:style="long"/><number:text>:</number:text>'
    '<number:seconds number:style="long"/>'
)
_DATE_PARTS = (
    '<number:year number:style="long"/><number:text>-</number:text>'
    '<number:month number:style="long"/><number:text>-</number:text>'
    '<number:day number:style="long"/>'
)
_STYLES = (
    "<office:automatic-styles>"
    f'<number:date-style style:name="N1">{_DATE_PARTS}</number:date-style>'
    f'<number:date-style style:name="N2">{_DATE_PARTS}<number:text>T</number:text>{_TIME_PARTS}'
    "</number:date-style>"
    f'<number:time-style style:name="N3">{_TIME_PARTS}</number:time-style>'
    f'<number:date-style style:name="N4">{_DATE_PARTS}<number:text>T</number:text>{_TIME_PARTS}'
    "<number:text>Z</number:text></number:date-style>"
    '<style:style style:name="head" style:family="table-cell">'
    '<style:text-properties fo:font-weight="bold"/></style:style>'
    + "".join(
        f'<style:style style:name="{name}" style:family="table-cell"'
        f' style:parent-style-name="Default" style:data-style-name="{data}"/>'
        for name, data in (("date", "N1"), ("moment", "N2"), ("time", "N3"), ("moment-utc", "N4"))
    )
    + "</office:automatic-styles>"
)
_EMPTY = "<table:table-cell/>"
_ROW, _ROW_END = "<table:table-row>", "</table:table-row>"


class OdsWriter:
    """Writes batches into one sheet, or into several with `split`; raises FormatRefused for what
    they cannot hold."""

    def __init__(
        self,
        out: CountingWriter,
        table: SafeTable,
        facts: ReleaseFacts,
        dictionary: Sequence[tuple[str, ...]],
        *,
        split: bool = False,
    ) -> None:
        self._names = data_sheets("ods", table, split=split)
        self._header = table.schema.names
        self._dictionary = dictionary
        self._row = self._number = 0
        self._zip = ZipStream(out)
        # First and uncompressed, so that the file's type can be told from its first bytes.
        self._zip.add("mimetype", b"application/vnd.oasis.opendocument.spreadsheet", stored=True)
        for name, content in _package(facts, (*self._names, DICTIONARY)):
            self._zip.add(name, f"{_XML}{content}".encode())
        self._content = self._zip.open("content.xml", size=table.as_xml(120))
        self._say(
            f'{_XML}<office:document-content{_SPACES} office:version="1.3">{_STYLES}'
            "<office:body><office:spreadsheet>"
            f"{_open_table(self._names[0], self._header)}"
        )

    def write(self, batch: Batch) -> None:
        if column := holds_forbidden(batch.cells):
            raise refused("ods", "control_characters", column=column)
        write_rows(batch, self._row, self._sheet_of, _cell, (_ROW, _EMPTY, _ROW_END))
        self._row += batch.arrow.num_rows

    def _sheet_of(self, number: int) -> IO[bytes]:
        if number > self._number:
            self._number = number
            self._say(f"</table:table>{_open_table(self._names[number], self._header)}")
        return self._content

    def close(self) -> None:
        self._say(f"</table:table>{_open_table(DICTIONARY, HEADER)}")
        for row in self._dictionary:
            self._say(f"{_ROW}{''.join(_text(cell) for cell in row)}{_ROW_END}")
        self._say("</table:table></office:spreadsheet></office:body></office:document-content>")
        self._content.close()
        self._zip.close()

    def _say(self, xml: str) -> None:
        self._content.write(xml.encode())


def _open_table(name: str, header: Sequence[str]) -> str:
    head = "".join(_text(cell, ' table:style-name="head"') for cell in header)
    return (
        f"<table:table table:name={attribute(name)}>"
        f'<table:table-column table:number-columns-repeated="{len(header)}"/>'
        f"<table:table-header-rows>{_ROW}{head}{_ROW_END}</table:table-header-rows>"
    )


def _text(text: str, style: str = "") -> str:
    safe = escape(text)
    if safe != " ".join(safe.split()):
        safe = safe.replace(" ", "<text:s/>").replace("\t", "<text:tab/>")
    paragraphs = "</text:p><text:p>".join(safe.splitlines() or [""])
    return (
        f'<table:table-cell{style} office:value-type="string">'
        f"<text:p>{paragraphs}</text:p></table:table-cell>"
    )


def _string(text: pl.Expr) -> pl.Expr:
    safe = escaped(text)
    # Readers take runs of spaces, and those at the ends, for one or none.
    spaced = safe.str.contains("^ | $|  |[\\t\\r\\n]")
    kept = safe.str.replace_many(
        ["\r\n", "\r", "\n", "\t", " "],
        [*["</text:p><text:p>"] * 3, "<text:tab/>", "<text:s/>"],
        leftmost=True,  # else \r\n is two
    )
    return pl.concat_str(
        pl.lit('<table:table-cell office:value-type="string"><text:p>'),
        pl.when(spaced).then(kept).otherwise(safe),
        pl.lit("</text:p></table:table-cell>"),
    )


def _valued(kind: str, name: str, value: pl.Expr, style: str = "") -> pl.Expr:
    """A typed cell; its text too, for readers that look at no value."""
    mark = f' table:style-name="{style}"' if style else ""
    head = f'<table:table-cell{mark} office:value-type="{kind}" office:{name}="'
    return pl.concat_str(
        pl.lit(head), value, pl.lit('"><text:p>'), value, pl.lit("</text:p></table:table-cell>")
    )


def _cell(name: str, kind: pl.DataType, _risky: str | None) -> pl.Expr:
    """The cells of a column as XML; null where there is no value."""
    value = cells_of(name)
    if kind == pl.Boolean:
        words = pl.when(value).then(pl.lit("true")).otherwise(pl.lit("false"))
        return pl.when(value.is_not_null()).then(_valued("boolean", "boolean-value", words))
    if kind.is_integer():
        digits = value.cast(pl.String)
        number = _valued("float", "value", digits)
        return pl.when(sheet_integers(value)).then(number).otherwise(_string(digits))
    if kind.is_float():
        number = _valued("float", "value", value.cast(pl.String))
        return pl.when(value.is_finite()).then(number)
    if kind == pl.Date:
        return _valued("date", "date-value", value.dt.to_string("%Y-%m-%d"), "date")
    if isinstance(kind, pl.Datetime):
        # In UTC, and shown so: of a value with a zone some readers make a text.
        text = value.dt.to_string("%Y-%m-%dT%H:%M:%S%.f")
        return _valued("date", "date-value", text, "moment-utc" if kind.time_zone else "moment")
    if kind == pl.Time:
        length = value.dt.to_string("PT%HH%MM%S%.fS")
        return _valued("time", "time-value", length, "time")
    return _string(value.cast(pl.String))


def _package(facts: ReleaseFacts, names: Sequence[str]) -> Iterable[tuple[str, str]]:
    """The parts beside the content: name, XML."""
    members = ("content.xml", "meta.xml", "settings.xml", "styles.xml")
    yield (
        "META-INF/manifest.xml",
        f'<manifest:manifest xmlns:manifest="{_NS}manifest:1.0" manifest:version="1.3">'
        '<manifest:file-entry manifest:full-path="/" manifest:version="1.3"'
        ' manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>'
        + "".join(
            f'<manifest:file-entry manifest:full-path="{name}" manifest:media-type="text/xml"/>'
            for name in members
        )
        + "</manifest:manifest>",
    )
    told = "".join(
        f"<meta:user-defined meta:name={attribute(name)}>{escape(text)}</meta:user-defined>"
        for name, text in facts.pairs().items()
    )
    # Of the data: as an office shows when a document was last changed.
    updated = f"<dc:date>{facts.updated}T00:00:00Z</dc:date>" if facts.updated else ""
    yield (
        "meta.xml",
        f'<office:document-meta{_SPACES} office:version="1.3"><office:meta>'
        f"<dc:title>{escape(facts.title)}</dc:title>"
        f"<dc:description>{escape(facts.sentence())}</dc:description>"
        f"{updated}{told}</office:meta></office:document-meta>",
    )
    yield (
        "styles.xml",
        f'<office:document-styles{_SPACES} office:version="1.3"><office:styles>'
        '<style:style style:name="Default" style:family="table-cell"/>'
        "</office:styles></office:document-styles>",
    )
    frozen = (
        ("HorizontalSplitMode", "short", "0"),
        ("VerticalSplitMode", "short", "2"),
        ("VerticalSplitPosition", "int", "1"),
        ("PositionBottom", "int", "1"),
        ("ActiveSplitRange", "short", "2"),
    )
    items = "".join(
        f'<config:config-item config:name="{name}" config:type="{kind}">{value}'
        "</config:config-item>"
        for name, kind, value in frozen
    )
    sheets = "".join(
        f"<config:config-item-map-entry config:name={attribute(sheet)}>{items}"
        "</config:config-item-map-entry>"
        for sheet in names
    )
    yield (
        "settings.xml",
        f'<office:document-settings{_SPACES} office:version="1.3"><office:settings>'
        '<config:config-item-set config:name="ooo:view-settings">'
        '<config:config-item-map-indexed config:name="Views"><config:config-item-map-entry>'
        f'<config:config-item-map-named config:name="Tables">{sheets}'
        "</config:config-item-map-named></config:config-item-map-entry>"
        "</config:config-item-map-indexed></config:config-item-set></office:settings>"
        "</office:document-settings>",
    )

"""From a source file to one typed, validated Parquet table."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.ingest.column_types import (
    Reading,
    TypeChoice,
    declared_reading,
    parse,
    trimmed,
)
from services.ingest.detect_format import ReadLimits, detect_format
from services.ingest.text_source import TextSource
from services.ingest.validate_table import Findings, check_batch, uniqueness
from services.ingest.xlsx_source import XlsxSource
from shared.card import Card
from shared.card_parts import SchemaField
from shared.failures import Quarantined
from shared.messages import Reason

ROW_GROUP = 100_000

__all__ = ["Column", "IngestedTable", "ReadLimits", "source_to_table"]


@dataclass(frozen=True)
class Column:
    """A column of the table. The name of one that is not declared stays in the raw zone."""

    name: str
    type: str
    declared: bool


@dataclass(frozen=True)
class IngestedTable:
    """The table at `out`: rows, columns, a quality report without values, bytes and checksum."""

    rows: int
    columns: tuple[Column, ...]
    quality: dict[str, object]
    bytes: int
    sha256: str


def source_to_table(
    source: Path,
    card: Card,
    out: Path,
    limits: ReadLimits = ReadLimits(),  # noqa: B008 - frozen
) -> IngestedTable:
    """Reads `source` twice: once to settle every column's type on all rows, once to write.

    Raises Quarantined with what is wrong, by declared column or position and line.
    """
    found = detect_format(source, limits)
    if card.source.format and card.source.format != found:
        raise Quarantined(Reason(code="format_mismatch", expected=card.source.format, found=found))
    read: TextSource | XlsxSource
    if found == "csv":
        read = TextSource(source, out.with_suffix(".utf8"), card.source, limits)
    else:
        read = XlsxSource(source, card.source, limits)
    names, fields = _match_headers(read.names, card)
    readings, rows = _settle_types(read, names, fields)
    if rows == 0:
        raise Quarantined(Reason(code="no_rows"))
    writer = _Writer(read, names, fields, readings, card, out, limits)
    return writer.write()


def _match_headers(given: Sequence[str], card: Card) -> tuple[list[str], list[SchemaField | None]]:
    """The columns' names as the card writes them, and their fields of the schema.

    A header equals a declared name as it is, else without regard to case and width if only one does.
    """
    for position, name in enumerate(given, start=1):
        if not name:
            raise Quarantined(Reason(code="header_empty", position=position))
    fields = {field.name: field for field in card.table_schema.fields} if card.table_schema else {}
    declared = dict.fromkeys([*fields, *card.privacy.columns])
    folded: dict[str, list[str]] = {}
    for name in declared:
        folded.setdefault(_fold(name), []).append(name)
    names = []
    for name in given:
        alike = folded.get(_fold(name), [])
        taken = name not in declared and len(alike) == 1 and alike[0] not in given
        names.append(alike[0] if taken else name)
    for position, name in enumerate(names, start=1):
        if names.index(name) != position - 1:
            raise Quarantined(Reason(code="header_twice", position=position))
    missing = [name for name in fields if name not in names]
    if missing:
        raise Quarantined(*(Reason(code="column_missing", column=name) for name in missing))
    return names, [fields.get(name) for name in names]


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _settle_types(
    read: TextSource | XlsxSource, names: list[str], fields: list[SchemaField | None]
) -> tuple[list[Reading], int]:
    choices = [
        None if field else TypeChoice(name) for name, field in zip(names, fields, strict=True)
    ]
    rows = 0
    for batch in read.batches():
        rows += len(batch[0])
        for choice, column in zip(choices, batch, strict=True):
            if choice:
                choice.see(trimmed(column))
    return [
        declared_reading(field.type) if field else choice.reading  # type: ignore[union-attr]  # one of both
        for field, choice in zip(fields, choices, strict=True)
    ], rows


class _Writer:
    """The second reading: parses, checks and writes."""

    def __init__(
        self,
        read: TextSource | XlsxSource,
        names: list[str],
        fields: list[SchemaField | None],
        readings: list[Reading],
        card: Card,
        out: Path,
        limits: ReadLimits,
    ) -> None:
        self._read, self._names, self._fields = read, names, fields
        self._readings, self._card, self._out = readings, card, out
        self._wrong, self._rules = Findings(limits.reasons), Findings(limits.reasons)
        self._keys = uniqueness(card.table_schema) if card.table_schema else []
        self._nulls: Counter[str] = Counter()
        self._lengths: dict[str, tuple[int, int]] = {}
        self._rows = 0

    def write(self) -> IngestedTable:
        schema = pa.schema(
            [pa.field(n, r.arrow) for n, r in zip(self._names, self._readings, strict=True)]
        )
        pending: list[pa.RecordBatch] = []
        with pq.ParquetWriter(self._out, schema, compression="zstd") as writer:
            for batch in self._read.batches():
                pending.append(pa.record_batch(self._columns(batch), schema=schema))
                if sum(len(one) for one in pending) >= ROW_GROUP:
                    writer.write_table(pa.Table.from_batches(pending, schema))
                    pending.clear()
            if pending:
                writer.write_table(pa.Table.from_batches(pending, schema))
        self._check()
        with self._out.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        return IngestedTable(
            rows=self._rows,
            columns=tuple(self._described()),
            quality=self._report(),
            bytes=self._out.stat().st_size,
            sha256=digest.hexdigest(),
        )

    def _columns(self, batch: list[pa.StringArray]) -> list[pa.Array]:
        start = self._rows

        def line(row: int) -> int:
            return self._read.line(start + row)

        typed: dict[str, pa.Array] = {}
        for name, field, reading, text in zip(
            self._names, self._fields, self._readings, batch, strict=True
        ):
            bare = trimmed(text)
            column, bad = parse(bare, reading)
            typed[name] = column
            self._nulls[name] += column.null_count
            self._measure(name, bare)
            if field is None:
                continue
            lines = [line(n) for n, wrong in enumerate(bad.to_pylist()) if wrong]
            if lines:
                self._wrong.add("type_mismatch", field, lines, expected=reading.type, found="text")
            check_batch(column, bare, field, line, self._rules)
        for key, names in self._keys:
            key.see([typed[name] for name in names])
        self._rows += len(batch[0])
        return list(typed.values())

    def _measure(self, name: str, text: pa.StringArray) -> None:
        found = pc.min_max(pc.utf8_length(text)).as_py()
        if found["min"] is not None:
            low, high = self._lengths.get(name, (found["min"], found["max"]))
            self._lengths[name] = (min(low, found["min"]), max(high, found["max"]))

    def _check(self) -> None:
        for key, _ in self._keys:
            if rows := key.repeated():
                self._rules.add(key.code, key.field, [self._read.line(row) for row in rows])
        if self._wrong.reasons:
            raise Quarantined(*self._wrong.reasons)
        if self._rules.reasons and self._card.quality.errors == "block":
            raise Quarantined(*self._rules.reasons)

    def _described(self) -> list[Column]:
        known = set(self._card.privacy.columns) | {f.name for f in self._fields if f}
        return [
            Column(name, reading.type, name in known)
            for name, reading in zip(self._names, self._readings, strict=True)
        ]

    def _report(self) -> dict[str, object]:
        read = self._read
        columns = []
        for position, column in enumerate(self._described(), start=1):
            low, high = self._lengths.get(column.name, (0, 0))
            columns.append(
                {
                    "name": column.name if column.declared else None,
                    "position": position,
                    "type": column.type,
                    "nulls": self._nulls[column.name],
                    "shortest": low,
                    "longest": high,
                }
            )
        text = read.dialect if isinstance(read, TextSource) else None
        return {
            "rows": self._rows,
            "columns": columns,
            "format": "csv" if text else "xlsx",
            "encoding": text.encoding if text else None,
            "delimiter": text.delimiter if text else None,
            "header": text.header if text else read.line(0) - 1,
            "warnings": [one.model_dump(exclude_none=True) for one in self._rules.reasons],
        }

"""What a source file may weigh. Past a limit it is quarantined before it costs more."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Bounds of one read. Sizes in bytes, unpacked sizes counted while inflating."""

    field_bytes: int = MIB
    row_bytes: int = 8 * MIB
    columns: int = 4096
    archive_bytes: int = 200 * MIB
    unpacked_bytes: int = 2048 * MIB
    gzip_bytes: int = 5 * 1024 * MIB
    ratio: int = 150
    entries: int = 10_000
    entry_name_bytes: int = 255
    xml_depth: int = 256
    xml_attributes: int = 1000
    xml_token_bytes: int = 10 * MIB
    json_depth: int = 64
    json_string_bytes: int = 16 * MIB
    json_digits: int = 400
    # Of one feature.
    positions: int = 5_000_000
    sheets: int = 100
    sheet_rows: int = 1_048_576
    sheet_columns: int = 16_384
    # A sheet is held as a grid: what counts is its extent, not how many of its cells are filled.
    sheet_cells: int = 30_000_000
    # Uniqueness keeps eight bytes a row.
    unique_rows: int = 20_000_000
    reasons: int = 100

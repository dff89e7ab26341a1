"""A table that was written while its types were settled is the one that comes of knowing them first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest import csv_to_table, read_once
from services.ingest.csv_to_table import CsvTable
from services.ingest.read_limits import ReadLimits
from services.ingest.refused_table import TableRefused
from services.ingest.source_table import NO_HINTS, Batch
from shared.card import Card
from shared.failures import Quarantined
from tests.services.ingest.reading import plain, read

ROWS = 400
# What a column may hold, as a city's programs write it; `row` makes values differ.
KINDS: dict[str, Callable[[int], str]] = {
    "nothing": lambda _: "",
    "marker": lambda row: "NA" if row % 3 else "",
    "whole": lambda row: str(row * 7 - 900),
    "decimal": lambda row: f"{row},{row % 10}5",
    "point": lambda row: f"{row}.5",
    "spaced": lambda row: f" {row} 000 ",
    "siren": lambda row: str(200_000_000 + row),
    "zeros": lambda row: f"{row:06d}",
    "day": lambda row: f"{1 + row % 28:02d}/0{1 + row % 9}/20{10 + row % 16}",
    "iso": lambda row: f"2026-0{1 + row % 9}-{1 + row % 28:02d}",
    "moment": lambda row: f"2026-01-{1 + row % 28:02d}T10:{row % 60:02d}:00",
    "zoned": lambda row: f"2026-01-{1 + row % 28:02d}T10:{row % 60:02d}:00Z",
    "clock": lambda row: f"{row % 24:02d}:{row % 60:02d}",
    "truth": lambda row: "oui" if row % 2 else "non",
    "word": lambda row: f"mot {row % 50}",
}
COLUMNS = st.lists(
    st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(KINDS)), st.integers(0, ROWS)),
    min_size=1,
    max_size=4,
)
Outcome = tuple[dict[str, Any], Any]


class Readings:
    """How often the source is read, and how much is looked at before anything is written."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.count = 0
        whole = CsvTable.batches

        def counted(table: CsvTable, hints: Mapping[int, Any] = NO_HINTS) -> Iterator[Batch]:
            self.count += 1
            return whole(table, hints)

        patch.setattr(CsvTable, "batches", counted)
        # A few rows each.
        patch.setattr(csv_to_table, "BLOCK_BYTES", 1024)

    def hold(self, bytes_: int) -> None:
        self._patch.setattr(read_once, "HELD_BYTES", bytes_)
        self.count = 0


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    return Readings(monkeypatch)


def csv_of(columns: list[tuple[str, str, int]]) -> bytes:
    """Columns that hold one kind of value up to a row, and another from there on."""
    lines = [";".join(f"c{at}" for at in range(len(columns))) + ";n"]
    for row in range(ROWS):
        cells = [KINDS[early if row < turn else late](row) for early, late, turn in columns]
        lines.append(";".join([*cells, str(row)]))
    return "\n".join(lines).encode()


def named(columns: list[tuple[str, str, int]]) -> Card:
    return plain(*(f"c{at}" for at in range(len(columns))), "n")


def outcome(content: bytes, card: Card, folder: Path) -> Outcome:
    """Report and table, or the reasons why there is none."""
    try:
        made = read(content, folder, card)
    except TableRefused as failure:
        return failure.quality, failure.reasons
    except Quarantined as failure:
        return {}, failure.reasons
    return made.quality | {"columns made": made.columns}, pq.read_table(folder / "table.parquet")


@settings(max_examples=80)
@given(columns=COLUMNS)
def test_one_reading_or_two_make_the_same_table(
    tmp_path_factory: pytest.TempPathFactory, columns: list[tuple[str, str, int]]
) -> None:
    """Whatever changes in the middle: types, report, warnings and every value."""
    content, card = csv_of(columns), named(columns)
    folder = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        readings = Readings(patch)
        # The first row settles nothing, so nothing is known: always read again.
        readings.hold(0)
        known_first = outcome(content, card, folder)
        for held in (1, 3000, 1 << 30):
            readings.hold(held)
            found = outcome(content, card, folder)
            assert found[0] == known_first[0]
            assert found[1] == known_first[1]
            assert readings.count <= 2


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"nothing"}))
def test_what_holds_from_the_first_rows_on_is_read_once(
    tmp_path: Path, readings: Readings, kind: str
) -> None:
    """For every kind of value."""
    columns = [(kind, kind, 0)]
    readings.hold(1)
    read(csv_of(columns), tmp_path, named(columns))
    assert readings.count == 1


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ("whole", "decimal"),
        ("siren", "whole"),
        ("nothing", "day"),
        ("day", "word"),
        ("iso", "zoned"),
    ],
)
def test_one_late_value_is_enough_to_read_again(
    tmp_path: Path, readings: Readings, early: str, late: str
) -> None:
    """The last row's; nothing of the first attempt is left."""
    columns = [(early, late, ROWS - 1)]
    readings.hold(1)
    made = read(csv_of(columns), tmp_path, named(columns))
    assert readings.count == 2
    assert made.rows == pq.read_metadata(tmp_path / "table.parquet").num_rows == ROWS
    # Looked at as a whole before anything is written, once is enough.
    readings.hold(1 << 30)
    again = read(csv_of(columns), tmp_path, named(columns))
    assert readings.count == 1
    assert again == made


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (csv_of([("whole", "whole", 0)]) + b"\n1;2;3;4", "row_width"),
        (csv_of([("whole", "whole", 0)]) + b'\n1;"2', "quote_unclosed"),
        (csv_of([("whole", "whole", 0)]).replace(b"c0;n", b"c0;n;") + b"\n1;2;3", "row_width"),
    ],
    ids=["too long", "open quote", "rows shorter than the header"],
)
def test_a_fault_at_the_end_leaves_nothing(
    tmp_path: Path, readings: Readings, content: bytes, code: str
) -> None:
    """What was written before it was found is removed."""
    readings.hold(1)
    with pytest.raises(Quarantined) as caught:
        read(content, tmp_path, plain("c0", "n"))
    assert caught.value.reasons[0].code == code
    assert not (tmp_path / "table.parquet").exists()


def test_a_column_without_name_may_not_fill_late(tmp_path: Path, readings: Readings) -> None:
    """Its one value stops the table, however much was written before it."""
    lines = ["c0;;n", *(f"{row};;{row}" for row in range(ROWS)), "1;x;2"]
    readings.hold(1)
    with pytest.raises(Quarantined) as caught:
        read("\n".join(lines).encode(), tmp_path, plain("c0", "n"))
    assert [reason.code for reason in caught.value.reasons] == ["header_empty"]
    assert not (tmp_path / "table.parquet").exists()


def test_files_put_end_to_end_are_one(tmp_path: Path, readings: Readings) -> None:
    """A header that comes again is no row, in either way of reading."""
    content = csv_of([("whole", "decimal", ROWS)])
    both = content + b"\n" + content.replace(b"\n900;", b"\n9,5;")
    counts = []
    for held in (0, 1, 1 << 30):
        readings.hold(held)
        made = read(both, tmp_path, plain("c0", "n"), ReadLimits())
        counts.append((made.rows, [w["code"] for w in made.quality["warnings"]]))
    assert counts == [(2 * ROWS, ["header_repeated"])] * 3

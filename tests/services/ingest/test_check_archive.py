"""A long archive may be read while its end is checked: from when on, and what comes of a finding."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import openpyxl
import pytest

from services.ingest.check_archive import check_archive
from services.ingest.read_limits import ReadLimits
from shared.failures import Quarantined
from tests.services.ingest.reading import plain, refusal, table

LIMITS = ReadLimits()
ENTITY = b'<!ENTITY a "b">'


def xml(length: int, end: bytes = b"") -> bytes:
    """Elements that do not compress to nothing."""
    cells = b"".join(b"<c>%x</c>" % (n * 2_654_435_761 % (1 << 32)) for n in range(length // 14))
    return b"<r>" + cells + end + b"</r>"


def archive(path: Path, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in entries.items():
            out.writestr(f"{name}.xml", content)
    return path


@pytest.mark.parametrize("first", [True, False])
def test_a_long_archive_may_be_read_once_all_but_its_end_has_passed(
    first: bool, tmp_path: Path
) -> None:
    long, short = {"long": xml(6 << 20)}, {"short": xml(1000)}
    begun: list[str] = []
    parts = {**long, **short} if first else {**short, **long}
    checked = check_archive(
        archive(tmp_path / "a", **parts), LIMITS, begin=lambda: begun.append("read")
    )
    assert begun == ["read"]
    assert checked.unpacked_bytes == len(long["long"]) + len(short["short"])


@pytest.mark.parametrize(
    "parts",
    [
        {"long": xml(6 << 20), "short": xml(1000, ENTITY)},
        {"long": xml(6 << 20), "another": xml(5 << 20, ENTITY)},
        {"long": xml(1 << 20, ENTITY) + xml(6 << 20), "short": xml(1000)},
    ],
    ids=["another entry is bad", "another long entry is bad", "its beginning is bad"],
)
def test_nobody_reads_before(parts: dict[str, bytes], tmp_path: Path) -> None:
    begun: list[str] = []
    path = archive(tmp_path / "a", **parts)
    with pytest.raises(Quarantined) as stopped:
        check_archive(path, LIMITS, begin=lambda: begun.append("read"))
    assert stopped.value.reasons[0].code == "xml_entity"
    assert begun == []


def test_a_short_archive_is_read_after_its_check(tmp_path: Path) -> None:
    begun: list[str] = []
    check_archive(
        archive(tmp_path / "a", only=xml(1 << 20)), LIMITS, begin=lambda: begun.append("read")
    )
    assert begun == []


def test_what_is_found_at_the_end_stops_what_was_begun(tmp_path: Path) -> None:
    begun: list[str] = []
    path = archive(tmp_path / "a", long=xml(6 << 20, ENTITY), short=xml(1000))
    with pytest.raises(Quarantined) as stopped:
        check_archive(path, LIMITS, begin=lambda: begun.append("read"))
    assert begun == ["read"]
    assert stopped.value.reasons[0].code == "xml_entity"


def long_workbook(end: bytes = b"") -> bytes:
    """One sheet of 60,000 rows; `end` is put behind the last."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["id", "places"])
    for row in range(60_000):
        sheet.append([f"B{row * 2_654_435_761 % (1 << 32)}", row])
    saved, changed = io.BytesIO(), io.BytesIO()
    book.save(saved)
    with (
        zipfile.ZipFile(saved) as whole,
        zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as out,
    ):
        for name in whole.namelist():
            part = whole.read(name)
            out.writestr(name, part.replace(b"</sheetData>", end + b"</sheetData>"))
    return changed.getvalue()


def test_a_long_workbook_is_read_whole(tmp_path: Path) -> None:
    found = table(long_workbook(), tmp_path, plain())
    assert found.column("places").to_pylist() == list(range(60_000))
    assert found.column("id")[59_999].as_py() == f"B{59_999 * 2_654_435_761 % (1 << 32)}"


def test_a_long_workbook_with_an_attack_at_its_end_is_refused_for_that(tmp_path: Path) -> None:
    assert refusal(long_workbook(ENTITY), tmp_path)["code"] == "xml_entity"

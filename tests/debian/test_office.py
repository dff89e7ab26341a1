"""LibreOffice opens the workbooks and gives back the same values. `make test-office` runs this."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

from tests.services.convert.tables import convert, file

# Comma, quotes, UTF-8, from the first line, values instead of what is shown, every sheet.
AS_CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033,false,true,false,false,false,-1"
# What a sheet's number cannot hold is a text there, and comes back as it was.
COLUMNS: dict[str, tuple[pa.DataType, list[object], list[str]]] = {
    "texte": (
        pa.string(),
        ['l\'été, "vif"', "deux\r\nlignes", "𝛑 🌳 عربي", "=1+1", "01001", None],
        ['l\'été, "vif"', "deux\nlignes", "𝛑 🌳 عربي", "=1+1", "01001", ""],
    ),
    "entier": (
        pa.int64(),
        [0, -5, 999_999_999_999_999, 9_223_372_036_854_775_807, -1, None],
        ["0", "-5", "999999999999999", "9223372036854775807", "-1", ""],
    ),
    "nombre": (
        pa.float64(),
        [0.1, -2.5, 1e-7, float("nan"), 45.7640, None],
        ["0.1", "-2.5", "0.0000001", "", "45.764", ""],
    ),
    "jour": (
        pa.date32(),
        [dt.date(1900, 3, 1), dt.date(2026, 3, 1), dt.date(2024, 2, 29), None, None, None],
        ["1900-03-01", "2026-03-01", "2024-02-29", "", "", ""],
    ),
    "moment": (
        pa.timestamp("us"),
        [dt.datetime(2026, 3, 1, 23, 59, 58), None, None, None, None, None],
        ["2026-03-01T23:59:58", "", "", "", "", ""],
    ),
    "instant": (
        pa.timestamp("us", "UTC"),
        [dt.datetime(2026, 7, 1, 22, 30, 5, tzinfo=dt.UTC), None, None, None, None, None],
        ["2026-07-01 22:30:05", "", "", "", "", ""],
    ),
    "heure": (
        pa.time32("ms"),
        [dt.time(8, 30, 5), dt.time(23, 59, 59), dt.time(0), None, None, None],
        # In the way of this office, whose language the test fixes: 12 hours.
        ["08:30:05 AM", "11:59:59 PM", "12:00:00 AM", "", "", ""],
    ),
    "ouvert": (
        pa.bool_(),
        [True, False, None, True, True, False],
        ["TRUE", "FALSE", "", "TRUE", "TRUE", "FALSE"],
    ),
}


@pytest.mark.parametrize("form", ["xlsx", "ods"])
def test_libreoffice_reads_the_same_values(tmp_path: Path, form: str) -> None:
    """Texts, integers, numbers, days, moments and booleans; the second sheet is the dictionary."""
    table = pa.table({name: pa.array(cells, kind) for name, (kind, cells, _) in COLUMNS.items()})
    convert(table, tmp_path, form)
    sheets = opened(file(tmp_path, form), tmp_path)
    data = sheets["Données"]
    assert data[0] == list(COLUMNS)
    for place, (name, (_, _, wanted)) in enumerate(COLUMNS.items()):
        assert [row[place] for row in data[1:]] == wanted, name
    assert [row[0] for row in sheets["Dictionnaire"]] == ["Colonne", *COLUMNS]


def opened(book: Path, folder: Path) -> dict[str, list[list[str]]]:
    """The sheets of a workbook as LibreOffice writes them to CSV: name → rows."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        raise AssertionError(
            "LibreOffice is missing: install it (Debian: apt-get install libreoffice-calc-nogui)"
        )
    out = folder / "csv"
    command = [
        program, f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless",
        "--convert-to", AS_CSV, "--outdir", str(out), str(book),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    found = {}
    for path in out.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as content:
            found[path.stem.partition("-")[2]] = list(csv.reader(content))
    return found

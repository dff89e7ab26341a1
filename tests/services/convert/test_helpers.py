"""Formats that another program or thread helps to write: whatever becomes of it, convert goes on or
says why, and leaves nothing running."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pyarrow as pa
import pyogrio
import pytest
import shapely

from services.convert import table_to_pmtiles
from shared.failures import OursAway, Quarantined
from tests.services.convert.tables import convert, file

FORMS = ("gpkg", "pmtiles", "xlsx", "ods", "kmz", "geojson")


def placed(count: int) -> pa.Table:
    places = shapely.to_wkb(shapely.points([[4 + n / count, 45] for n in range(count)]))
    return pa.table({"n": list(range(count)), "lieu": pa.array(places, pa.binary())})


def at_once(batches: Any) -> None:
    raise RuntimeError("a cell")


def half_way(batches: Any) -> None:
    batches.read_next_batch()
    raise pa.ArrowInvalid("a cell")


def at_the_end(batches: Any) -> None:
    batches.read_all()
    raise RuntimeError("a cell")


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.convert.safe_table.BATCH", 100)


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("fail", [at_once, half_way, at_the_end])
def test_gdal_that_fails_is_a_format_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: Callable[[Any], None]
) -> None:
    """Before, amid or after the rows: nobody waits for it, and the others go on."""
    monkeypatch.setattr(pyogrio, "write_arrow", lambda batches, *args, **options: fail(batches))
    made = convert(placed(1000), tmp_path, *FORMS)
    assert [(one.code, one.detail) for one in made.refused] == [
        ("format_tool_failed", "GeoPackage")
    ]
    assert len(made.files) == len(FORMS) + 2


class Disk(NamedTuple):
    total: int = 10**9
    used: int = 10**9
    free: int = 4096


@pytest.mark.parametrize("form", ["gpkg", "pmtiles"])
def test_a_full_disk_is_no_word_on_the_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """It passes: the release is tried again, and loses no format for ever."""
    monkeypatch.setattr(pyogrio, "write_arrow", lambda batches, *args, **options: at_once(batches))
    monkeypatch.setattr(table_to_pmtiles, "PROGRAM", Path(shutil.which("false") or ""))
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Disk())
    with pytest.raises(OursAway) as stopped:
        convert(placed(3), tmp_path, form)
    assert [one.code for one in stopped.value.reasons] == ["disk_full"]


def test_a_program_that_the_system_kills_is_no_word_on_the_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was short of memory: a person may try again."""
    program = tmp_path / "killed"
    program.write_text(f"#!/bin/sh\nkill -{int(signal.SIGKILL)} $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(table_to_pmtiles, "PROGRAM", program)
    with pytest.raises(Quarantined) as stopped:
        convert(placed(3), tmp_path, "pmtiles")
    assert [one.code for one in stopped.value.reasons] == ["worker_died"]


@pytest.mark.usefixtures("in_parts")
def test_a_release_that_stops_leaves_nothing_running(tmp_path: Path) -> None:
    """No thread, no program, no file of theirs, no complaint: a later row is damaged."""
    table = placed(1000)
    cells = table["lieu"].to_pylist()
    before = set(threading.enumerate())
    broken = table.set_column(1, "autre", pa.array([*cells[:-1], b"\x01"], pa.binary()))
    broken = broken.append_column("lieu", table["lieu"])
    fields = [{"name": "n", "type": "integer"}, {"name": "lieu", "type": "geojson"}]
    with pytest.raises(Quarantined) as stopped:
        convert(broken, tmp_path, *FORMS, schema={"fields": [*fields, {"name": "autre"}]})
    assert [one.code for one in stopped.value.reasons] == ["geometry_damaged"]
    assert {one.name for one in set(threading.enumerate()) - before} == set()
    assert psutil.Process().children() == []
    assert list((tmp_path / "out").iterdir()) == []


def test_a_refusal_leaves_nothing_running(tmp_path: Path) -> None:
    """Nor does a format that meets what it cannot hold."""
    table = placed(3).append_column("t", pa.array(["a\x00b", "c", "d"]))
    before = set(threading.enumerate())
    made = convert(table, tmp_path, *FORMS)
    refused = {(one.code, one.column, one.detail) for one in made.refused}
    assert refused == {
        ("format_control_characters", "t", form) for form in ("GeoPackage", "PMTiles", "ODS", "KMZ")
    }
    assert set(threading.enumerate()) <= before
    assert psutil.Process().children() == []
    assert not file(tmp_path, "gpkg").exists()

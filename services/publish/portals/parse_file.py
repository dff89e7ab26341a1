"""Whether a file can be read in its format, as far as a reader would get: whole, in flat memory."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.parsers import expat

import pyarrow as pa
import pyarrow.parquet as pq

# A JSON document of more is looked at at both ends alone: reading it whole takes ten times its size.
MOST_JSON = 8 * 1024 * 1024
CHUNK = 1024 * 1024


def parses(path: Path, form: str, rows: int | None = None) -> bool:
    """Whether the file at `path` is readable as `form` (and has `rows` rows, where that is cheap)."""
    try:
        return _READERS.get(form, _anything)(path, rows)
    except (OSError, ValueError, KeyError, csv.Error, zipfile.BadZipFile, expat.ExpatError):
        return False
    except pa.ArrowException:
        return False


def _csv(path: Path, rows: int | None) -> bool:
    with path.open(encoding="utf-8-sig", newline="") as file:
        sample = file.readline()
        file.seek(0)
        separator = "\t" if path.suffix == ".txt" else max(",;", key=sample.count)
        width, count = None, 0
        for record in csv.reader(file, delimiter=separator):
            width = width or len(record)
            if len(record) != width:
                return False
            count += 1
    return width is not None and (rows is None or count == rows + 1)


def _json(path: Path, rows: int | None) -> bool:
    if path.stat().st_size > MOST_JSON:
        with path.open("rb") as file:
            first = file.read(1)
            file.seek(-64, 2)
            last = file.read().rstrip()[-1:]
        return first + last in (b"[]", b"{}")
    content = json.loads(path.read_bytes())
    listed = content["features"] if isinstance(content, dict) and "features" in content else content
    return rows is None or not isinstance(listed, list) or len(listed) == rows


def _ndjson(path: Path, rows: int | None) -> bool:
    count = 0
    with path.open("rb") as file:
        for line in file:
            json.loads(line)
            count += 1
    return rows is None or count == rows


def _parquet(path: Path, rows: int | None) -> bool:
    with pq.ParquetFile(path) as file:
        count = sum(batch.num_rows for batch in file.iter_batches(batch_size=8192))
    return rows is None or count == rows


def _zip(path: Path, _rows: int | None) -> bool:
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None and bool(archive.namelist())


def _xml(path: Path, _rows: int | None) -> bool:
    parser = expat.ParserCreate()
    # The bytes are those that convert wrote; entities are refused all the same.
    parser.EntityDeclHandler = _refuse
    with path.open("rb") as file:
        parser.ParseFile(file)
    return True


def _refuse(*_: object) -> None:
    raise ValueError


def _starts(magic: bytes) -> Callable[[Path, int | None], bool]:
    def reads(path: Path, _rows: int | None) -> bool:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic

    return reads


def _anything(path: Path, _rows: int | None) -> bool:
    return path.stat().st_size > 0


_READERS: dict[str, Callable[[Path, int | None], bool]] = {
    "csv": _csv,
    "txt": _csv,
    "json": _json,
    "geojson": _json,
    "ndjson": _ndjson,
    "parquet": _parquet,
    "geoparquet": _parquet,
    "xlsx": _zip,
    "ods": _zip,
    "kmz": _zip,
    "zip": _zip,
    "kml": _xml,
    "osm": _xml,
    "gpkg": _starts(b"SQLite format 3\x00"),
    "pmtiles": _starts(b"PMTiles"),
}

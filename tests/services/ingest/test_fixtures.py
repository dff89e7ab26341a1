"""Every format and way in has a fixture from somewhere real, with source, licence and golden result.

`python -m tests.services.ingest.test_fixtures` writes the golden results anew: look at what changed.
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, get_args

import pyarrow.parquet as pq
import pytest

from services.ingest.fetch_source import fetch_source
from shared.card_source import SourceFormat
from shared.settings import Settings
from shared.storage import open_store
from tests.services.ingest.reading import DATA, read

GOLDEN = DATA / "golden.json"
ROOT = Path(__file__).parents[3]
COPYABLE = ("MIT", "Apache-2.0", "ODbL 1.0", "Licence Ouverte", "public domain")


def table_under(heading: str) -> list[dict[str, str]]:
    """The rows of the table under a heading of SOURCES.md."""
    text = (DATA / "SOURCES.md").read_text(encoding="utf-8")
    part = text.split(f"# {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


FILES = table_under("Files that came from somewhere, for the tests of ingest")


def golden(name: str, folder: Path) -> dict[str, Any]:
    """What comes out: format, columns by type, rows, the first of them, a digest of all."""
    made = read(DATA / name, folder)
    rows = pq.read_table(folder / "table.parquet").to_pylist()
    plain = [json.loads(json.dumps(row, default=_written)) for row in rows]
    whole = json.dumps(plain, ensure_ascii=False, sort_keys=True)
    return {
        "format": made.quality["source"]["format"],
        "columns": {column.name: column.type for column in made.columns},
        "rows": made.rows,
        "first": plain[0],
        "sha256": hashlib.sha256(whole.encode()).hexdigest(),
    }


def _written(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", [file["File"] for file in FILES])
def test_golden_results(tmp_path: Path, name: str) -> None:
    """Each file gives the table that it gave when somebody looked at it, to the last cell."""
    assert golden(name, tmp_path) == known()[name]


def test_every_format_is_there() -> None:
    """Each format that ingest accepts has a file that somebody else made; no other is listed."""
    theirs = {file["Format"] for file in FILES if file["Made by"] == "theirs"}
    assert theirs == set(get_args(SourceFormat))
    assert {known()[file["File"]]["format"] for file in FILES} == theirs
    wrapped = {file["Wrapped"] for file in FILES if file["Made by"] == "theirs"}
    assert wrapped == {"", "gzip", "zip", "kmz"}


def test_every_file_is_listed() -> None:
    """With where it came from and a licence that lets it be copied; nothing else lies there."""
    there = {path.name for path in DATA.iterdir()} - {"SOURCES.md", GOLDEN.name}
    assert there == {file["File"] for file in FILES} == set(known())
    for file in FILES:
        assert file["From"]
        assert file["Licence"].startswith(COPYABLE)
        assert known()[file["File"]]["format"] == file["Format"]


def test_every_way_in_has_its_test() -> None:
    """The tests that the page names are there."""
    for way in table_under("Ways in"):
        path, _, name = way["Test"].partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), way["Way"]


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


@pytest.mark.parametrize("way", ["http", "file", "drop"])
async def test_the_ways_in(tmp_path: Path, way: str) -> None:
    """A real file, fetched, is the file that lay there."""
    name = "adresses-ansi.csv"
    settings = Settings.model_validate(
        {
            "store": str(tmp_path / "store"),
            "allow_private_addresses": True,
            "allowed_folders": [DATA],
        }
    )
    store = open_store(settings, "ingest")
    await store.put_bytes("drop", f"adresses/bal/{name}", (DATA / name).read_bytes())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=DATA)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = {
            "http": f"http://127.0.0.1:{server.server_address[1]}/{name}",
            "file": (DATA / name).as_uri(),
            "drop": f"drop:///adresses/bal/{name}",
        }[way]
        found = await fetch_source(address, tmp_path / "to", settings, store)
        server.shutdown()
    assert found.path.read_bytes() == (DATA / name).read_bytes()
    assert found.sha256 == hashlib.sha256((DATA / name).read_bytes()).hexdigest()


def write() -> None:
    """Writes every golden result."""
    found = {}
    for file in FILES:
        with TemporaryDirectory() as folder:
            found[file["File"]] = golden(file["File"], Path(folder))
    text = json.dumps(found, ensure_ascii=False, indent=1)
    GOLDEN.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()

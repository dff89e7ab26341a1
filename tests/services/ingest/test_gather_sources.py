"""Several sources for one table: appended by code, the late and the broken by rule and by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio

from services.ingest.append_tables import append_tables
from services.ingest.change_record import take_up
from services.ingest.download import Fetched
from services.ingest.keep_source import keep_source
from services.ingest.source_to_table import ReadLimits, source_to_table
from shared.card import Card
from shared.card_file import BadCard
from shared.envelope import Received
from shared.events import DatasetChanged
from shared.failures import Quarantined, SourceAway
from shared.settings import Settings
from shared.storage import Store, open_store
from shared.workers import WorkerPool
from tests.services.ingest.reading import SECRET, plain


class Metropolis:
    """Three communes with a file each; `pool` reads them."""

    def __init__(self, folder: Path, pool: WorkerPool) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.files.mkdir()
        self.settings = Settings.model_validate(
            {
                "store": str(folder / "store"),
                "allowed_folders": [self.files],
                "source_retry_seconds": 0.001,
                "allow_private_addresses": True,
            }
        )
        self.store: Store = open_store(self.settings, "ingest")
        self.pool = pool
        self.number = 0
        self.put("bron", b"id;places\nB1;3\n")
        self.put("lyon", b"id,places\nL1,4.5\nL2,\n")
        self.put("oullins", b'[{"id": "O1", "places": 2}]')

    def put(self, name: str, content: bytes) -> None:
        (self.files / name).write_bytes(content)

    def card(self, late: str = "stop", **more: Any) -> Card:
        sources = [
            {"name": name, "insee": insee, "address": (self.files / name).as_uri()}
            for name, insee in (("bron", "69029"), ("lyon", "69123"), ("oullins", "69149"))
        ]
        return plain(
            "id", "places", "code_insee", sources=sources, gathering={"late": late}, **more
        )

    async def gather(self, card: Card) -> Fetched:
        self.number += 1
        came = Received("dataset.changed", 0, self.number, None, f"e{self.number}", "urn:x", None)  # type: ignore[arg-type]
        run = await take_up(DatasetChanged(dataset="bancs"), came, self.store, 0)
        work = self.folder / f"work{self.number}"
        work.mkdir()
        return await keep_source(run, card, work, self.settings, self.store, self.pool)

    async def rows(self, card: Card) -> list[dict[str, Any]]:
        fetched = await self.gather(card)
        out = self.folder / "table.parquet"
        self.quality = source_to_table(fetched.path, card, out, ReadLimits(), fetched.notes).quality
        found: list[dict[str, Any]] = pq.read_table(out).to_pylist()
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    made = WorkerPool(
        size=1,
        modules=["services.ingest.gather_sources"],
        jobs=100,
        memory_bytes=2**31,
        seconds=300,
    )
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def city(tmp_path: Path, pool: WorkerPool) -> Metropolis:
    return Metropolis(tmp_path, pool)


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_three_communes(city: Metropolis) -> None:
    """Each in its own format; one table in the card's order, of types that all allow."""
    assert await city.rows(city.card()) == [
        {"id": "B1", "places": 3.0, "code_insee": "69029"},
        {"id": "L1", "places": 4.5, "code_insee": "69123"},
        {"id": "L2", "places": None, "code_insee": "69123"},
        {"id": "O1", "places": 2.0, "code_insee": "69149"},
    ]


async def test_a_column_that_one_left_empty(city: Metropolis) -> None:
    """It says nothing of the column's type, wherever it is: the others do."""
    city.put("bron", b"id;places\nB1;\n")
    assert [row["places"] for row in await city.rows(city.card())] == [None, 4.5, None, 2.0]


async def test_a_geometry_beside_a_text(tmp_path: Path) -> None:
    """Bytes are never written out as text; where there is nothing, nothing disagrees."""
    shapes, texts, empty = (tmp_path / name for name in ("shapes", "texts", "empty"))
    pq.write_table(pa.table({"lieu": pa.array([b"\x01\xff"])}), shapes)
    pq.write_table(pa.table({"lieu": ["POINT(1 2)"]}), texts)
    pq.write_table(pa.table({"lieu": pa.array([None], pa.string())}), empty)
    with pytest.raises(Quarantined, match="column_unreadable"):
        append_tables([("69029", shapes), ("69123", texts)], "insee", tmp_path / "out")
    append_tables([("69029", empty), ("69123", shapes)], "insee", tmp_path / "out")
    assert pq.read_table(tmp_path / "out")["lieu"].to_pylist() == [None, b"\x01\xff"]


async def test_the_same_files_are_the_same_source(city: Metropolis) -> None:
    """Gathered again, nothing changed: the same bytes, so the same release."""
    card = city.card()
    assert (await city.gather(card)).sha256 == (await city.gather(card)).sha256


async def test_a_key_over_all(city: Metropolis) -> None:
    """A value may come once in each, but not in two of them."""
    city.put("lyon", b"id;places\nB1;4\n")
    schema = {"fields": [{"name": "id"}, {"name": "places", "type": "integer"}, {"name": "code_insee"}],
              "primaryKey": ["id"]}  # fmt: skip
    with pytest.raises(Quarantined, match="key_repeated"):
        await city.rows(city.card(schema=schema))


@pytest.mark.parametrize("broken", [b"", b"id;places\nL1;4;5\n", f"id;{SECRET}\n".encode(), None])
async def test_a_source_that_is_late_or_broken(city: Metropolis, broken: bytes | None) -> None:
    """It stops the release with its name and line, or is replaced, or left out; the report says so."""
    card = city.card()
    await city.gather(card)
    if broken is None:
        (city.files / "lyon").unlink()
    else:
        city.put("lyon", broken)
    with pytest.raises(Quarantined) as caught:
        await city.gather(card)
    assert {reason.detail for reason in caught.value.reasons} == {"lyon"}
    assert SECRET not in str([reason.model_dump() for reason in caught.value.reasons])
    codes = {reason.code for reason in caught.value.reasons}
    replaced = await city.rows(city.card("last"))
    assert [row["id"] for row in replaced] == ["B1", "L1", "L2", "O1"]
    [note] = [w for w in city.quality["warnings"] if w["code"] == "part_replaced"]
    assert (note["expected"], {note["detail"]} <= codes) == ("lyon", True)
    left = await city.rows(city.card("leave_out"))
    assert [row["id"] for row in left] == ["B1", "O1"]
    assert "part_left_out" in {w["code"] for w in city.quality["warnings"]}


async def test_no_last_good_table(city: Metropolis) -> None:
    """Where there was never a good one, it stops."""
    (city.files / "lyon").unlink()
    with pytest.raises(Quarantined, match="source_missing"):
        await city.gather(city.card("last"))


async def test_a_host_that_is_away(city: Metropolis) -> None:
    """The change waits, and who is away is named."""
    body = city.card().body()
    body["sources"][1]["address"] = "http://127.0.0.1:9/x"
    with pytest.raises(SourceAway) as caught:
        await city.gather(Card.model_validate(body))
    assert caught.value.reasons[0].detail == "lyon"


async def test_all_that_is_wrong_at_once(city: Metropolis) -> None:
    """One that is broken and one that is away: both are named, and a person is asked. Nothing goes
    on meanwhile in a folder that will be gone."""
    (city.files / "bron").unlink()
    body = city.card().body()
    body["sources"][1]["address"] = "http://127.0.0.1:9/x"
    others = asyncio.all_tasks()
    with pytest.raises(Quarantined) as caught:
        await city.gather(Card.model_validate(body))
    told = [(reason.code, reason.detail) for reason in caught.value.reasons]
    assert told == [("source_missing", "bron"), ("source_away", "lyon")]
    assert asyncio.all_tasks() <= others


async def test_nobody_answers(city: Metropolis) -> None:
    """Where all are away the change waits, whatever the card lets pass: no person can mend that."""
    body = city.card("leave_out").body()
    for part in body["sources"]:
        part["address"] = "http://127.0.0.1:9/x"
    with pytest.raises(SourceAway) as caught:
        await city.gather(Card.model_validate(body))
    named = [reason.expected for reason in caught.value.reasons[1:]]
    assert named == ["bron", "lyon", "oullins"]


async def test_none_is_left(city: Metropolis) -> None:
    """A table of nothing is never published."""
    for name in ("bron", "lyon", "oullins"):
        (city.files / name).unlink()
    with pytest.raises(Quarantined, match="parts_missing") as caught:
        await city.gather(city.card("leave_out"))
    told = [(reason.expected, reason.detail) for reason in caught.value.reasons[1:]]
    assert told == [(name, "source_missing") for name in ("bron", "lyon", "oullins")]


async def test_a_name_comes_once() -> None:
    """Two sources of one name could not be told apart."""
    part = {"name": "bron", "insee": "69029", "address": "https://a.example/x"}
    with pytest.raises(BadCard, match="named twice"):
        plain("id", sources=[part, part])

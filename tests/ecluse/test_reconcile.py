"""`reconcile`: what is lost, late, missing or damaged is named, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from ecluse import reconcile as module
from ecluse.cli import app
from ecluse.reconcile import reconcile
from shared.event_parts import ObjectRef
from shared.failures import OursAway
from shared.messages import Reason
from shared.settings import Settings, settings
from shared.storage import Store, open_store

NOW = datetime.now(UTC)
OLD = timedelta(days=1)
FILE = b"id,places\r\nB1,3\r\n"


class City:
    """What the topic, the database and the store of a city say."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            store=str(folder / "store"), database="postgresql+psycopg://127.0.0.1:9/none"
        )
        self.store: Store = open_store(self.settings, "operator")
        self.announced: dict[str, datetime] = {}
        self.changes: list[dict[str, Any]] = []
        self.files: list[dict[str, Any]] = []
        self.twice: list[dict[str, Any]] = []
        self.undelivered: list[dict[str, Any]] = []
        self.withdrawn: list[str] = []

    def change(self, name: str, *, ago: timedelta = OLD, **row: Any) -> None:
        self.announced[name] = NOW - ago
        plain = {"change": name, "state": "ended", "end": "published", "at": NOW - ago}
        self.changes.append(plain | row)

    async def file(self, name: str, content: bytes | None = FILE) -> None:
        key = f"bancs/r0/{name}"
        if content is not None:
            await self.store.put_bytes("public", key, content)
        self.files.append(
            {
                "dataset": "bancs",
                "release": "r0",
                "name": name,
                "key": key,
                "bytes": len(FILE),
                "sha256": hashlib.sha256(FILE).hexdigest(),
            }
        )

    async def rows(self, _: AsyncEngine, statement: str) -> list[dict[str, Any]]:
        if "publish.changes" in statement:
            return self.changes
        if "publish.files" in statement:
            return self.files
        if "publish.deliveries" in statement:
            return self.undelivered
        if statement == "select release from publish.withdrawn":
            return [{"release": one} for one in self.withdrawn]
        return self.twice if "publish.ledger" in statement else []

    async def account(self, *, deep: bool = False) -> dict[str, Any]:
        return await reconcile(self.settings, deep=deep)


@pytest.fixture
def city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> City:
    made = City(tmp_path)

    async def announced(_: Settings) -> dict[str, datetime]:
        return made.announced

    monkeypatch.setattr(module, "_announced", announced)
    monkeypatch.setattr(module, "_rows", made.rows)
    return made


async def test_everything_adds_up(city: City) -> None:
    """Ends and open changes are counted, files are looked at."""
    city.change("c1")
    city.change("c2", end="unchanged")
    city.change("c3", end=None, state="waiting", ago=timedelta(days=2))
    city.change("c4", end=None, state="quarantined", ago=timedelta(days=29))
    await city.file("bancs.csv")
    assert await city.account(deep=True) == {
        "ok": True,
        "announced": 4,
        "ends": {"published": 1, "unchanged": 1},
        "open": {"waiting": 1, "quarantined": 1},
        "files": 1,
        "objects": 0,
        "wrong": [],
    }


@pytest.mark.parametrize(
    ("state", "days"),
    [("waiting", 4), ("quarantined", 31), ("parked", 31), ("started", 1), ("done", 1)],
)
async def test_a_change_that_is_late(city: City, state: str, days: int) -> None:
    """Older than its class's limit and without an end: it is named."""
    city.change("c1", end=None, state=state, ago=timedelta(days=days))
    account = await city.account()
    assert (account["ok"], account["wrong"]) == (
        False,
        [{"what": "change_late", "change": "c1", "state": state}],
    )


async def test_a_change_that_nobody_wrote_down(city: City) -> None:
    """Announced long ago and in no ledger: lost. A moment ago: next in line, and counted as open."""
    city.announced = {"c1": NOW - OLD, "c2": NOW - timedelta(seconds=5)}
    account = await city.account()
    assert account["wrong"] == [{"what": "change_lost", "change": "c1"}]
    assert (account["announced"], account["open"]) == (2, {"announced": 1})


async def test_an_end_written_twice(city: City) -> None:
    """A change has one end."""
    city.twice = [{"change": "c1", "times": 2}]
    assert (await city.account())["wrong"] == [{"what": "ended_twice", "change": "c1", "times": 2}]


async def test_files_that_are_not_as_announced(city: City) -> None:
    """Missing and cut files are seen at once, changed ones with --deep."""
    await city.file("gone.csv", None)
    await city.file("cut.csv", FILE[:-1])
    await city.file("changed.csv", FILE.replace(b"3", b"4"))
    told = {"dataset": "bancs", "release": "r0"}
    missing = [
        {"what": "file_missing", **told, "file": "gone.csv"},
        {"what": "file_missing", **told, "file": "cut.csv"},
    ]
    assert (await city.account())["wrong"] == missing
    assert (await city.account(deep=True))["wrong"] == [
        *missing,
        {"what": "file_damaged", **told, "file": "changed.csv"},
    ]


async def test_what_the_manifests_name(city: City) -> None:
    """Tables and staged files are looked at like public ones; those of a withdrawn release are not."""
    key = "bancs/tables/r1.parquet"
    ref = await city.store.put_bytes("safe", key, FILE)
    manifest = json.dumps({"rows": 1, "table": ref.model_dump(), "files": [ref.model_dump()]})
    place = "bancs/manifests/r1.anonymize.json"
    await city.store.put_bytes("reports", place, manifest.encode())
    await city.store.put_bytes("reports", "bancs/reports/r1.anonymize.json", b"no manifest")
    assert (await city.account(deep=True))["objects"] == 2
    await city.store.put_bytes("safe", key, FILE.replace(b"3", b"4"))
    where = {"dataset": "bancs", "bucket": "safe", "key": key}
    assert (await city.account())["wrong"] == []
    assert (await city.account(deep=True))["wrong"] == [{"what": "object_damaged", **where}] * 2
    await city.store.delete("safe", key)
    assert (await city.account())["wrong"] == [{"what": "object_missing", **where}] * 2
    city.withdrawn = ["r1"]
    assert (await city.account())["wrong"] == []


async def test_what_a_retention_has_ended(city: City) -> None:
    """A table older than its bucket keeps it is not missed."""
    key = "bancs/manifests/r1.anonymize.json"
    ref = {"bucket": "safe", "key": "bancs/tables/r1.parquet", "bytes": 1, "sha256": "0" * 64}
    await city.store.put_bytes("reports", key, json.dumps({"table": ref}).encode())
    assert len((await city.account())["wrong"]) == 1
    path = Path(city.settings.store) / "reports" / key
    ago = (NOW - timedelta(days=city.settings.keep_safe_days)).timestamp()
    os.utime(path, (ago, ago))
    assert (await city.account())["wrong"] == []


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"bucket":1,"key":2,"bytes":3,"sha256":4}'])
async def test_a_manifest_that_is_damaged(city: City, content: bytes) -> None:
    """It is named; the others are still looked at."""
    key = "bancs/manifests/r1.ingest.json"
    await city.store.put_bytes("reports", key, content)
    [wrong] = (await city.account())["wrong"]
    where = {"dataset": "bancs", "bucket": "reports", "key": key}
    assert wrong == {"what": "object_damaged", **where}


async def test_a_publication_that_was_not_delivered(city: City) -> None:
    """What is said to be public was delivered to the city's own portal."""
    city.undelivered = [{"publication": "p1", "dataset": "bancs"}]
    told = {"what": "not_delivered", "publication": "p1", "dataset": "bancs"}
    assert (await city.account())["wrong"] == [told]


async def test_a_store_that_is_away(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an outage, not a thousand damaged files."""
    await city.file("bancs.csv")

    class Away(Store):
        async def checked(self, ref: ObjectRef) -> AsyncIterator[bytes]:
            if ref.bytes:
                raise OursAway(Reason(code="store_away"))
            yield b""

    away = Away(cast(Any, city.store)._buckets)
    monkeypatch.setattr(module, "open_store", lambda *_: away)
    with pytest.raises(OursAway):
        await city.account(deep=True)


async def test_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said as ours, without the driver's words."""

    class Engine:
        def connect(self) -> Any:
            raise OperationalError("select canari", None, ValueError("canari"))

    with pytest.raises(OursAway) as caught:
        await module._rows(cast(AsyncEngine, Engine()), "select 1")
    assert caught.value.reasons[0].code == "database_away"
    assert caught.value.__cause__ is None


def test_exit_codes(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 when everything adds up, 3 when not, 2 without a database to ask; JSON stays one object."""
    settings.cache_clear()
    assert CliRunner().invoke(app, ["reconcile", "--json"]).exit_code == 2
    monkeypatch.setenv("ECLUSE_DATABASE", "postgresql+psycopg://127.0.0.1:9/none")
    monkeypatch.setenv("ECLUSE_STORE", city.settings.store)
    settings.cache_clear()
    city.change("c1")
    assert CliRunner().invoke(app, ["reconcile"]).exit_code == 0
    city.change("c2", end=None, state="waiting", ago=timedelta(days=9))
    result = CliRunner().invoke(app, ["reconcile"])
    assert result.exit_code == 3
    assert "wrong: what change_late, change c2, state waiting" in result.stdout
    settings.cache_clear()

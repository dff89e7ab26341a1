"""A bucket as a portal: files, their description, an index; nothing left behind."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import httpx
import obstore
import pytest
from obstore.store import MemoryStore
from pydantic import SecretStr

from services.publish.portals.bucket import Bucket
from services.publish.portals.compare import differences
from services.publish.portals.connector import Access, Ids
from services.publish.portals.folders import FolderPortal
from services.publish.portals.wanted import make_wanted
from shared.event_parts import FileRef
from shared.portal_settings import PortalAccess
from tests.cards import card
from tests.services.publish.test_udata_words import Publication

PUBLIC = "http://files.example"


class Town:
    """A bucket, what is to be in it, and a stranger before it."""

    def __init__(self) -> None:
        self.objects = MemoryStore()
        portal = PortalAccess(kind="s3", url="http://s3.example", public_url=PUBLIC)
        access = Access("depot", portal, SecretStr(""), self.open)
        transport = httpx.MockTransport(self.serve)
        http = httpx.AsyncClient(transport=transport)
        self.bucket = FolderPortal(access, Bucket(self.objects), http, PUBLIC)
        self.opened: list[str] = []

    async def open(self, file: FileRef) -> AsyncIterator[bytes]:
        self.opened.append(file.name)
        yield b"x" * file.bytes

    async def serve(self, request: httpx.Request) -> httpx.Response:
        try:
            found = await obstore.get_async(self.objects, request.url.path.lstrip("/"))
        except FileNotFoundError:
            return httpx.Response(404)
        return httpx.Response(200, content=bytes(await found.bytes_async()))

    async def put(self, *forms: str, dataset: str = "bancs") -> Any:
        class Made(Publication):
            files = tuple(
                {"role": "data", "format": form, "name": f"{dataset}.{form}",
                 "media_type": "text/csv", "bytes": 3, "sha256": sha256(b"xxx").hexdigest(),
                 "bucket": "staged", "key": "x", "rows": 1}
                for form in forms
            )  # type: ignore[assignment]  # fmt: skip

        Made.dataset = dataset
        wanted = make_wanted(card(dataset=dataset), Made(), "http://ville.example")
        told = await self.bucket.describe(wanted)
        before = await self.bucket.read_back(wanted.uri, Ids(), stranger=False)

        async def remember(_pairs: dict[str, str]) -> None:
            pass

        await self.bucket.upsert(told, wanted, before, remember)
        seen = await self.bucket.read_back(wanted.uri, Ids(), stranger=True)
        assert seen
        assert differences(told, seen) == ()
        return seen

    async def keys(self) -> list[str]:
        return sorted(meta["path"] for page in obstore.list(self.objects) for meta in page)

    async def index(self) -> list[str]:
        found = await obstore.get_async(self.objects, "index.json")
        listed = json.loads(bytes(await found.bytes_async()))["datasets"]
        return [one["folder"] for one in listed]


@pytest.fixture
def town() -> Town:
    return Town()


async def test_a_dataset_is_put_changed_and_taken_away(town: Town) -> None:
    """What is there is not sent again, what is told no more goes, and the index follows."""
    await town.put("csv", "json")
    await town.put("csv", dataset="arbres")
    assert await town.index() == ["arbres", "bancs"]
    assert town.opened == ["bancs.csv", "bancs.json", "arbres.csv"]
    await town.put("csv", "parquet")
    assert town.opened[3:] == ["bancs.parquet"]
    assert [key for key in await town.keys() if key.startswith("bancs/")] == [
        "bancs/bancs.csv",
        "bancs/bancs.parquet",
        "bancs/dataset.json",
    ]
    seen = await town.bucket.read_back("http://ville.example/datasets/bancs", Ids(), stranger=False)
    assert seen
    await town.bucket.withdraw(seen)
    assert await town.keys() == ["arbres/arbres.csv", "arbres/dataset.json", "index.json"]
    assert await town.index() == ["arbres"]


async def test_a_file_that_somebody_deleted_is_missed(town: Town) -> None:
    """The description alone does not make a file: sizes are looked at."""
    await town.put("csv", "json")
    await obstore.delete_async(town.objects, "bancs/bancs.csv")
    seen = await town.bucket.read_back("http://ville.example/datasets/bancs", Ids(), stranger=False)
    assert seen
    assert list(seen.resources) == ["http://ville.example/datasets/bancs#json"]
    await town.put("csv", "json")
    assert "bancs/bancs.csv" in await town.keys()

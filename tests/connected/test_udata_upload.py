"""Files that a real udata hosts: brought there, replaced, mended, taken away.

A quarter of a gigabyte goes in parts; `ECLUSE_TEST_WHOLE=1` (`make test-faults`) sends the whole of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import psutil
import pytest
from pydantic import SecretStr

from services.publish.portals import compare, udata_upload
from services.publish.portals import udata as connector
from services.publish.portals.connector import (
    Access,
    Connector,
    Description,
    Ids,
    Remember,
    Seen,
    Wanted,
)
from services.publish.portals.failures import Unknown
from services.publish.portals.wanted import make_wanted
from shared.event_parts import FileRef
from shared.portal_settings import PortalAccess
from tests.cards import card
from tests.peers.moody_proxy import Happens, MoodyProxy, calm
from tests.peers.udata_server import Udata
from tests.services.publish.test_udata_words import Publication

BLOCK = b"0123456789abcdef" * 4096
BYTES = 2**30 if os.environ.get("ECLUSE_TEST_WHOLE") == "1" else 2**28
# Some parts of 4 MiB are under way at a time, whatever the file is: 60 MiB were seen for a gigabyte.
MOST_MORE = 128 * 2**20
PATIENCE = 30.0
PUBLIC = "http://ville.example"


class Files:
    """The store: a dataset's files by name."""

    def __init__(self, **files: bytes) -> None:
        self.there = {f"bancs.{form}": content for form, content in files.items()}

    async def open(self, file: FileRef) -> AsyncIterator[bytes]:
        yield self.there[file.name]

    def wanted(self) -> Wanted:
        made = Publication()
        made.files = tuple(
            {"role": "data", "format": name.partition(".")[2], "name": name,
             "media_type": "text/csv", "bytes": len(content),
             "sha256": hashlib.sha256(content).hexdigest(), "bucket": "staged", "key": "x",
             "rows": 1}
            for name, content in self.there.items()
        )  # type: ignore[assignment]  # fmt: skip
        return make_wanted(card(), made, PUBLIC)


Open = Callable[[FileRef], AsyncIterator[bytes]]


def connect(peer: Udata, organization: str, content: Open, url: str = "") -> Connector:
    told = PortalAccess(kind="udata", url=url or peer.url, organization=organization, mode="upload")
    return connector.open_portal(Access("agglo", told, SecretStr(peer.key), content))


async def put(portal: Connector, aim: Wanted, before: Seen | None) -> tuple[Description, Seen]:
    """Brings it there; what was told, and what strangers see, which is that."""
    learnt: dict[str, str] = {}

    async def remember(pairs: dict[str, str]) -> None:
        learnt.update(pairs)

    told = await portal.describe(aim)
    await tried(portal, told, aim, before, remember)
    seen = await portal.read_back(aim.uri, Ids(learnt[aim.uri]), stranger=True)
    assert seen is not None
    assert compare.differences(told, seen) == ()
    assert learnt == {aim.uri: seen.ids.dataset, **seen.ids.resources}
    return told, seen


async def tried(
    portal: Connector, told: Description, aim: Wanted, before: Seen | None, remember: Remember
) -> None:
    """As a worker does: what failed is read again, then said again.

    udata 17.18 answers 500 to a second file of one name within a second.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            await portal.upsert(told, aim, before, remember)
            return
        except Unknown as failure:
            late = time.monotonic() > deadline
            if failure.reasons[0].code != "portal_failing" or late:
                raise
        ids = before.ids if before else Ids()
        before = await portal.read_back(aim.uri, ids, stranger=False)


async def another_second() -> None:
    """udata takes a second file of one name within a second for a fault: here it is to be none."""
    now = int(time.time())
    while int(time.time()) == now:
        await asyncio.sleep(0.02)


async def fetch(address: str) -> tuple[int, bytes]:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        answer = await http.get(address)
        return answer.status_code, answer.content


def uri(form: str) -> str:
    return f"{PUBLIC}/datasets/bancs#{form}"


async def test_a_hosted_file_over_its_life(udata: Udata) -> None:
    """Its id stays while its bytes change; what is replaced or taken away cannot be had any more."""
    organization = await asyncio.to_thread(udata.make_organization, "Ville aux fichiers hébergés")
    store = Files(csv=b"id\n1\n", json=b"[1]", parquet=b"PAR1")
    portal = connect(udata, organization, store.open)
    told, first = await put(portal, store.wanted(), None)
    assert [one.code for one in told.warnings if one.code == "portal_format_linked"] == [
        "portal_format_linked"
    ]
    assert first.addresses[uri("parquet")] == f"{PUBLIC}/datasets/bancs/bancs.parquet"
    for form in ("csv", "json"):
        assert await fetch(first.addresses[uri(form)]) == (200, store.there[f"bancs.{form}"])
    assert first.resources[uri("csv")]["title"] == told.resources[uri("csv")]["title"]
    assert {one.kind for one in first.served} == {"file"}

    # Somebody adds a note to the file by hand; a new version of it comes, the JSON goes.
    path = (
        f"/api/2/datasets/{first.ids.dataset}/resources/{first.ids.resources[uri('csv')]}/extras/"
    )
    await asyncio.to_thread(udata.call, "PUT", path, {"note": "de la main"})
    before = await portal.read_back(PUBLIC, first.ids, stranger=False)
    store.there = {"bancs.csv": b"id\n1\n2\n", "bancs.parquet": b"PAR1"}
    _, second = await put(portal, store.wanted(), before)
    assert second.ids.dataset == first.ids.dataset
    assert second.ids.resources == {
        one: first.ids.resources[one] for one in (uri("csv"), uri("parquet"))
    }
    assert await fetch(second.addresses[uri("csv")]) == (200, b"id\n1\n2\n")
    assert (await fetch(first.addresses[uri("csv")]))[0] == 404
    assert (await fetch(first.addresses[uri("json")]))[0] == 404
    assert (await asyncio.to_thread(udata.call, "GET", path))["note"] == "de la main"

    # Somebody replaces the file by hand: seen, and mended under the same id.
    await asyncio.to_thread(replace_by_hand, udata, second, uri("csv"))
    aim = store.wanted()
    edited = await portal.read_back(PUBLIC, second.ids, stranger=False)
    assert edited is not None
    wrong = compare.differences(await portal.describe(aim), edited)
    assert {one.field for one in wrong} == {"extras", "filesize", "title"}
    _, third = await put(portal, aim, edited)
    assert third.ids.resources == second.ids.resources
    assert await fetch(third.addresses[uri("csv")]) == (200, b"id\n1\n2\n")

    # Withdrawn, and back: no address of before leads to the file.
    await portal.withdraw(third)
    assert await portal.read_back(PUBLIC, third.ids, stranger=True) is None
    assert (await fetch(third.addresses[uri("csv")]))[0] == 404
    hidden = await portal.read_back(PUBLIC, third.ids, stranger=False)
    _, back = await put(portal, aim, hidden)
    assert back.ids.dataset == first.ids.dataset
    assert await fetch(back.addresses[uri("csv")]) == (200, b"id\n1\n2\n")
    await portal.close()


def replace_by_hand(udata: Udata, seen: Seen, which: str) -> None:
    path = f"/api/1/datasets/{seen.ids.dataset}/resources/{seen.ids.resources[which]}/upload/"
    httpx.post(
        f"{udata.url}{path}",
        files={"file": ("autre.csv", b"id\nX\n", "text/csv")},
        headers={"X-API-KEY": udata.key},
        trust_env=False,
        timeout=60,
    ).raise_for_status()


async def test_a_portal_changes_from_hosting_to_links_and_back(udata: Udata) -> None:
    """The same dataset; no file is left at the portal that nobody leads to."""
    organization = await asyncio.to_thread(udata.make_organization, "Ville qui change d'avis")
    store = Files(csv=b"id\n1\n")
    hosting = connect(udata, organization, store.open)
    told = PortalAccess(kind="udata", url=udata.url, organization=organization)
    linking = connector.open_portal(Access("agglo", told, SecretStr(udata.key), store.open))
    _, first = await put(linking, store.wanted(), None)
    _, second = await put(hosting, store.wanted(), first)
    assert second.ids == first.ids
    assert await fetch(second.addresses[uri("csv")]) == (200, b"id\n1\n")
    _, third = await put(linking, store.wanted(), second)
    assert third.ids.dataset == first.ids.dataset
    assert third.addresses == first.addresses
    assert third.served == ()
    assert (await fetch(second.addresses[uri("csv")]))[0] == 404
    for portal in (hosting, linking):
        await portal.close()


@pytest.mark.parametrize(
    ("happens", "code", "sent"), [("cut", "portal_unanswered", 1), ("page", "portal_unreadable", 2)]
)
async def test_an_upload_whose_answer_is_lost_is_settled_by_reading(
    udata: Udata, happens: Happens, code: str, sent: int
) -> None:
    """The portal took the file and cut the connection: not sent again. It answered a page of errors and
    took nothing: sent again. Strangers see nothing of a dataset that is not whole.
    """
    organization = await asyncio.to_thread(udata.make_organization, f"Ville au fil {happens}")
    store = Files(csv=b"id\n1\n")
    aim = store.wanted()
    with MoodyProxy(udata.url) as proxy:
        portal = connect(udata, organization, store.open, proxy.url)
        proxy.mood = lambda method, path: (
            happens if method == "POST" and path.endswith("/upload/") else "pass"
        )
        with pytest.raises(Unknown) as stopped:
            await put(portal, aim, None)
        assert stopped.value.reasons[0].code == code
        assert await portal.read_back(aim.uri, Ids(), stranger=True) is None
        proxy.mood = calm
        before = await portal.read_back(aim.uri, Ids(), stranger=False)
        assert before is not None
        assert before.hidden
        _, seen = await put(portal, aim, before)
        assert seen.ids.dataset == before.ids.dataset
        assert await fetch(seen.addresses[uri("csv")]) == (200, b"id\n1\n")
        forms = [one for one in proxy.written() if one.endswith("/upload/")]
        assert len(forms) == sent
        await portal.close()


async def test_what_broke_off_after_an_upload_is_not_taken_for_a_persons_edit(udata: Udata) -> None:
    """The new bytes are there under the file's name: the title comes back, the bytes stay."""
    organization = await asyncio.to_thread(udata.make_organization, "Ville interrompue")
    store = Files(csv=b"id\n1\n")
    with MoodyProxy(udata.url) as proxy:
        portal = connect(udata, organization, store.open, proxy.url)
        _, first = await put(portal, store.wanted(), None)
        store.there["bancs.csv"] = b"id\n2\n"
        aim = store.wanted()
        await another_second()
        proxy.calls.clear()

        def uploads() -> int:
            return sum(one.endswith("/upload/") for one in proxy.written())

        proxy.mood = lambda method, path: (
            "page" if method == "PUT" and path.startswith("/api/1/") and uploads() else "pass"
        )
        before = await portal.read_back(aim.uri, first.ids, stranger=False)
        with pytest.raises(Unknown):
            await put(portal, aim, before)
        proxy.mood = calm
        again = await portal.read_back(aim.uri, first.ids, stranger=False)
        assert again is not None
        told = await portal.describe(aim)
        edits = compare.edits(compare.left(first), again)
        assert "title" not in {one.field for one in edits}
        assert {one.field for one in compare.differences(told, again)} == {"title"}
        sent = uploads()
        _, seen = await put(portal, aim, again)
        assert await fetch(seen.addresses[uri("csv")]) == (200, b"id\n2\n")
        assert seen.ids == first.ids
        assert uploads() == sent
        await portal.close()


async def test_a_large_file_goes_in_parts_in_flat_memory(
    udata: Udata, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real one puts the parts together; what is held at a time does not grow with the file."""
    organization = await asyncio.to_thread(udata.make_organization, "Ville au grand fichier")
    digest, memory = hashlib.sha256(), list[int]()
    for _ in range(BYTES // len(BLOCK)):
        digest.update(BLOCK)
    me = psutil.Process()

    async def content(_file: FileRef) -> AsyncIterator[bytes]:
        for number in range(BYTES // len(BLOCK)):
            if number % 64 == 0:
                memory.append(me.memory_info().rss)
            yield BLOCK

    made = Publication()
    made.files = (
        {"role": "data", "format": "csv", "name": "bancs.csv", "media_type": "text/csv",
         "bytes": BYTES, "sha256": digest.hexdigest(), "bucket": "staged", "key": "x", "rows": 1},
    )  # type: ignore[assignment]  # fmt: skip
    sent: list[Any] = []
    in_parts = udata_upload.in_parts

    async def counted(parts: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
        async for part in in_parts(parts, size):
            sent.append(len(part))
            yield part

    monkeypatch.setattr(udata_upload, "in_parts", counted)
    portal = connect(udata, organization, content)
    _, seen = await put(portal, make_wanted(card(), made, PUBLIC), None)
    assert sent == [udata_upload.PART] * (BYTES // udata_upload.PART)
    fetched = hashlib.sha256()
    async with (
        httpx.AsyncClient(trust_env=False, timeout=600) as http,
        http.stream("GET", seen.addresses[uri("csv")]) as answer,
    ):
        async for part in answer.aiter_bytes():
            fetched.update(part)
    assert fetched.digest() == digest.digest()
    assert max(memory) - memory[0] < MOST_MORE
    await portal.close()

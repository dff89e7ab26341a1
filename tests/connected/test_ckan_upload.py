"""An upload to a portal over a socket, in flat memory.

A quarter of a gigabyte; `ECLUSE_TEST_WHOLE=1` (`make test-faults`) sends the whole of it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator

import psutil
from pydantic import SecretStr

from services.publish.portals import ckan
from services.publish.portals.connector import Access, Seen
from services.publish.portals.wanted import make_wanted
from shared.event_parts import FileRef
from shared.portal_settings import PortalAccess
from tests.cards import card
from tests.services.publish.test_udata_words import Publication

PART = b"0123456789abcdef" * 4096
BYTES = 2**30 if os.environ.get("ECLUSE_TEST_WHOLE") == "1" else 2**28
MOST_MORE = 64 * 2**20


class Sink:
    """Answers as a CKAN that is new to everything, and lets bodies fall."""

    def __init__(self) -> None:
        self.largest = 0
        self.memory: list[int] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = psutil.Process()
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            except asyncio.IncompleteReadError:
                break
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            self.largest, left = max(self.largest, length), length
            while left:
                left -= len(await reader.read(min(left, 2**20)))
                if len(self.memory) < (length - left) >> 24:
                    self.memory.append(me.memory_info().rss)
            missing = "_show" in head.partition("\r\n")[0]
            said = json.dumps({"success": not missing, "result": {"id": "x"}}).encode()
            status = "404 Not Found" if missing else "200 OK"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(said)}\r\n\r\n".encode() + said
            )
            await writer.drain()
        writer.close()


async def content(file: FileRef) -> AsyncIterator[bytes]:
    for _ in range(file.bytes // len(PART)):
        yield PART


async def test_a_large_file_goes_through_in_flat_memory() -> None:
    """Streamed from the store to the portal: what is held at a time does not grow with the file."""
    made = Publication()
    made.files = (
        {"role": "data", "format": "bin", "name": "bancs.bin", "media_type": "a/b", "bytes": BYTES,
         "sha256": "0" * 64, "bucket": "staged", "key": "x", "rows": 1},
    )  # type: ignore[assignment]  # fmt: skip
    aim = make_wanted(card(), made, "http://ville.example")
    sink = Sink()
    server = await asyncio.start_server(sink.answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    told = PortalAccess(kind="ckan", url=url, organization="ville", mode="upload")
    portal = ckan.open_portal(Access("agglo", told, SecretStr("t"), content))

    async def remember(_pairs: dict[str, str]) -> None:
        pass

    before: Seen | None = None
    async with server:
        await portal.upsert(await portal.describe(aim), aim, before, remember)
        await portal.close()
    assert sink.largest > BYTES
    assert len(sink.memory) == BYTES >> 24
    assert max(sink.memory) - sink.memory[0] < MOST_MORE

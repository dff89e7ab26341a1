"""A real SFTP server as a portal: its key pinned, files whole or not there, nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import asyncssh
import httpx
import pytest
from pydantic import SecretStr

from services.publish.portals import sftp
from services.publish.portals.connector import Access, BadAccess, Connector, Ids, Wanted
from services.publish.portals.failures import PortalAway
from services.publish.portals.proof import Proof, few, prove
from services.publish.portals.wanted import make_wanted
from shared.event_parts import FileRef
from shared.failures import Quarantined
from shared.portal_settings import PortalAccess
from shared.settings import Settings
from tests.cards import card
from tests.services.publish.test_udata_words import Publication

CONTENT = b"id,places\nB1,3\n"


class Door(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("ville", "geheim")

    def begin_auth(self, username: str) -> bool:
        return True


class Place:
    """The server, its files, and the city's ways to it."""

    def __init__(self, files: Path) -> None:
        self.files, self.port = files, 0
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.breaks = 0
        # By connection: how often somebody else held the lock.
        self.taken: Counter[int] = Counter()
        self.opened: list[str] = []
        self.portals: list[Connector] = []

    async def serve(self) -> asyncssh.SSHAcceptor:
        place = self

        class Files(asyncssh.SFTPServer):
            def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
                try:
                    super().mkdir(path, attrs)
                except FileExistsError:
                    if path.endswith(sftp.LOCK.encode()):
                        place.taken[id(self.channel.get_connection())] += 1
                    raise

            def write(self, file_obj: object, offset: int, data: bytes) -> Any:
                if place.breaks:
                    place.breaks -= 1
                    raise asyncssh.SFTPConnectionLost("gone")
                return super().write(file_obj, offset, data)

        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self.key],
            server_factory=Door,
            sftp_factory=partial(Files, chroot=str(self.files).encode()),
        )
        self.port = server.get_port()
        return server

    async def content(self, file: FileRef) -> AsyncIterator[bytes]:
        self.opened.append(file.name)
        yield CONTENT

    def portal(self, password: str = "geheim", **more: Any) -> Connector:
        host_key = self.key.export_public_key().decode()
        told = {"kind": "sftp", "url": f"sftp://127.0.0.1:{self.port}", "account": "ville",
                "folder": "/ouvert", "host_key": host_key, "token": "agglo"}  # fmt: skip
        access = PortalAccess.model_validate(told | more)
        opened = sftp.open_portal(Access("agglo", access, SecretStr(password), self.content))
        self.portals.append(opened)
        return opened

    def names(self) -> list[str]:
        return sorted(
            str(one.relative_to(self.files)) for one in self.files.rglob("*") if one.is_file()
        )

    def listed(self) -> list[str]:
        told = json.loads((self.files / "ouvert" / "index.json").read_bytes())
        return [one["folder"] for one in told["datasets"]]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    server = await made.serve()
    yield made
    for portal in made.portals:
        await portal.close()
    server.close()
    await server.wait_closed()


def wanted(*forms: str, dataset: str = "bancs") -> Wanted:
    made = Publication()
    made.dataset = dataset
    made.files = tuple(
        {"role": "data", "format": form, "name": f"{dataset}.{form}", "media_type": "text/csv",
         "bytes": len(CONTENT), "sha256": sha256(CONTENT).hexdigest(), "bucket": "staged",
         "key": "x", "rows": 1}
        for form in forms
    )  # type: ignore[assignment]  # fmt: skip
    return make_wanted(card(dataset=dataset), made, "http://ville.example")


async def put(portal: Connector, aim: Wanted) -> Proof:
    learnt: dict[str, str] = {}

    async def remember(pairs: dict[str, str]) -> None:
        learnt.update(pairs)

    told = await portal.describe(aim)
    before = await portal.read_back(aim.uri, Ids(), stranger=False)
    await portal.upsert(told, aim, before, remember)
    ids = Ids(learnt.pop(aim.uri), learnt)
    async with httpx.AsyncClient() as http:
        return await prove(portal, http, Settings(), "agglo", told, aim, ids, few())


async def test_a_dataset_is_put_proven_changed_and_taken_away(place: Place) -> None:
    """What is there is not sent again, what was put is read back, and nothing is left behind."""
    portal = place.portal()
    proof = await put(portal, wanted("csv", "txt"))
    assert proof.reasons == ()
    assert [(one.format, one.http, one.checks["sha256"]) for one in proof.files] == [
        ("csv", 0, True),
        ("txt", 0, True),
    ]
    await put(portal, wanted("csv", dataset="arbres"))
    assert place.listed() == ["arbres", "bancs"]
    await put(portal, wanted("csv"))
    assert place.opened == ["bancs.csv", "bancs.txt", "arbres.csv"]
    assert place.names() == [
        "ouvert/arbres/arbres.csv",
        "ouvert/arbres/dataset.json",
        "ouvert/bancs/bancs.csv",
        "ouvert/bancs/dataset.json",
        "ouvert/index.json",
    ]
    aim = wanted("csv")
    there = await portal.read_back(aim.uri, Ids(), stranger=False)
    assert there
    await portal.withdraw(there)
    assert await portal.read_back(aim.uri, there.ids, stranger=True) is None
    assert not (place.files / "ouvert" / "bancs").exists()
    assert place.listed() == ["arbres"]


async def test_a_file_that_was_tampered_with_is_seen(place: Place) -> None:
    """Same name and size, other bytes: the proof says so."""
    portal = place.portal()
    await put(portal, wanted("csv"))
    (place.files / "ouvert" / "bancs" / "bancs.csv").write_bytes(b"x" * len(CONTENT))
    aim = wanted("csv")
    told = await portal.describe(aim)
    async with httpx.AsyncClient() as http:
        proof = await prove(portal, http, Settings(), "agglo", told, aim, Ids("bancs"), few())
    assert [one.code for one in proof.reasons] == ["portal_file_wrong"]


async def test_a_write_that_breaks_off_leaves_what_was_there(place: Place) -> None:
    """A name shows the file of before until the new one is whole."""
    portal = place.portal()
    await put(portal, wanted("csv"))
    before = place.names()
    place.breaks = 1
    with pytest.raises(PortalAway):
        await put(portal, wanted("csv", "txt"))
    assert place.names() == before
    assert (await put(portal, wanted("csv", "txt"))).reasons == ()


async def test_two_publishers_at_once_lose_nothing_of_the_index(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever changes the index holds it; a lock that a dead one left is no end of it. How old it is
    our own clock says, not the server's."""
    lock = place.files / "ouvert" / sftp.LOCK
    lock.mkdir(parents=True)
    os.utime(lock, (0, 0))
    two = [place.portal(timeout_seconds=600), place.portal(timeout_seconds=600)]
    names = [f"jeu-{number}" for number in range(6)]
    work = [put(two[n % 2], wanted("csv", dataset=one)) for n, one in enumerate(names)]
    putting = asyncio.gather(*work)
    # Both have seen the lock and gone on to look again.
    while len(place.names()) < 2 * len(names) or sum(n > 1 for n in place.taken.values()) < 2:
        await asyncio.sleep(0.01)
    assert not (place.files / "ouvert" / "index.json").exists()
    later = sftp.LOCK_SECONDS + 1
    monkeypatch.setattr(sftp, "monotonic", lambda: monotonic() + later)
    await putting
    assert place.listed() == names


async def test_nothing_is_sent_to_a_server_with_another_key(place: Place) -> None:
    """The key of the settings is the only one believed."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    with pytest.raises(Quarantined) as stopped:
        await put(place.portal(host_key=other), wanted("csv"))
    assert [one.code for one in stopped.value.reasons] == ["portal_host_key"]
    assert place.names() == []


async def test_a_password_that_is_refused_is_said_and_settings_are_checked(place: Place) -> None:
    """The reason names the token, not its value; a key that is none stops the start."""
    with pytest.raises(Quarantined) as stopped:
        await put(place.portal(password="falsch"), wanted("csv"))
    assert [one.code for one in stopped.value.reasons] == ["portal_token_refused"]
    with pytest.raises(BadAccess, match="host_key"):
        place.portal(host_key="")


async def test_strangers_fetch_where_the_settings_say(place: Place) -> None:
    """With a public address nothing is read back over SFTP: what it does not show has not arrived."""
    served = await asyncio.start_server(_nothing, "127.0.0.1", 0)
    port = served.sockets[0].getsockname()[1]
    async with served:
        proof = await put(place.portal(public_url=f"http://127.0.0.1:{port}"), wanted("csv"))
    assert [one.code for one in proof.reasons] == ["portal_not_shown"]


async def _nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()

"""SFTP against a real server of asyncssh on loopback."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from services.ingest.accounts import Account
from services.ingest.fetch_source import fetch_source
from shared.failures import EcluseError, Quarantined, SourceAway
from shared.settings import Settings
from shared.storage import open_store

DATA = bytes(range(256)) * 9000


class Door(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("ecluse", "geheim")

    def begin_auth(self, username: str) -> bool:
        return True


class Sftp:
    """A server whose files lie in `files`; `breaks` is how many reads fail."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "files"
        self.files.mkdir()
        (self.files / "arbres été.csv").write_bytes(DATA)
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.known = folder / "known_hosts"
        self.breaks = 0
        self.replaced = self.growth = b""
        self.offsets: list[int] = []
        self.port = 0

    def write(self, content: bytes) -> None:
        """Puts other bytes in the file's place, a day later."""
        path = self.files / "arbres été.csv"
        moment = path.stat().st_mtime + 86_400
        path.write_bytes(content)
        os.utime(path, (moment, moment))

    async def serve(self) -> asyncssh.SSHAcceptor:
        door = self

        class Files(asyncssh.SFTPServer):
            async def read(self, file_obj: Any, offset: int, size: int) -> bytes:
                if door.growth and offset > 1 << 20:
                    door.write(DATA + door.growth)
                    door.growth = b""
                if door.breaks and offset > 1 << 20:
                    door.breaks -= 1
                    if door.replaced:
                        door.write(door.replaced)
                    raise asyncssh.SFTPConnectionLost("gone")
                door.offsets.append(offset)
                return bytes(super().read(file_obj, offset, size))  # type: ignore[arg-type]

        files = self.files

        def factory(channel: Any) -> asyncssh.SFTPServer:
            return Files(channel, chroot=str(files).encode())

        server = await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[self.key], server_factory=Door, sftp_factory=factory
        )
        self.port = server.get_port()
        public = self.key.export_public_key().decode().strip()
        self.known.write_text(f"[127.0.0.1]:{self.port} {public}\n127.0.0.1 {public}\n")
        return server

    def account(self, **more: Any) -> Account:
        plain = {
            "name": "sig",
            "hosts": [f"127.0.0.1:{self.port}"],
            "user": "ecluse",
            "password": "geheim",
            "known_hosts": self.known,
        }
        return Account.model_validate(plain | more)


@pytest.fixture
async def sftp(tmp_path: Path) -> AsyncIterator[Sftp]:
    server = Sftp(tmp_path)
    running = await server.serve()
    yield server
    running.close()
    await running.wait_closed()


async def fetch(
    sftp: Sftp, folder: Path, name: str = "arbres%20%C3%A9t%C3%A9.csv", account: Account | None = None,
    **more: Any,
) -> str:  # fmt: skip
    plain = {
        "store": str(folder / "store"),
        "allow_private_addresses": True,
        "source_retry_seconds": 0.001,
    }
    settings = Settings.model_validate(plain | more)
    address = f"sftp://127.0.0.1:{sftp.port}/{name}"
    found = await fetch_source(
        address, folder / "to", settings, open_store(settings, "ingest"), account or sftp.account()
    )
    return found.sha256


async def failure(sftp: Sftp, folder: Path, **more: Any) -> tuple[type[EcluseError], str, str]:
    with pytest.raises(EcluseError) as caught:
        await fetch(sftp, folder, **more)
    [reason] = caught.value.reasons
    return type(caught.value), reason.code, reason.detail or ""


async def test_a_file(sftp: Sftp, tmp_path: Path) -> None:
    """Bytes and checksum, whatever the file is called."""
    assert await fetch(sftp, tmp_path) == hashlib.sha256(DATA).hexdigest()


async def test_taken_up_where_it_broke_off(sftp: Sftp, tmp_path: Path) -> None:
    """What came is not asked for again."""
    sftp.breaks = 1
    assert await fetch(sftp, tmp_path) == hashlib.sha256(DATA).hexdigest()
    assert sftp.offsets.count(0) == 1


async def test_a_file_replaced_between_tries(sftp: Sftp, tmp_path: Path) -> None:
    """Halves of two files are never put together."""
    sftp.breaks = 1
    other = bytes(reversed(DATA))
    sftp.replaced = other
    assert await fetch(sftp, tmp_path) == hashlib.sha256(other).hexdigest()


async def test_a_file_that_grows_while_it_is_read(sftp: Sftp, tmp_path: Path) -> None:
    """One that is still being written is asked for again, once it stands still."""
    sftp.growth = b"B9;1\n"
    assert await fetch(sftp, tmp_path) == hashlib.sha256(DATA + b"B9;1\n").hexdigest()


async def test_a_folder(sftp: Sftp, tmp_path: Path) -> None:
    """There is nothing to be waited for."""
    (sftp.files / "folder").mkdir()
    assert await failure(sftp, tmp_path, name="folder") == (Quarantined, "source_missing", "SFTP")


async def test_a_host_that_is_another(sftp: Sftp, tmp_path: Path) -> None:
    """A host whose key is not the known one is never given the password."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    sftp.known.write_text(f"[127.0.0.1]:{sftp.port} {other}\n127.0.0.1 {other}\n")
    told = (Quarantined, "address_refused", "host key not known")
    assert await failure(sftp, tmp_path) == told
    assert await failure(sftp, tmp_path, account=sftp.account(known_hosts=None)) == told


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"password": "wrong"}, (Quarantined, "account_refused", "")),
        ({"hosts": ["sftp.example"]}, (Quarantined, "address_refused", "no account for this host")),
        ({"key_file": "/nowhere/key"}, (SourceAway, "source_away", "SFTP")),
    ],
)
async def test_accounts_that_do_not_fit(
    sftp: Sftp, tmp_path: Path, more: dict[str, Any], told: tuple[type[EcluseError], str, str]
) -> None:
    """A wrong password, another host's account."""
    assert await failure(sftp, tmp_path, account=sftp.account(**more)) == told


async def test_files_that_are_not_there(sftp: Sftp, tmp_path: Path) -> None:
    """Gone is a person's matter; a server that does not answer is away; a limit is a limit."""
    assert await failure(sftp, tmp_path, name="none") == (Quarantined, "source_missing", "SFTP")
    large = await failure(sftp, tmp_path, source_max_bytes=len(DATA) - 1)
    assert large[:2] == (Quarantined, "source_too_large")
    account = sftp.account(hosts=["127.0.0.1:9"])
    sftp.port = 9
    assert await failure(sftp, tmp_path, account=account) == (SourceAway, "source_away", "SFTP")


async def test_a_private_address(sftp: Sftp, tmp_path: Path) -> None:
    """An account does not open the city's own network: the settings do."""
    told = await failure(sftp, tmp_path, allow_private_addresses=False)
    assert told == (Quarantined, "address_refused", "private address")

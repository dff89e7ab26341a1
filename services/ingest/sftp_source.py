"""Fetches over SFTP: the host's key known beforehand, its address checked and pinned."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import SplitResult, unquote

import asyncssh

from services.ingest.accounts import Account
from services.ingest.download import Download, Fetched, away, refused
from services.ingest.pinned_host import resolve
from shared.failures import Quarantined
from shared.messages import Reason
from shared.settings import Settings

CHUNK = 1024 * 1024
PORT = 22
_GONE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPPermissionDenied)


class SftpSource:
    """One source over all tries at it."""

    def __init__(
        self, parts: SplitResult, download: Download, settings: Settings, account: Account | None
    ) -> None:
        self._parts = parts
        self._download = download
        self._settings = settings
        self._account = account
        self._state: tuple[int | None, int | None] | None = None

    async def attempt(self) -> Fetched:
        """The file at the address; what an earlier try got of it is not asked for again.

        Raises Quarantined: `address_refused` without an account for that host or its key,
        `account_refused`, `source_missing`; SourceAway.
        """
        parts, account = self._parts, self._account
        port = parts.port or PORT
        if account is None or not account.is_for(parts.hostname, port) or parts.hostname is None:
            raise refused("no account for this host")
        if account.known_hosts is None or not account.known_hosts.is_file():
            raise refused("host key not known")
        checked = await resolve(parts.hostname, self._settings)
        try:
            async with asyncssh.connect(
                checked, port,
                options=asyncssh.SSHClientConnectionOptions(
                    username=account.user or "", password=account.secret(),
                    client_keys=[str(account.key_file)] if account.key_file else None,
                    known_hosts=str(account.known_hosts), host_key_alias=parts.hostname,
                    config=None, agent_path=None, login_timeout=30, keepalive_interval=10,
                ),
            ) as connection, connection.start_sftp_client() as client:  # fmt: skip
                return await self._read(client, unquote(parts.path))
        except _GONE:
            raise Quarantined(Reason(code="source_missing", detail="SFTP")) from None
        except asyncssh.PermissionDenied:
            raise Quarantined(Reason(code="account_refused")) from None
        except asyncssh.HostKeyNotVerifiable:
            raise refused("host key not known") from None
        except (asyncssh.Error, OSError, TimeoutError, asyncio.IncompleteReadError):
            raise away("SFTP") from None
        except ValueError:
            # A private key or a list of host keys that is none.
            raise Quarantined(Reason(code="account_unknown", detail="file")) from None

    async def _read(self, client: asyncssh.SFTPClient, path: str) -> Fetched:
        """The rest of the file, or the whole of one that changed since an earlier try."""
        state = await _state(client, path)
        if state != self._state:
            self._download.restart()
            self._state = state
        async with client.open(path, "rb") as file:
            await self._download.take(_rest(file, self._download.size))
        if await _state(client, path) != state:
            # Half of one file and half of another is neither.
            raise away("changed while it was read")
        return self._download.done()


async def _state(client: asyncssh.SFTPClient, path: str) -> tuple[int | None, int | None]:
    """What changes with a file. Raises Quarantined(`source_missing`) for a folder or a device."""
    found = await client.stat(path)
    if found.permissions is not None and not stat.S_ISREG(found.permissions):
        raise Quarantined(Reason(code="source_missing", detail="SFTP"))
    return found.size, found.mtime


async def _rest(file: Any, start: int) -> AsyncIterator[bytes]:
    at = start
    while part := await file.read(CHUNK, at):
        at += len(part)
        yield part

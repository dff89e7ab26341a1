"""A folder on an SFTP server as a portal (`folders`): the server's key pinned, files renamed into place.

A file is written beside its name and renamed over it once it is whole (`posix-rename@openssh.com`).
Where strangers cannot fetch (no `public_url`), what was put is read back over SFTP.
"""

from __future__ import annotations

import asyncio
import secrets
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import cast
from urllib.parse import urlsplit

import asyncssh

from services.publish.portals import folder_words as words
from services.publish.portals.call import open_http
from services.publish.portals.connector import Access, BadAccess, Connector
from services.publish.portals.failures import PortalAway
from services.publish.portals.folders import Change, FolderPortal
from shared.event_parts import FileRef
from shared.failures import Quarantined
from shared.messages import Reason

PORT, CHUNK = 22, 256 * 1024
# Held by whoever changes the index; of somebody who died it is taken away after a while.
LOCK, LOCK_SECONDS, LOCK_LOOKS_SECONDS = ".index.lock", 60, 0.2
_MISSING = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
# What a server says of a name that is taken (version 3 of the protocol has no word of its own).
_TAKEN = (asyncssh.SFTPFailure, asyncssh.SFTPFileAlreadyExists)


class SftpFolder:
    """The files under one folder of a server. Its connection lasts as long as somebody uses it."""

    def __init__(self, access: Access) -> None:
        portal = access.portal
        parts = urlsplit(portal.url)
        self._host, self._port = parts.hostname or "", parts.port or PORT
        self._root = portal.folder.rstrip("/")
        self._options = _options(access)
        self._seconds = portal.timeout_seconds
        self._few = asyncio.Semaphore(portal.at_once)
        self._opening, self._users = asyncio.Lock(), 0
        self._changing = asyncio.Lock()
        # The lock of somebody else as it was last seen: when it was made, and since when we see it.
        self._other: tuple[int, float] | None = None
        self._connection: asyncssh.SSHClientConnection | None = None

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[asyncssh.SFTPClient]:
        """A session. Raises PortalAway, or Quarantined when the server or we are not who we say."""
        async with self._held(), self._few:
            try:
                connection = await self._connected()
                async with connection.start_sftp_client() as client:
                    yield client
            except asyncssh.HostKeyNotVerifiable:
                raise Quarantined(Reason(code="portal_host_key")) from None
            except (asyncssh.PermissionDenied, asyncssh.SFTPPermissionDenied):
                raise Quarantined(Reason(code="portal_token_refused", detail="SFTP")) from None
            except (asyncssh.Error, OSError, TimeoutError):
                raise PortalAway(Reason(code="portal_away")) from None

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[None]:
        """Keeps the connection between sessions."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users and self._connection is not None:
                self._connection.close()
                self._connection = None

    async def _connected(self) -> asyncssh.SSHClientConnection:
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncssh.connect(
                    self._host, self._port, options=self._options
                )
            return self._connection

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if self._root else key

    async def folders(self) -> list[str]:
        async with self._client() as client:
            return [
                name
                for name, one in await self._entries(client, "")
                if stat.S_ISDIR(one.permissions or 0)
                and await client.exists(self._path(f"{name}/{words.DOCUMENT}"))
            ]

    async def sizes(self, folder: str) -> dict[str, int]:
        async with self._client() as client:
            return {name: one.size or 0 for name, one in await self._entries(client, folder)}

    async def _entries(
        self, client: asyncssh.SFTPClient, folder: str
    ) -> list[tuple[str, asyncssh.SFTPAttrs]]:
        try:
            found = await client.readdir(self._path(folder) or ".")
        except _MISSING:
            return []
        return [(str(one.filename), one.attrs) for one in found if one.filename not in (".", "..")]

    async def get(self, key: str) -> bytes | None:
        async with self._client() as client:
            return await self._get(client, key)

    async def _get(self, client: asyncssh.SFTPClient, key: str) -> bytes | None:
        try:
            async with client.open(self._path(key), "rb") as file:
                return cast("bytes", await file.read())
        except _MISSING:
            return None

    async def read(self, key: str) -> AsyncIterator[bytes]:
        async with self._client() as client:
            try:
                async with client.open(self._path(key), "rb") as file:
                    while part := await file.read(CHUNK):
                        yield cast("bytes", part)
            except _MISSING:
                return

    async def put(self, key: str, content: AsyncIterator[bytes], file: FileRef) -> None:
        del file
        async with self._client() as client:
            await self._put(client, key, content)

    async def write(self, key: str, content: bytes) -> None:
        async with self._client() as client:
            await self._put(client, key, _once(content))

    async def _put(
        self, client: asyncssh.SFTPClient, key: str, content: AsyncIterator[bytes]
    ) -> None:
        path = self._path(key)
        folder, _, name = path.rpartition("/")
        part = f"{folder}/" * bool(folder) + f".{name}.{secrets.token_hex(4)}.part"
        if folder:
            await client.makedirs(folder, exist_ok=True)
        try:
            async with client.open(part, "wb") as file:
                async for piece in content:
                    await file.write(piece)
            await client.posix_rename(part, path)
        except BaseException:
            with suppress(asyncssh.Error, OSError):
                await client.remove(part)
            raise

    async def change(self, key: str, change: Change) -> None:
        # No session is held while `change` works, which may ask for some itself.
        async with self._held(), self._changing:
            await self._lock()
            try:
                await self.write(key, await change(await self.get(key)))
            finally:
                await self.clear(LOCK)

    async def _lock(self) -> None:
        """Makes a folder that only one can make. Raises PortalAway when it is held for long."""
        ends = monotonic() + self._seconds
        while not await self._taken():
            if monotonic() > ends:
                raise PortalAway(Reason(code="portal_busy", detail="index"))
            await asyncio.sleep(LOCK_LOOKS_SECONDS)

    async def _taken(self) -> bool:
        async with self._client() as client:
            if self._root:
                await client.makedirs(self._root, exist_ok=True)
            lock = self._path(LOCK)
            try:
                await client.mkdir(lock)
            except _TAKEN:
                with suppress(*_MISSING, *_TAKEN):
                    if self._is_dead((await client.stat(lock)).mtime or 0):
                        await client.rmdir(lock)
                        await client.mkdir(lock)
                        return True
                return False
            return True

    def _is_dead(self, made: int) -> bool:
        """Whether the same lock has been seen for long: by our clock alone, the server's may differ."""
        now = monotonic()
        if self._other is None or self._other[0] != made:
            self._other = made, now
        return now - self._other[1] > LOCK_SECONDS

    async def delete(self, key: str) -> None:
        async with self._client() as client:
            with suppress(*_MISSING):
                await client.remove(self._path(key))

    async def clear(self, folder: str) -> None:
        async with self._client() as client:
            with suppress(*_MISSING):
                await client.rmdir(self._path(folder))


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _options(access: Access) -> asyncssh.SSHClientConnectionOptions:
    """Who we are there, and whose key the server must show. The token is a password or a key."""
    portal, secret = access.portal, access.token.get_secret_value()
    try:
        host_key = asyncssh.import_public_key(portal.host_key)
    except (asyncssh.KeyImportError, ValueError):
        words = "host_key is to be the server's public key, as `ssh-keyscan` writes it"
        raise BadAccess(f"ECLUSE_PORTALS: {access.name}: {words}") from None
    try:
        key = asyncssh.import_private_key(secret) if secret.startswith("-----BEGIN") else None
    except (asyncssh.KeyImportError, ValueError):
        words = "neither a password nor a private key without passphrase"
        raise BadAccess(f"ECLUSE_PORTAL_TOKENS: {portal.token}: {words}") from None
    return asyncssh.SSHClientConnectionOptions(
        username=portal.account,
        password=None if key else secret,
        client_keys=[key] if key else None,
        known_hosts=([host_key], [], []),
        config=None,
        agent_path=None,
        login_timeout=portal.timeout_seconds,
        connect_timeout=portal.timeout_seconds,
        keepalive_interval=15,
    )


def open_portal(access: Access) -> Connector:
    """The entry point: `url` sftp://host[:port], `folder` on it, `account`, its token, `host_key`."""
    portal = access.portal
    http = open_http(portal.timeout_seconds, portal.at_once)
    return FolderPortal(access, SftpFolder(access), http, portal.public_url)

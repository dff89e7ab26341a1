"""The drop bucket: a référent drops `<domain>/<dataset>/<file>` and goes home.

The store may say so on `drop.notified`; the bucket is listed as well, for stores that send no
notifications and for notifications that were lost. Seen both ways a file is one change: its id comes
from what the store shows of it. In a folder a file under copy changes from one listing to the next;
it is taken once it stands still.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC
from urllib.parse import quote, unquote_plus

from shared import metrics
from shared.events import DatasetChanged, DropNotified
from shared.failures import MessageInvalid, OursAway
from shared.ids import event_id
from shared.logs import logger
from shared.messages import Reason
from shared.storage import NO_NAME, Found, Store

_ID = "[a-z0-9][a-z0-9-]{0,98}[a-z0-9]"
# Two identifiers, then whatever the file is called; never a temporary or hidden one.
_PLACE = re.compile(rf"(?P<domain>{_ID})/(?P<dataset>{_ID})/[^.~/{NO_NAME}][^/{NO_NAME}]*")
# What programs call a file until it is whole; a copy that broke off stands still under that name.
_UNFINISHED = re.compile(r"\.(filepart|part|partial|crdownload|download|tmp)$", re.IGNORECASE)
_LONGEST = 2048  # of an event's address
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def change_of(found: Found) -> DatasetChanged | None:
    """The change that a dropped file is; None for what does not lie in a dataset's place, or is not
    whole yet."""
    place = _PLACE.fullmatch(found.key)
    address = f"drop:///{quote(found.key)}?version={version_of(found)}"
    if place is None or _UNFINISHED.search(found.key) or len(address) > _LONGEST:
        return None
    return DatasetChanged(dataset=place["dataset"], address=address)


def version_of(found: Found) -> str:
    """Tells one file from another that was dropped later under the same name.

    To the second: S3 shows milliseconds in a listing and none for one object (RFC 9110, 5.6.7).
    """
    modified = found.modified.astimezone(UTC).replace(microsecond=0).isoformat()
    return event_id("drop", found.etag, modified, str(found.bytes))


def keys_of(notice: DropNotified, bucket: str) -> list[str]:
    """The keys that a notification names. Raises MessageInvalid if it is about another bucket."""
    if any(one.bucket != bucket for one in notice.objects):
        raise MessageInvalid(Reason(code="message_undecodable", detail="another bucket than drop"))
    return [unquote_plus(one.name) for one in notice.objects]


def _meant(key: str) -> bool:
    """Whether a person dropped this to be taken: not what came over HTTP, no hidden file, none that
    is still being copied."""
    return not _UNFINISHED.search(key) and not any(
        piece.startswith((".", "~")) for piece in key.split("/")
    )


class Drops:
    """Watches the bucket and says what was dropped, once for each file and version."""

    def __init__(
        self,
        store: Store,
        send: Callable[[DatasetChanged], Awaitable[None]],
        *,
        seconds: float,
        stand_still: bool,
    ) -> None:
        self._store = store
        self._send = send
        self._seconds = seconds
        self._stand_still = stand_still
        self._seen: set[str] = set()
        self._said: set[str] = set()
        self._misplaced: set[str] = set()

    async def watch(self) -> None:
        """Lists the bucket for ever."""
        while True:
            try:
                await self.once()
            except OursAway as failure:
                logger().warning("waiting", reason=failure.reasons[0].code)
            await asyncio.sleep(self._seconds)

    async def look_at(self, key: str) -> None:
        """Says one object at once if it lies in a dataset's place; the listing sees to the others."""
        if not _PLACE.fullmatch(key) or _CONTROL.search(key):
            return
        found = await self._store.find("drop", key)
        change = change_of(found) if found else None
        if change is not None:
            await self._say(change)

    async def _say(self, change: DatasetChanged) -> None:
        if change.address is None or change.address in self._said:
            return
        await self._send(change)
        self._said.add(change.address)
        metrics.events_received.labels(way="drop", outcome="accepted").inc()

    async def once(self) -> None:
        """One listing."""
        there: set[str] = set()
        misplaced: set[str] = set()
        # Of several files for one dataset the last one dropped is the last one said: it stays.
        listed = [found async for found in self._store.list("drop")]
        for found in sorted(listed, key=lambda one: (one.modified, one.key)):
            change = change_of(found)
            if change is None or change.address is None:
                if _meant(found.key):
                    misplaced.add(f"{found.key} {version_of(found)}")
                continue
            there.add(change.address)
            settled = not self._stand_still or change.address in self._seen
            if settled:
                await self._say(change)
        if fresh := len(misplaced - self._misplaced):
            # Their names may hold personal data; whoever runs the bucket finds them by their place.
            logger().warning("drops_misplaced", count=fresh)
            metrics.events_received.labels(way="drop", outcome="rejected").inc(fresh)
        self._misplaced = misplaced
        self._said &= there
        self._seen = there

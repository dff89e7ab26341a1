"""A file's bytes to udata, in parts of a fixed size: what is held at a time does not grow with the file.

As udata 17.18 reads them (`udata/core/storages/api.py`): each part is a form of its own under one
identifier; a last form without a file puts them together. What fits in one part goes in one form.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypedDict

from services.publish.portals.connector import Fields, WantedFile
from shared.failures import Quarantined
from shared.messages import Reason

PART = 4 * 2**20


class Form(TypedDict, total=False):
    """A form (`multipart/form-data`): its fields, and the file of name, bytes and media type."""

    data: dict[str, str]
    files: dict[str, tuple[str, bytes, str]]


Send = Callable[[Form], Awaitable[Fields]]
Announce = Callable[[str], Awaitable[None]]


async def upload(
    one: WantedFile, content: AsyncIterator[bytes], send: Send, announce: Announce
) -> None:
    """Sends the file. `announce` is told the SHA-1 of the bytes before the portal puts them together:
    whether it did is then told by reading, also when its answer is lost.

    Raises Quarantined when the portal says that it has other bytes.
    """
    digest = hashlib.sha1(usedforsecurity=False)
    count = max(math.ceil(one.file.bytes / PART), 1)
    told = {
        # Another one each time: udata does not replace a part that it has.
        "uuid": str(uuid.uuid4()),
        "filename": one.file.name,
        "totalfilesize": str(one.file.bytes),
        "totalparts": str(count),
    }
    whole: Form = {"data": told}
    number = 0
    async for part in in_parts(content, PART):
        digest.update(part)
        file = {"file": (one.file.name, part, one.file.media_type)}
        if count == 1:
            whole = {"files": file}
            break
        place = {
            "partindex": str(number),
            "partbyteoffset": str(number * PART),
            "chunksize": str(len(part)),
        }
        await send({"data": told | place, "files": file})
        number += 1
    await announce(digest.hexdigest())
    made = await send(whole)
    checksum = made.get("checksum")
    said = checksum.get("value") if isinstance(checksum, dict) else None
    if (made.get("filesize"), said) != (one.file.bytes, digest.hexdigest()):
        raise Quarantined(Reason(code="portal_file_wrong", detail=f"{one.file.format}: sha1"))


async def in_parts(content: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The same bytes in parts of `size`, the last one shorter; one empty part for no bytes."""
    held = bytearray()
    first = True
    async for more in content:
        held += more
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
            first = False
    if held or first:
        yield bytes(held)

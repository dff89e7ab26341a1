"""A gzip body as it comes: all its members (RFC 1952, 2.2), of which httpx reads the first alone."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

_GZIP = 16 + zlib.MAX_WBITS
_MOST = 1 << 20


class NotGzip(ValueError):
    """The bytes are no gzip, or end before they say."""


async def unzipped(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What the members hold, a MiB at a time at most. Raises NotGzip."""
    member = zlib.decompressobj(_GZIP)
    within = False
    async for part in parts:
        left = part
        while left:
            try:
                out = member.decompress(left, _MOST)
                left = member.unused_data if member.eof else member.unconsumed_tail
                while out:
                    yield out
                    # What the limit held back of bytes that are all read in.
                    out = b"" if left or member.eof else member.decompress(b"", _MOST)
            except zlib.error:
                raise NotGzip from None
            within = not member.eof
            if member.eof:
                member = zlib.decompressobj(_GZIP)
    if within:
        raise NotGzip

"""Addresses of sources, taken apart and checked by their form alone."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from services.ingest.download import refused

_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def address_parts(address: str) -> SplitResult:
    """The address taken apart. Raises Quarantined for what is no address, now or ever, and for one
    that carries a password: credentials are named in the card and lie in the settings."""
    try:
        parts = urlsplit(address)
        written = parts.port is None or parts.port > 0
    except ValueError:
        written = False
    if not written or _CONTROL.search(address):
        raise refused("form")
    if parts.password is not None:
        raise refused("credentials")
    return parts


def drop_key(parts: SplitResult) -> str:
    """The key in the drop bucket that a `drop:` address names. Raises Quarantined if none can be."""
    # A folder holds no longer names; an S3 endpoint does.
    return object_key(parts, longest_piece=255)


def object_key(parts: SplitResult, longest_piece: int = 1024) -> str:
    """An object's key. What no store can hold is refused here: asked for it, one fails as if away."""
    key = unquote(parts.path).removeprefix("/")
    pieces = key.split("/")
    holdable = all(
        piece not in ("", ".", "..") and len(piece.encode()) <= longest_piece for piece in pieces
    )
    if not holdable or _CONTROL.search(key) or len(key.encode()) > 1024:
        raise refused("key")
    return key

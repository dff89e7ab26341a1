"""Which address a host may be connected at (limits of bad input S32, S33)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from services.ingest.download import away, refused
from shared.settings import Settings

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


async def resolve(host: str, settings: Settings) -> str:
    """An address of the host that may be connected to, to be used itself: asked again, the name
    might say another. Raises Quarantined(`address_refused`), SourceAway."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise away("DNS") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not settings.allow_private_addresses and not _is_public(address):
            raise refused("private address")
    return addresses[0]


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address)
    if found in _NAT64:
        # A translator hands it on to the IPv4 address in its last 32 bits (RFC 6052).
        found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found.is_global and not found.is_multicast

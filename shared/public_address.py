"""Which addresses are the public Internet's: what somebody else names is not fetched elsewhere."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that IANA gives to the public Internet
_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")  # RFC 9637: younger than some Pythons
_PROTOCOLS = ipaddress.IPv4Network("192.0.0.0/24")  # RFC 6890; clouds' metadata lie there too


async def addresses_of(host: str) -> list[str]:
    """The addresses that a name has now. Raises OSError when it has none."""
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError from None
    return [str(entry[4][0]) for entry in found]


def is_public(address: str) -> bool:
    """Whether an IP address is a public one: not private, loopback, link-local or multicast."""
    found = ipaddress.ip_address(address)
    if found in _NAT64:
        # A translator hands it on to the IPv4 address in its last 32 bits (RFC 6052).
        found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    if isinstance(found, ipaddress.IPv6Address):
        # As does a relay of 6to4 (RFC 3056), and a network that writes IPv4 as IPv6.
        found = found.ipv4_mapped or found.sixtofour or found
    if isinstance(found, ipaddress.IPv6Address):
        public = found in _UNICAST and found not in _DOCUMENTATION
    else:
        public = found not in _PROTOCOLS
    return public and found.is_global and not found.is_multicast

"""Which address a host may be connected at (limits of bad input S32, S33)."""

from __future__ import annotations

from services.ingest.download import away, refused
from shared.public_address import addresses_of, is_public
from shared.settings import Settings


async def resolve(host: str, settings: Settings) -> str:
    """An address of the host that may be connected to, to be used itself: asked again, the name
    might say another. Raises Quarantined(`address_refused`), SourceAway."""
    try:
        addresses = await addresses_of(host)
    except OSError:
        raise away("DNS") from None
    if not settings.allow_private_addresses and not all(map(is_public, addresses)):
        raise refused("private address")
    return addresses[0]

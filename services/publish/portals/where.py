"""Where a file may be fetched: at places of the settings, else at public addresses alone.

A portal says where its files are, and its answers may lead elsewhere: never into the city's own network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict
from urllib.parse import urlsplit

import httpx

from shared.public_address import addresses_of, is_public
from shared.settings import Settings


class Request(TypedDict):
    """What `httpx.AsyncClient.stream` is told of the address."""

    url: httpx.URL
    headers: dict[str, str]
    extensions: dict[str, str]


class Refused(Exception):
    """The address is not public, or none that is fetched."""


@dataclass(frozen=True)
class Where:
    """The places (`host:port`) that the settings name."""

    places: frozenset[tuple[str | None, int | None]]
    anywhere: bool = False

    async def request(self, address: str, headers: dict[str, str]) -> Request:
        """How to ask for it: elsewhere than at a place of the settings, by the address that was
        looked at; asked again, the name might say another. Raises Refused, httpx.ConnectError."""
        url = httpx.URL(address)
        if url.scheme not in ("http", "https") or not url.host:
            raise Refused
        plain = Request(url=url, headers=headers, extensions={})
        if self.anywhere or _place(address) in self.places:
            return plain
        try:
            found = await addresses_of(url.host)
        except OSError:
            raise httpx.ConnectError("") from None
        if not all(map(is_public, found)):
            raise Refused
        return Request(
            url=url.copy_with(host=found[0]),
            headers={**headers, "Host": url.netloc.decode()},
            extensions={"sni_hostname": url.host},
        )


def where(settings: Settings, portal: str) -> Where:
    """The city's own portal, and the other one of that name."""
    known = [settings.public_url, settings.verify_url]
    if portal in settings.portals:
        told = settings.portals[portal]
        known += [told.url, told.public_url, told.tabular_url]
    places = frozenset(_place(one) for one in known if one)
    return Where(places, settings.allow_private_addresses)


def _place(address: str) -> tuple[str | None, int | None]:
    parts = urlsplit(address)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.hostname, parts.port or usual

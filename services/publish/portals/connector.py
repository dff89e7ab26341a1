"""What every kind of portal can do: describe, upsert, read back, withdraw.

A new kind is one module and one entry point (group `ecluse.portals`): a function that takes an
`Access` and gives a `Connector`. A connector keeps no state: what it has to know it reads on the
portal, or is told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from pydantic import SecretStr

from shared.card import Card
from shared.event_parts import FileRef
from shared.messages import Reason
from shared.portal_settings import PortalAccess

# JSON objects, in the portal's own vocabulary.
Fields = dict[str, object]


@dataclass(frozen=True)
class WantedFile:
    """A distribution: its URI, what it is, its stable address on the city's portal."""

    uri: str
    title: str
    address: str
    file: FileRef


@dataclass(frozen=True)
class Wanted:
    """A dataset as it should be on a portal: its URI, card, release and files."""

    uri: str
    dataset: str
    release: str
    page: str
    card: Card
    modified_at: datetime
    files: tuple[WantedFile, ...]


@dataclass(frozen=True)
class Description:
    """A dataset in a portal's own words. `resources` by our URIs; `warnings` for people."""

    dataset: Fields
    resources: dict[str, Fields]
    warnings: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Ids:
    """Our URIs → the portal's ids, as far as they are known."""

    dataset: str | None = None
    resources: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """Our data at an address of the portal's own, beside the dataset: it may outlive the dataset.

    `kind`: `file` (hosted there), `dataservice` (an API declared there), or what its crawler derived
    from a file: `parquet`, `geojson`, `pmtiles`, `tabular`. `address`: empty if nobody can tell.
    `began`: when the crawler last began to read the file that this is derived from.
    """

    resource: str
    kind: str
    address: str
    began: datetime | None = None


@dataclass(frozen=True)
class Seen:
    """What a portal holds of a dataset, in the words of a `Description`.

    `addresses` are where the portal sends a stranger for each file; `others` the ids of resources
    that are not ours; `hidden` that strangers do not see it; `served` what lies at addresses of its
    own; `raw` the portal's own answer, for the connector that gave it.
    """

    ids: Ids
    dataset: Fields
    resources: dict[str, Fields]
    addresses: dict[str, str]
    others: tuple[str, ...] = ()
    hidden: bool = False
    served: tuple[Served, ...] = ()
    raw: Fields = field(default_factory=dict)


Remember = Callable[[dict[str, str]], Awaitable[None]]
Open = Callable[[FileRef], AsyncIterator[bytes]]


class Connector(Protocol):
    """A portal. Every method raises PortalAway, Unknown, or Quarantined with what to do."""

    async def describe(self, wanted: Wanted) -> Description:
        """The dataset in the portal's words; what it has no word for is left out with a warning."""
        ...

    async def upsert(
        self, told: Description, wanted: Wanted, before: Seen | None, remember: Remember
    ) -> None:
        """Makes the portal's dataset what `told` says, from what was `before`; keeps ids.

        Resources of ours that are told no more go; those of others stay. `remember` is called with
        our URIs and their ids at once when the portal gives them. The same call again changes
        nothing.
        """
        ...

    async def read_back(self, uri: str, ids: Ids, *, stranger: bool) -> Seen | None:
        """What the portal holds of the dataset `uri`, found by id or by our key; None if nothing.

        As a `stranger` would: without a token.
        """
        ...

    async def withdraw(self, seen: Seen) -> None:
        """Takes the dataset off the portal, as far as strangers are concerned."""
        ...

    async def close(self) -> None:
        """Ends its connections."""
        ...


@runtime_checkable
class ReadsBack(Protocol):
    """What a portal can do besides that strangers cannot fetch from."""

    def fetch(self, address: str) -> AsyncIterator[bytes] | None:
        """A file's bytes by the way it was put; None if strangers fetch there."""
        ...


class BadAccess(ValueError):
    """The settings do not say how to reach a portal: named with its entry, without what it holds."""


@dataclass(frozen=True)
class Access:
    """What a connector is opened with: the settings' entry, its secret, the way to a file's bytes."""

    name: str
    portal: PortalAccess
    token: SecretStr
    open: Open

"""The identity map: our dataset and distribution URIs ↔ a portal's ids of them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish.portals import tables as p
from services.publish.portals.claims import Claim
from services.publish.portals.connector import Ids
from shared.database import Database


class IdentityMap:
    """The map of one copy while its lease is held: nobody else writes it, so it is read once."""

    def __init__(self, database: Database, held: Claim, uri: str, ids: Ids) -> None:
        self._database, self._held, self._uri = database, held, uri
        self._known = _pairs(uri, ids)

    @property
    def ids(self) -> Ids:
        """What is known now."""
        resources = {ours: theirs for ours, theirs in self._known.items() if ours != self._uri}
        return Ids(self._known.get(self._uri), resources)

    async def learn(self, ids: Ids) -> None:
        """Keeps the ids that the portal shows: one that was found by our key had none here."""
        await self.remember(_pairs(self._uri, ids))

    async def remember(self, pairs: dict[str, str]) -> None:
        """Writes down what is new of our URIs → the portal's ids."""
        fresh = {ours: theirs for ours, theirs in pairs.items() if self._known.get(ours) != theirs}
        if not fresh:
            return
        held = self._held
        rows = [
            {"portal": held.portal, "ours": ours, "dataset": held.dataset, "theirs": theirs}
            for ours, theirs in fresh.items()
        ]
        statement = insert(p.portal_ids).values(rows)
        changed = {"theirs": statement.excluded.theirs}
        async with self._database.transaction("portal-id") as connection:
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["portal", "ours"], set_=changed)
            )
        self._known |= fresh


async def ids_of(connection: AsyncConnection, dataset: str, portal: str) -> Ids:
    """The portal's ids of the dataset and its distributions, as far as they are known."""
    c = p.portal_ids.c
    rows = await connection.execute(
        select(c.ours, c.theirs).where(c.dataset == dataset, c.portal == portal)
    )
    found = {row.ours: row.theirs for row in rows}
    resources = {ours: theirs for ours, theirs in found.items() if "#" in ours}
    return Ids(next((v for ours, v in found.items() if "#" not in ours), None), resources)


def _pairs(uri: str, ids: Ids) -> dict[str, str]:
    return ({uri: ids.dataset} if ids.dataset else {}) | ids.resources

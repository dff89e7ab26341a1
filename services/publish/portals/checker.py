"""Verification on demand: of one dataset on one portal, now, as a stranger. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from services.publish.portals import compare
from services.publish.portals.connector import Connector, Ids
from services.publish.portals.identity import ids_of
from services.publish.portals.promises import OWN, public_now, pushed_to
from services.publish.portals.proof import Proof, few, prove, prove_own
from services.publish.portals.records import left_of
from services.publish.portals.wanted import make_wanted
from services.publish.records import card_row, read_card
from shared.database import Database
from shared.failures import EcluseError
from shared.messages import Reason
from shared.settings import Settings


class NotThere(EcluseError):
    """There is nothing to verify: nothing public, or nothing promised to that portal."""


@dataclass(frozen=True)
class Checker:
    """Verifies copies for whoever asks."""

    database: Database
    connectors: dict[str, Connector]
    settings: Settings
    http: httpx.AsyncClient

    async def check(self, dataset: str, portal: str) -> dict[str, Any]:
        """What a stranger finds now. Raises NotThere, or SourceAway when the portal is away."""
        async with self.database.transaction() as connection:
            row = await card_row(connection, dataset)
            publication = await public_now(connection, dataset)
            ids = await ids_of(connection, dataset, portal)
            left = await left_of(connection, dataset, portal)
        if row is None or publication is None:
            raise NotThere(Reason(code="nothing_public"))
        card = read_card(row)
        wanted = make_wanted(card, publication, self.settings.public_url)
        if portal == OWN:
            proof = await prove_own(self.http, self.settings, wanted)
        elif portal in pushed_to(card) and portal in self.connectors:
            proof = await self._elsewhere(portal, wanted, ids, left)
        else:
            raise NotThere(Reason(code="portal_not_promised"))
        told = {"dataset": dataset, "portal": portal, "release": publication.release}
        return told | proof.as_row()

    async def _elsewhere(self, portal: str, wanted: Any, ids: Ids, left: Any) -> Proof:
        connector = self.connectors[portal]
        told = await connector.describe(wanted)
        if self.settings.portals[portal].hand_edits == "keep":
            seen = await connector.read_back(wanted.uri, ids, stranger=True)
            if seen is not None:
                told = compare.without(told, compare.edits(left, seen), seen)
        return await prove(connector, self.http, self.settings, portal, told, wanted, ids, few())

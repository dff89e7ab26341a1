"""What the tests of connectors have in common: a town with another portal, and what stands there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from pydantic import SecretStr

from shared.card import Card
from shared.portal_settings import PortalAccess
from tests.cards import card
from tests.connected.town import Town, eventually

PORTAL = "agglo"
A = "id;places\nB1;3\nB2;4\n"
B = "id;places\nB1;3\nB2;5\n"


def promised(**fields: object) -> Card:
    """The benches, promised to the other portal by API."""
    return card(**{"portals": ["own", PORTAL], **fields})


def with_portal(town: Town, portal: PortalAccess, token: str) -> None:
    """Before the town's services start: puts the portal into the settings."""
    town.settings = town.settings.model_copy(
        update={
            "portals": {PORTAL: portal.model_copy(update={"token": "key"})},
            "portal_tokens": {"key": SecretStr(token)},
        }
    )


async def copy(town: Town, dataset: str = "bancs") -> dict[str, Any]:
    """The copy on the other portal, as the admin API tells it; empty if there is none."""
    answer = await town.call("GET", f"/datasets/{dataset}")
    assert answer.is_success, answer.text
    found: list[dict[str, Any]] = answer.json()["portals"]
    return next((one for one in found if one["portal"] == PORTAL), {})


async def until(
    town: Town, holds: Callable[[dict[str, Any]], bool], otherwise: str, dataset: str = "bancs"
) -> dict[str, Any]:
    """Waits until something holds of the copy; the copy."""
    last: dict[str, Any] = {}

    async def there() -> bool:
        nonlocal last
        try:
            last = await copy(town, dataset)
        except httpx.TransportError:  # publish is being killed, or comes back
            return False
        return bool(last) and holds(last)

    try:
        await eventually(there, "", town.patience)
    except AssertionError:
        raise AssertionError(f"{otherwise}: {last}") from None
    return last


async def at_rest(town: Town, state: str = "arrived", dataset: str = "bancs") -> dict[str, Any]:
    """Waits until nothing is under way and the copy stands at `state`."""
    return await until(
        town,
        lambda one: not one["deliveries"] and one["state"] == state,
        f"the copy did not come to {state}",
        dataset,
    )


def stands(state: str, code: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a delivery is at this state for this reason."""
    return lambda one: any(
        (each["state"], each["code"]) == (state, code) for each in one["deliveries"]
    )


def tried_again(town: Town) -> None:
    """What was put off is due now: tests do not wait ten seconds."""
    town.postgres.run_sql(
        town.database,
        "update publish.portal_circuits set open_until = null;"
        "update publish.deliveries set next_try = now() where state in ('pending', 'unknown')",
    )


def looked_at_now(town: Town) -> None:
    """The copies' rhythm has come round."""
    town.postgres.run_sql(town.database, "update publish.portal_copies set next_look = now()")

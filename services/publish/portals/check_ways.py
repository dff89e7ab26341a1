"""The ways that a card names must be ways that there are, and one way to each portal."""

from __future__ import annotations

from shared.card import Card
from shared.card_file import BadCard, Problem
from shared.portal_settings import same_place
from shared.settings import Settings

OWN = "own"


def check_ways(card: Card, settings: Settings) -> None:
    """Raises BadCard when a portal is unknown, or would get the dataset by harvest and by API.

    Under whatever names: two portals of the settings at one address are one portal.
    """
    problems = []
    pushed, harvested = {}, {}
    for one in card.portals or ():
        if one.name == OWN:
            continue
        if one.by == "api":
            if one.name not in settings.portals:
                words = f"{one.name} is not in the settings (ECLUSE_PORTALS): correct the name"
                problems.append(Problem("portals", words))
                continue
            pushed[one.name] = settings.portals[one.name].url
        elif one.name in settings.harvest_portals:
            harvested[one.name] = settings.harvest_portals[one.name].url
        elif one.name in settings.portals:
            harvested[one.name] = settings.portals[one.name].url
    problems += [
        Problem(
            "portals",
            f"{name} and {other} are one portal: a dataset goes there by harvest or by API",
        )
        for name, address in pushed.items()
        for other, there in harvested.items()
        if same_place(address, there)
    ]
    if problems:
        raise BadCard(*problems)

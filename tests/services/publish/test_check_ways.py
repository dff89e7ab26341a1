"""A dataset goes to a portal by harvest or by API, never both."""

from __future__ import annotations

import pytest

from services.publish.portals.check_ways import check_ways
from shared.card_file import BadCard
from shared.portal_settings import PortalAccess
from shared.settings import HarvestPortal, Settings
from tests.cards import card

SETTINGS = Settings(
    portals={
        "agglo": PortalAccess(kind="ckan", url="https://data.agglo.example"),
        "national": PortalAccess(kind="udata", url="https://www.udata.example/"),
    },
    harvest_portals={"udata": HarvestPortal(url="http://udata.example", source="x")},
)


def test_one_way_to_each_portal_passes() -> None:
    """The own portal, one by API, another by harvest; a harvester nobody can ask is no mistake."""
    ways = ["own", "agglo", {"udata": "udata", "by": "harvest"}, {"udata": "x", "by": "harvest"}]
    check_ways(card(portals=ways), SETTINGS)


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        (["own", "national", {"udata": "udata", "by": "harvest"}], "national and udata are one"),
        (["own", "regional"], "regional is not in the settings"),
    ],
)
def test_both_ways_or_no_way_is_refused(ways: list[object], said: str) -> None:
    """Under whatever names, and schemes: the address tells."""
    with pytest.raises(BadCard, match=said):
        check_ways(card(portals=ways), SETTINGS)

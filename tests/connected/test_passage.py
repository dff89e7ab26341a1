"""The passage on a real Kafka and a real PostgreSQL: what a change does to what is public."""

from __future__ import annotations

import json

from shared.ids import change_id
from tests.connected.town import Town, card

A = "id;places\nB1;3\nB2;4\n"
B = "id;places\nB1;3\nB2;5\n"
C = "id;places\nB1;2\nB2;5\nB3;1\n"


async def test_a_change_becomes_open_data(town: Town) -> None:
    """What a domain system sends, a citizen downloads in every format; news and feed follow."""
    await town.start()
    await town.declare(card())
    sent = await town.send(A)
    await town.quiet()
    assert await town.ends(sent) == ["published"]
    base = "/datasets/bancs/bancs"
    assert (await town.public(f"{base}.csv")).text == "id,places\r\nB1,3\r\nB2,4\r\n"
    assert (await town.public(f"{base}.json")).json() == [
        {"id": "B1", "places": 3},
        {"id": "B2", "places": 4},
    ]
    assert (await town.public(f"{base}.parquet")).content[:4] == b"PAR1"
    assert "Bancs publics" in (await town.public("/datasets/bancs")).text
    assert "Bancs publics" in (await town.public("/news.atom")).text
    assert "Bancs publics" in (await town.public("/news.rss")).text
    assert "/datasets/bancs" in (await town.public("/catalog.ttl")).text

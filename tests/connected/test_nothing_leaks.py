"""Canaries: secrets seeded in a source are nowhere but in the raw zone."""

from __future__ import annotations

import json
from pathlib import Path

import structlog

from shared.events import DatasetChanged
from shared.storage import BUCKETS
from tests.cards import card
from tests.connected.stores import ON_EVERY_STORE, objects
from tests.connected.town import Town, topics_of

CELL = "canari-cellule-7431"
HEADER = "canari-colonne-7431"
FILE = "canari-fichier-7431"
MAIL = "canari.courriel@exemple-7431.fr"
CANARIES = tuple(text.encode() for text in (CELL, HEADER, FILE, MAIL))


@ON_EVERY_STORE
async def test_secrets_stay_in_the_raw_zone(town: Town) -> None:
    """Dropped columns, undeclared headers, file names and findings reach no event, row, object
    outside `drop` and `raw`, log line or page."""
    with structlog.testing.capture_logs() as logged:
        await town.start()
        dropping = card(
            privacy={
                "columns": {
                    "id": "keep",
                    "places": "keep",
                    "agent": {"action": "drop", "ground": "personal_data"},
                },
                "decided": {
                    "by": "responsable open data",
                    "date": "2026-03-01",
                    "until": "2031-03-01",
                },
                "dpo_opinion": {"opinion": "favourable", "date": "2026-02-20"},
            },
            schema={
                "fields": [
                    {"name": "id", "type": "string"},
                    {"name": "places", "type": "integer"},
                    {"name": "agent", "type": "string"},
                ]
            },
        )
        await town.declare(dropping)
        ends: list[str] = []
        for text in (
            f"id;places;agent\nB1;3;{CELL}\nB2;4;{MAIL}\n",
            f"id;places;agent\nB1;{CELL};x\n",
            f"id;places;agent;{HEADER}\nB1;3;x;{CELL}\n",
            f"id;places;agent\n{MAIL};3;x\nB2;4;x\n",
            f'id;places;agent\n"B1;3;{CELL}\n',
        ):
            sent = await town.announce(
                f"e{len(ends)}", town.source(f"{FILE}-{len(ends)}.csv", text)
            )
            await town.quiet()
            ends += [str(one) for one in await town.ends(sent)]
    assert ends[0] == "published"
    assert all("quarantined" in one for one in ends[1:]), ends
    topics = topics_of(town, without=[DatasetChanged.TOPIC])
    for record in await town.records(*topics):
        told = b"".join([record.key or b"", record.value or b"", *(v for _, v in record.headers)])
        assert not _found(told), record.topic
    for zone in BUCKETS:
        if zone not in ("drop", "raw"):
            for key, content in (await objects(town, zone)).items():
                assert not _found(content + key.encode()), zone
    assert not _found(json.dumps(logged, default=str).encode())
    tables = "select table_schema, table_name from information_schema.tables"
    for schema, table in town.rows(f"{tables} where table_schema in ('publish', 'notify')"):
        assert not _found(repr(town.rows(f'select * from "{schema}"."{table}"')).encode()), table
    for page in ("/", "/datasets/bancs", "/news.atom", "/catalog.ttl"):
        assert not _found((await town.public(page)).content), page
    assert not list(Path(town.settings.spool).rglob("*.csv"))


def _found(content: bytes) -> list[bytes]:
    return [one for one in CANARIES if one in content]

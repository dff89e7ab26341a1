"""Canaries: secrets seeded in a source are nowhere but in the raw zone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from deploy.local.stack import SERVICES
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
    outside `drop` and `raw`, log line, metric, page or answer."""
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
        answers: list[bytes] = []
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
            answers.append((await town.call("GET", f"/changes/{sent}")).content)
        answers += [content async for content in _refused(town)]
        answers += [content async for content in _measured(town)]
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
    for answer in answers:
        assert not _found(answer), answer
    assert not list(Path(town.settings.spool).rglob("*.csv"))


async def _refused(town: Town) -> AsyncIterator[bytes]:
    """What is answered to whom sends or asks for what is not right."""
    told = f"{town.settings.changes_url}/changes"
    token = {"Authorization": f"Bearer {town.tokens['demo-sig']}"}
    for body in (f'{{"{HEADER}": "{CELL}"}}', f'["{MAIL}"]', f'{{"dataset": "{CELL}'):
        kind = {"Content-Type": "application/json"}
        answer = await town.http.post(told, content=body, headers=token | kind)
        assert answer.status_code == 422
        yield answer.content
    answer = await town.call("POST", "/datasets", {"dataset": CELL.upper(), "domain": [CELL]})
    assert answer.status_code == 422
    yield answer.content
    for path in ("/datasets/bancs/autre.csv", "/datasets/bancs/releases/r0", "/rien"):
        answer = await town.public(path)
        assert answer.status_code == 404
        yield answer.content


async def _measured(town: Town) -> AsyncIterator[bytes]:
    """Every process's metrics."""
    for name in SERVICES:
        port = getattr(town.settings, "portal_metrics_port" if name == "portal" else f"{name}_port")
        answer = await town.http.get(f"http://127.0.0.1:{port}/metrics")
        assert b"ecluse_" in answer.content
        yield answer.content


def _found(content: bytes) -> list[bytes]:
    return [one for one in CANARIES if one in content]

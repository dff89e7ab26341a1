"""A real Debezium follows a domain's database, set up as docs/sending.md shows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.child import LocalStackError
from deploy.local.postgres import LocalPostgres
from shared.capture import CAPTURED
from shared.events import DatasetCaptured, DatasetChanged, DeadLetter
from shared.topics import create_topics
from tests.cards import card
from tests.connected.debezium_connect import Connect, followed_database, shown_connector
from tests.connected.town import Town, eventually, topics_of

TABLE = """
create table bancs (id text primary key, places int, agent text);
insert into bancs values ('B1', 3, 'canari-1'), ('B2', 4, 'canari-2');
"""
NAMES = ["sig.public.bancs", "sig.message"]
Domain = tuple[LocalPostgres, int]


@pytest.fixture
async def domain() -> AsyncIterator[Domain]:
    """A domain's own database server."""
    with tempfile.TemporaryDirectory(prefix="ecluse-", ignore_cleanup_errors=True) as folder:
        async with followed_database(Path(folder) / "postgres", "gestion") as found:
            yield found


async def captured(town: Town) -> list[dict[str, Any]]:
    """What Debezium has written of the table: each message's envelope; None of a tombstone."""
    records = await town.records(*(f"{CAPTURED}{name}" for name in NAMES))
    bodies = [json.loads(record.value) for record in records if record.value is not None]
    return [body.get("payload", body) for body in bodies]


@pytest.mark.parametrize("schemas", ["false", "true"], ids=["bare", "with schemas"])
async def test_what_debezium_writes_is_published(
    town: Town, domain: Domain, tmp_path: Path, schemas: str
) -> None:
    """Snapshot, inserts, updates, deletions, truncation; a message is no change."""
    server, port = domain
    server.run_sql("gestion", TABLE)
    accounts = tmp_path / "accounts.yaml"
    found = json.dumps({"name": "gestion", "url": server.url("gestion")})
    accounts.write_text(f"databases:\n  - {found}\n", encoding="utf-8")
    town.settings = town.settings.model_copy(update={"accounts_file": accounts})
    await create_topics(town.settings, NAMES)
    await town.start()
    await town.declare(
        card(
            source={
                "type": "sql",
                "database": "gestion",
                "query": "select id, places from bancs order by id",
            },
            capture={"topics": NAMES, "quiet": "1s", "longest": "3s"},
        )
    )
    told = {
        "database.hostname": "127.0.0.1",
        "database.port": str(port),
        "database.user": "postgres",
        "topic.prefix": town.settings.topic(f"{CAPTURED}sig"),
        "key.converter.schemas.enable": schemas,
        "value.converter.schemas.enable": schemas,
    }
    shown = shown_connector()
    assert told.keys() <= shown.keys()
    connect = Connect(tmp_path / "connect", town.settings.kafka, shown | told)
    try:
        await connect.start()
        await follow(town, server)
    except (AssertionError, LocalStackError) as error:
        raise AssertionError(f"{error}\n{connect.log()[-4000:]}") from error
    finally:
        await connect.stop()
    await town.quiet()
    assert {one["op"] for one in await captured(town)} == set("rcudtm")
    # The page's settings keep the rows themselves off Kafka, all but their keys.
    for record in await town.records(*topics_of(town), *(f"{CAPTURED}{name}" for name in NAMES)):
        said = b"".join([record.key or b"", record.value or b"", *(v for _, v in record.headers)])
        assert b"canari" not in said, record.topic
    assert await town.records(f"{DatasetCaptured.TOPIC}{DeadLetter.TOPIC}") == []


async def follow(town: Town, server: LocalPostgres) -> None:
    """Changes the table in every way, and waits each time until that is public."""

    async def public_is(*rows: str) -> None:
        async def there() -> bool:
            return await town.csv() == "".join(f"{row}\r\n" for row in ("id,places", *rows))

        await eventually(there, f"not public: {rows}")

    async def said(operation: str) -> None:
        async def there() -> bool:
            return any(one["op"] == operation for one in await captured(town))

        await eventually(there, f"Debezium says nothing of {operation}", every=0.2)

    async def at_rest() -> bool:
        return await town.settled() and town.rows("select * from publish.captures") == []

    await public_is("B1,3", "B2,4")
    await said("r")
    server.run_sql("gestion", "update bancs set places = 5 where id = 'B2'")
    await public_is("B1,3", "B2,5")
    server.run_sql("gestion", "insert into bancs values ('B3', 1, 'canari-3')")
    await public_is("B1,3", "B2,5", "B3,1")
    # A key that changes is a deletion and an insertion to Debezium.
    server.run_sql("gestion", "update bancs set id = 'B4' where id = 'B3'")
    await public_is("B1,3", "B2,5", "B4,1")
    # Nothing that is captured changes; the row does.
    server.run_sql("gestion", "update bancs set agent = 'canari-4' where id = 'B1'")
    # As many as there were: more would wait for a person.
    others = "insert into bancs select 'C' || n, n, 'canari-5' from generate_series(1, 3) n"
    server.run_sql("gestion", f"begin; truncate bancs; {others}; commit")
    await public_is("C1,1", "C2,2", "C3,3")
    await eventually(at_rest, "the town does not come to rest", every=0.2)
    before = len(await town.records(DatasetChanged.TOPIC))
    server.run_sql("gestion", "select pg_logical_emit_message(true, 'essai', 'mot')")
    await said("m")
    await eventually(at_rest, "the town does not come to rest", every=0.2)
    assert len(await town.records(DatasetChanged.TOPIC)) == before

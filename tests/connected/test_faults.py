"""What is under the passage breaks while it works: nothing is lost, nothing done twice or backwards."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from deploy.local.kafka import LocalKafka
from deploy.local.postgres import LocalPostgres, PostgresServer
from shared.events import (
    CatalogDataset,
    CatalogPublished,
    DatasetAnonymized,
    DatasetChanged,
    DatasetConfirmed,
    DatasetConverted,
    DatasetIngested,
    DatasetPublished,
    Event,
    LedgerRow,
    NewsPosted,
)
from shared.kafka_client import writer
from tests.cards import card
from tests.connected.account import nothing_is_wrong
from tests.connected.busy_town import benches, ended, made, open_town, passage
from tests.connected.town import Town, eventually

FLOW: tuple[type[Event], ...] = (
    DatasetChanged, DatasetIngested, DatasetConfirmed, DatasetAnonymized, DatasetConverted,
    DatasetPublished, NewsPosted, LedgerRow, CatalogPublished, CatalogDataset,
)  # fmt: skip


# --- servers that die ----------------------------------------------------------------------------


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    """A broker that may be killed."""
    with LocalKafka(tmp_path / "kafka") as server:
        yield server


async def test_the_broker_is_killed_under_load(
    own_kafka: LocalKafka, postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """The broker dies twice in the middle of the work and comes back: everything goes on."""
    folder = tmp_path / "town"
    folder.mkdir()
    town = Town(folder, own_kafka.bootstrap, postgres, database)
    await town.prepare()
    try:
        driver = await open_town(town)
        for start in (1, 7):
            load = asyncio.create_task(passage(driver, range(start, start + 6)))
            await eventually(partial(made, town, start), "nothing was published", 120)
            own_kafka.kill()
            await asyncio.to_thread(own_kafka.start)
            await load
        await ended(town, driver)
    finally:
        await town.stop()


@pytest.fixture
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgres]:
    """A database server that may be killed."""
    folder = tmp_path_factory.mktemp("own")
    # The server runs as a user of its own where the tests run as root.
    for one in (folder, *folder.parents[:2]):
        one.chmod(0o755)
    with LocalPostgres(folder / "postgres") as server:
        yield server


async def test_the_database_is_killed_in_a_transaction(
    kafka: str, own_postgres: LocalPostgres, tmp_path: Path
) -> None:
    """A server process dies inside a transaction, and all connections with it: work is repeated."""
    own_postgres.create_database("town")
    town = Town(tmp_path, kafka, own_postgres, "town", prefix=f"pg-{os.getpid()}.")
    await town.prepare()
    try:
        driver = await open_town(town)
        load = asyncio.create_task(passage(driver, range(1, 9)))
        for _ in range(3):
            await eventually(lambda: _killed_in_transaction(own_postgres), "nobody writes", 120)
        await load
        await ended(town, driver)
    finally:
        await town.stop()


async def _killed_in_transaction(server: LocalPostgres) -> bool:
    """Kills a server process that works for publish inside a transaction, if there is one."""
    busy = (
        "select pid from pg_stat_activity where usename = 'ecluse_publish'"
        " and backend_xid is not null limit 1"
    )
    try:
        with server.connect("town") as connection:
            pid = connection.scalar(text(busy))
    except OperationalError:  # it recovers from the last time
        return False
    if pid is None:
        return False
    os.kill(pid, signal.SIGKILL)
    return True


# --- messages that come again, or in another order --------------------------------------------------


async def put_again(town: Town, records: list[ConsumerRecord[bytes, bytes]]) -> None:
    """Sends records once more as they were."""
    async with writer(town.settings) as producer:
        for record in records:
            await producer.send_and_wait(
                record.topic, record.value, key=record.key, headers=list(record.headers)
            )


async def account_of(town: Town) -> dict[str, object]:
    """What is public, told and decided."""
    published = await town.records(DatasetPublished.TOPIC)
    return {
        "published": len({dict(record.headers)["ce_id"] for record in published}),
        "news": town.rows("select news from notify.news order by 1"),
        "decisions": town.rows("select count(*) from publish.decisions"),
        "public": town.rows("select dataset, release, number from publish.datasets order by 1"),
        "ends": town.rows('select change, "end" from publish.changes order by 1'),
        "csv": await town.csv(),
    }


async def test_every_event_comes_twice(town: Town) -> None:
    """All records of all topics once more: not one more publication, decision, end or news item."""
    driver = await open_town(town)
    await passage(driver, range(1, 4))
    await ended(town, driver)
    before = await account_of(town)
    for model in FLOW:
        await put_again(town, await town.records(model.TOPIC))
    await ended(town, driver)
    assert await account_of(town) == before


async def move(town: Town, groups: dict[str, str], *, to_end: bool = False) -> None:
    """Moves what these groups have committed of their topics to the beginning, or to the end."""
    for group, topic in groups.items():
        consumer = AIOKafkaConsumer(
            bootstrap_servers=town.settings.kafka, group_id=group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            places = [TopicPartition(topic, one) for one in range(town.settings.partitions)]
            consumer.assign(places)
            to = await (consumer.end_offsets if to_end else consumer.beginning_offsets)(places)
            await consumer.commit(to)
        finally:
            await consumer.stop()


async def test_everything_is_replayed_from_the_first_offset(town: Town) -> None:
    """Every group starts again at offset 0: the same is public, and nothing is told anew."""
    driver = await open_town(town)
    await passage(driver, range(1, 4))
    await ended(town, driver)
    before = await account_of(town)
    groups = town.groups()
    services = ("publish", "notify", "convert", "anonymize", "ingest")
    await town.stop(*services)
    await move(town, groups)
    await town.start(*services)
    await ended(town, driver)
    assert await account_of(town) == before


async def test_events_come_in_another_order(town: Town) -> None:
    """Converted releases that reach publish latest first: the latest change is public, not the last."""
    driver = await open_town(town)
    await town.quiet()
    await town.stop("publish")
    for number in range(1, 6):
        await driver.change(benches(number))
    converted = DatasetConverted.TOPIC

    async def all_there() -> bool:
        return len(await town.records(converted)) == 5

    await eventually(all_there, "not everything was converted")
    made = await town.records(converted)
    group = town.settings.group(f"publish.{converted}")
    await move(town, {group: town.settings.topic(converted)}, to_end=True)
    await put_again(town, list(reversed(made)))
    await town.start("publish")
    await town.quiet()
    await nothing_is_wrong(driver)
    assert len(await town.records(DatasetPublished.TOPIC)) == 1
    assert (await town.csv()) == "id,places\r\nB1,5\r\nB2,4\r\n"


# --- a store that lies, a disk that is full -----------------------------------------------------------


@pytest.fixture(params=["raw", "safe", "staged"])
async def damaged(town: Town, request: pytest.FixtureRequest) -> tuple[Town, str]:
    """A town in which one bit of what lies in a bucket has flipped before the next stage reads it."""
    before = {"raw": ["ingest"], "safe": ["ingest", "anonymize"]}
    stages = before.get(request.param, ["ingest", "anonymize", "convert"])
    await town.start()
    await town.declare(card())
    late = [name for name in ("anonymize", "convert", "publish") if name not in stages]
    await town.stop(*late)
    sent = await town.announce("e1", town.source("bancs.csv", benches(1)))
    made: dict[str, type[Event]] = {
        "raw": DatasetIngested,
        "safe": DatasetAnonymized,
        "staged": DatasetConverted,
    }
    topic = made[request.param].TOPIC

    async def there() -> bool:
        return len(await town.records(topic)) == 1

    await eventually(there, "the stage before has made nothing")
    folder = town.folder / "store" / request.param / "bancs"
    files = [path for path in folder.rglob("*") if path.suffix in (".parquet", ".csv")]
    for path in files:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    await town.start(*late)
    return town, sent


async def test_a_flipped_bit_is_never_published(damaged: tuple[Town, str]) -> None:
    """A damaged object is seen by whoever reads it; the change is stopped and says so."""
    town, sent = damaged

    async def stopped() -> bool:
        answer = await town.call("GET", f"/changes/{sent}")
        # 404: the ledger has not been folded yet.
        return answer.status_code == 200 and bool(answer.json()["state"] == "quarantined")

    await eventually(stopped, "the damage was not seen")
    found = await town.change(sent)
    assert [reason["code"] for reason in found["reasons"]] == ["object_damaged"]
    assert await town.csv() is None
    assert town.rows("select count(*) from publish.datasets where release is not null") == [(0,)]

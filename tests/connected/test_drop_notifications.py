"""What is dropped is said by the store itself: from a real MinIO over a real Kafka to the public."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from deploy.local.minio import LocalMinio
from deploy.local.postgres import PostgresServer
from shared.envelope import decode
from shared.events import DatasetChanged, DeadLetter, DropNotified
from tests.cards import card
from tests.connected.stores import Buckets, S3Server, drop, objects
from tests.connected.town import Town, eventually, topics_of

A = "id;places\nB1;3\nB2;4\n"
B = "id;places\nB1;3\nB2;5\n"
PUBLIC_A, PUBLIC_B = (text.replace(";", ",").replace("\n", "\r\n") for text in (A, B))
FILE = "espaces-verts/bancs/canari-7431 de l'été +1.csv"
NEVER = "86400"


@pytest.fixture
async def said_town(
    kafka: str, postgres: PostgresServer, database: str, tmp_path: Path
) -> AsyncIterator[Town]:
    """A town whose MinIO says on Kafka what is dropped; the bucket is never listed."""
    topic = f"{database.replace('_', '-')}.{DropNotified.TOPIC}"
    # The server comes before its topic: it must wait for it, not give up.
    with LocalMinio(tmp_path / "minio", kafka=(kafka, topic)) as server:
        buckets = Buckets.new(S3Server(server.endpoint, server.access_key, server.secret_key))
        town = Town(tmp_path, kafka, postgres, database, buckets, drop_poll_seconds=NEVER)
        assert town.settings.topic(DropNotified.TOPIC) == topic
        await town.prepare()
        assert buckets.set_up().notifications == "arn:minio:sqs::DROP:kafka"
        yield town
        await town.stop()


async def public_is(town: Town, text: str) -> None:
    async def there() -> bool:
        return await town.csv() == text

    await eventually(there, "what was dropped is not public")
    await town.quiet()


async def test_a_dropped_file_on_minio_is_said_and_published(said_town: Town) -> None:
    """Put into `drop`, said by MinIO, taken, published; the file's name goes no further."""
    town = said_town
    await town.start()
    await town.declare(card())
    await drop(town, FILE, A)
    await public_is(town, PUBLIC_A)
    assert not await objects(town, "drop")
    [notice] = await town.records(DropNotified.TOPIC)
    said, _ = decode(DropNotified, notice)
    assert [unquote_plus(one.name) for one in said.objects] == [FILE]
    assert (notice.key or b"").decode().endswith(f"drop/{FILE}")
    [change] = await town.records(DatasetChanged.TOPIC)
    assert change.key == b"bancs"
    outside = topics_of(town, without=[DropNotified.TOPIC, DatasetChanged.TOPIC])
    for record in await town.records(*outside):
        told = b"".join([record.key or b"", record.value or b"", *(v for _, v in record.headers)])
        assert b"canari" not in told, record.topic
    await drop(town, FILE, B)
    await public_is(town, PUBLIC_B)
    assert town.rows("select count(distinct change) from publish.changes") == [(2,)]


async def test_a_file_on_minio_seen_both_ways_is_one_change(said_town: Town) -> None:
    """Said by the store and found by the listing, before and after a restart: one change."""
    town = said_town
    settings = town.settings
    town.settings = settings.model_copy(update={"drop_poll_seconds": 0.2})
    await town.start()
    # Nobody has declared it: it stays in the bucket, so that both ways see it, more than once.
    await drop(town, FILE, A)

    async def parked() -> bool:
        return town.rows("select state from publish.changes") == [("parked",)]

    await eventually(parked, "the dropped file was not taken up")
    await town.stop("ingest")
    await town.start("ingest")

    async def said_again() -> bool:
        # The store says it in its own time, before or after the listing found it twice.
        notices = await town.records(DropNotified.TOPIC)
        return len(notices) >= 1 and len(await town.records(DatasetChanged.TOPIC)) >= 2

    await eventually(said_again, "the store and the listing did not say it both")
    await town.quiet()
    assert len(await town.records(DropNotified.TOPIC)) == 1
    ids = {
        name: content
        for record in await town.records(DatasetChanged.TOPIC)
        for name, content in record.headers
        if name == "ce_id"
    }
    assert len(ids) == 1
    assert town.rows("select count(*) from publish.changes") == [(1,)]
    await town.declare(card())
    await public_is(town, PUBLIC_A)
    assert town.rows("select count(*) from publish.changes") == [(1,)]
    assert not await objects(town, "drop")


def notice(bucket: str, key: str) -> bytes:
    record = {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}  # fmt: skip  # noqa: E501
    return json.dumps({"EventName": "s3:ObjectCreated:Put", "Records": [record]}).encode()


SECRET = "zx-9-secret-of-somebody"


async def test_notifications_that_cannot_be_read(town: Town) -> None:
    """Each is put aside under a code, without a word of it; those behind it are read."""
    bad = [
        b"\xff" + SECRET.encode(),
        b"null",
        b'{"Records": []}',
        json.dumps({"Records": [{"s3": {"bucket": {"name": SECRET}}}]}).encode(),
        notice(SECRET, "espaces-verts/bancs/a.csv"),
        notice("ecluse-drop", "x" * 5000),
    ]
    harmless = [
        notice("ecluse-drop", f"{SECRET}.csv"),
        notice("ecluse-drop", "espaces-verts/bancs/gone.csv"),
        notice("ecluse-drop", "espaces-verts/bancs/a%00b.csv"),
        notice("ecluse-drop", "espaces-verts/bancs/a%FF.csv"),
        notice("ecluse-drop", "espaces-verts/../raw/a.csv"),
    ]
    await town.start()
    for value in bad + harmless:
        await town.put(DropNotified.TOPIC, f"drop/{SECRET}", value, {})
    await town.quiet()
    letters = [
        decode(DeadLetter, record)[0]
        for record in await town.records(f"{DropNotified.TOPIC}{DeadLetter.TOPIC}")
    ]
    codes = [reason.code for letter in letters for reason in letter.reasons]
    assert codes == ["message_undecodable"] * len(bad)
    for record in await town.records(*topics_of(town, without=[DropNotified.TOPIC])):
        assert SECRET.encode() not in (record.key or b"") + (record.value or b""), record.topic
    assert not await town.records(DatasetChanged.TOPIC)
    told = town.rows("select body from publish.ledger")
    assert len(told) == len(bad)
    assert SECRET not in json.dumps([body for (body,) in told])

"""Kafka outside the flow: a table, reconcile and the command line read topics without a group."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import TypedDict

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.helpers import create_ssl_context
from faststream.security import BaseSecurity, SASLScram512

from shared.failures import OursAway
from shared.messages import Reason
from shared.settings import Settings


class Connection(TypedDict):
    """What every client of aiokafka is told about the broker."""

    bootstrap_servers: list[str]
    security_protocol: str
    sasl_mechanism: str
    sasl_plain_username: str | None
    sasl_plain_password: str | None
    ssl_context: SSLContext | None


def connection(settings: Settings) -> Connection:
    """The broker's addresses and this process's credential."""
    secured = settings.kafka_security != "PLAINTEXT"
    return Connection(
        bootstrap_servers=settings.kafka.split(","),
        security_protocol=settings.kafka_security,
        sasl_mechanism="SCRAM-SHA-512" if secured else "PLAIN",
        sasl_plain_username=settings.kafka_user or None,
        sasl_plain_password=settings.kafka_password.get_secret_value() or None,
        ssl_context=create_ssl_context() if secured else None,
    )


def security(settings: Settings) -> BaseSecurity | None:
    """The same for FastStream's broker; None on a plain-text listener."""
    if settings.kafka_security == "PLAINTEXT":
        return None
    return SASLScram512(
        username=settings.kafka_user,
        password=settings.kafka_password.get_secret_value(),
        use_ssl=True,
    )


@asynccontextmanager
async def reader(settings: Settings, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer of whole topics, from their beginning; commits nothing. Raises OursAway."""
    consumer = AIOKafkaConsumer(
        *topics,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **connection(settings),
    )
    try:
        await consumer.start()
        yield consumer
    except UnknownTopicOrPartitionError:
        raise OursAway(Reason(code="topic_missing")) from None
    except (KafkaError, OSError):
        raise OursAway(Reason(code="broker_away")) from None
    finally:
        await consumer.stop()


async def to_end(consumer: AIOKafkaConsumer) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """What the consumer's topics held when asked, and perhaps a little more."""
    ends = await consumer.end_offsets(consumer.assignment())
    while any([await consumer.position(one) < end for one, end in ends.items()]):
        for records in (await consumer.getmany(timeout_ms=500)).values():
            for record in records:
                yield record


@asynccontextmanager
async def writer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """A started idempotent producer."""
    producer = AIOKafkaProducer(enable_idempotence=True, **connection(settings))
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def administrator(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started client for topics."""
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()

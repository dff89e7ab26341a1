"""Kafka's topics: partitions, retention, compaction; their creation and the check at start."""

from __future__ import annotations

from typing import NamedTuple

from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.events import (
    CatalogDataset,
    CatalogPublished,
    DatasetAnonymized,
    DatasetChanged,
    DatasetConfirmed,
    DatasetConverted,
    DatasetDecided,
    DatasetDelivered,
    DatasetIngested,
    DatasetPublished,
    DeadLetter,
    DropNotified,
    Event,
    LedgerRow,
    NewsPosted,
)
from shared.kafka_client import administrator
from shared.settings import Settings

DAYS = 24 * 3600 * 1000
FLOW_DAYS, DEAD_DAYS = 90, 400


class Topic(NamedTuple):
    """One topic: who writes it, how long it keeps (`days`; None is the raw zone's), compacted or not."""

    model: type[Event]
    written_by: str
    days: float | None
    compacted: bool = False
    dead: bool = True


TOPICS: tuple[Topic, ...] = (
    Topic(DatasetChanged, "domain systems, ingest, publish", None),
    Topic(DropNotified, "the object store", None),
    Topic(DatasetConfirmed, "ingest", FLOW_DAYS),
    Topic(DatasetIngested, "ingest", FLOW_DAYS),
    Topic(DatasetAnonymized, "anonymize", FLOW_DAYS),
    Topic(DatasetConverted, "convert", FLOW_DAYS),
    Topic(DatasetDecided, "publish", FLOW_DAYS, dead=False),
    Topic(DatasetPublished, "publish", FLOW_DAYS),
    Topic(DatasetDelivered, "publish", FLOW_DAYS, dead=False),
    Topic(CatalogDataset, "publish", 0, compacted=True, dead=False),
    Topic(CatalogPublished, "publish", 0, compacted=True, dead=False),
    Topic(NewsPosted, "notify", 0, compacted=True),
    Topic(LedgerRow, "every service", FLOW_DAYS),
)


def configuration(topic: Topic, settings: Settings) -> dict[str, str]:
    """The topic's settings on the broker."""
    if topic.compacted:
        return {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
    days = settings.raw_retention_days if topic.days is None else topic.days
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(int(days * DAYS)),
        "message.timestamp.type": "LogAppendTime",
    }


def wanted(settings: Settings) -> dict[str, dict[str, str]]:
    """Every topic by its full name, with its settings; dead letters included."""
    found = {}
    for topic in TOPICS:
        name = settings.topic(topic.model.TOPIC)
        found[name] = configuration(topic, settings)
        if topic.dead:
            # The raw zone's dead letters hold references alone, but point into it.
            days = settings.raw_retention_days if topic.days is None else DEAD_DAYS
            found[f"{name}{DeadLetter.TOPIC}"] = {
                "cleanup.policy": "delete",
                "retention.ms": str(int(days * DAYS)),
                "message.timestamp.type": "LogAppendTime",
            }
    return found


async def create_topics(settings: Settings) -> tuple[list[str], list[str]]:
    """Creates what is missing: names created, names that were there. Never changes one."""
    async with administrator(settings) as admin:
        known = set(await admin.list_topics())
        told = wanted(settings)
        missing = [name for name in told if name not in known]
        if missing:
            answer = await admin.create_topics(
                [
                    NewTopic(
                        name, settings.partitions, settings.replication, topic_configs=told[name]
                    )
                    for name in missing
                ]
            )
            for _, code, *_ in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise for_code(code)
        return missing, [name for name in told if name in known]

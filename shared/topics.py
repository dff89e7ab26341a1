"""Kafka's topics: partitions, retention, compaction; their creation and the check at start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.capture import CAPTURED
from shared.events import (
    CatalogDataset,
    CatalogPublished,
    DatasetAnonymized,
    DatasetCaptured,
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
    Topic(DatasetCaptured, "ingest", FLOW_DAYS),
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


def raw_zone(settings: Settings) -> dict[str, str]:
    """Settings of a topic that may hold personal data: deleted soon, never compacted."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(int(settings.raw_retention_days * DAYS)),
        "message.timestamp.type": "LogAppendTime",
    }


def captured_topics(settings: Settings, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Topics for change data capture, as cards name them, by their full names, with settings."""
    return {settings.topic(f"{CAPTURED}{name}"): raw_zone(settings) for name in names}


async def kept_too_long(settings: Settings) -> list[str]:
    """Captured topics that keep rows for longer than the raw zone may, or for ever."""
    prefix, most = settings.topic(CAPTURED), int(settings.raw_retention_days * DAYS)
    async with administrator(settings) as admin:
        names = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if not names:
            return []
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(names)]
        found = []
        for answer in await admin.describe_configs(asked):
            for _, _, _, name, entries in answer.resources:
                told = {entry[0]: entry[1] for entry in entries}
                kept = int(told.get("retention.ms", -1))
                if told.get("cleanup.policy") != "delete" or not 0 <= kept <= most:
                    found.append(name)
        return found


async def create_topics(
    settings: Settings, captured: Iterable[str] = ()
) -> tuple[list[str], list[str]]:
    """Creates what is missing: names created, names that were there. Never changes one."""
    async with administrator(settings) as admin:
        known = set(await admin.list_topics())
        told = wanted(settings) | captured_topics(settings, captured)
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

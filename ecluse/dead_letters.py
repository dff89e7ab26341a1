"""`ecluse replay --dead`: sends the originals of dead letters again, as they were.

A dead letter holds a place and a code; the original is read from its own topic. It keeps its
CloudEvents id, so that what was already done is not done twice.
"""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.envelope import decode
from shared.events import DeadLetter
from shared.failures import MessageInvalid
from shared.kafka_client import reader, to_end, writer
from shared.settings import Settings


async def replay_dead(settings: Settings, topic: str) -> dict[str, int]:
    """Replays every dead letter of `topic` (without prefix): counts sent and gone."""
    name = settings.topic(topic)
    counts = {"sent": 0, "gone": 0}
    async with (
        reader(settings, name) as consumer,
        reader(settings, f"{name}{DeadLetter.TOPIC}") as dead,
        writer(settings) as producer,
    ):
        for letter in await _letters(dead):
            place = TopicPartition(letter.topic, letter.partition)
            consumer.seek(place, letter.offset)
            found = await consumer.getmany(place, timeout_ms=2000, max_records=1)
            records = found.get(place, [])
            if not records or records[0].offset != letter.offset:
                counts["gone"] += 1
                continue
            original = records[0]
            await producer.send_and_wait(
                letter.topic,
                original.value,
                key=original.key,
                headers=list(original.headers),
            )
            counts["sent"] += 1
    return counts


async def _letters(dead: AIOKafkaConsumer) -> list[DeadLetter]:
    """A topic's dead letters, each original once."""
    letters: dict[str, DeadLetter] = {}
    async for record in to_end(dead):
        try:
            letter = decode(DeadLetter, record)[0]
        except MessageInvalid:
            continue
        letters[f"{letter.topic}/{letter.partition}/{letter.offset}"] = letter
    return list(letters.values())

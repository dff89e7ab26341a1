"""`ecluse replay --dead`: sends the originals of dead letters again, as they were.

A dead letter holds a place and a code; the original is read from its own topic. It keeps its
CloudEvents id, so that what was already done is not done twice.
"""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.envelope import decode
from shared.events import DeadLetter
from shared.failures import MessageInvalid
from shared.kafka_client import reader, to_end, writer
from shared.settings import Settings


async def replay_dead(settings: Settings, topic: str) -> dict[str, int]:
    """Replays every dead letter of `topic` (without prefix): counts sent, gone and foreign.

    A message that died again after a replay has several letters; it is sent once all the same. One of
    a topic that somebody else writes, such as a database's captured rows, is `foreign` and not sent.
    Raises OursAway.
    """
    name = settings.topic(topic.removesuffix(DeadLetter.TOPIC))
    counts = {"sent": 0, "gone": 0, "foreign": 0}
    seen: set[tuple[object, ...]] = set()
    async with (
        reader(settings, name) as consumer,
        reader(settings, f"{name}{DeadLetter.TOPIC}") as dead,
        writer(settings) as producer,
    ):
        for letter in await _letters(dead):
            if letter.topic != name:
                counts["foreign"] += 1
                continue
            original = await _original(consumer, letter)
            if original is None:
                counts["gone"] += 1
                continue
            content = (original.key, original.value, tuple(original.headers))
            if content in seen:
                continue
            seen.add(content)
            await producer.send_and_wait(
                name, original.value, key=original.key, headers=list(original.headers)
            )
            counts["sent"] += 1
    return counts


async def _original(
    consumer: AIOKafkaConsumer, letter: DeadLetter
) -> ConsumerRecord[bytes, bytes] | None:
    """The message that the letter names; None if its topic keeps it no more."""
    place = TopicPartition(letter.topic, letter.partition)
    if place not in consumer.assignment():
        return None
    consumer.seek(place, letter.offset)
    found = await consumer.getmany(place, timeout_ms=2000, max_records=1)
    record = next(iter(found.get(place, [])), None)
    return record if record is not None and record.offset == letter.offset else None


async def _letters(dead: AIOKafkaConsumer) -> list[DeadLetter]:
    """The dead letters that lie there, each original once; what is no letter is left."""
    letters: dict[str, DeadLetter] = {}
    async for record in to_end(dead):
        try:
            letter = decode(DeadLetter, record)[0]
        except MessageInvalid:
            continue
        if letter.offset < 0:
            continue
        letters[f"{letter.topic}/{letter.partition}/{letter.offset}"] = letter
    return list(letters.values())

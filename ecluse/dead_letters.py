"""`ecluse replay --dead`: sends the originals of dead letters again, as they were.

A dead letter holds a place and a code; the original is read from its own topic. It keeps its
CloudEvents id, so that what was already done is not done twice.
"""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.envelope import decode
from shared.events import DeadLetter
from shared.failures import MessageInvalid
from shared.settings import Settings
from shared.table import make_consumer


async def replay_dead(settings: Settings, topic: str) -> dict[str, int]:
    """Replays every dead letter of `topic` (without prefix): counts sent and gone."""
    name = settings.topic(topic)
    consumer = make_consumer(settings)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka.split(","), enable_idempotence=True
    )
    await consumer.start()
    await producer.start()
    counts = {"sent": 0, "gone": 0}
    try:
        for letter in await _letters(consumer, f"{name}{DeadLetter.TOPIC}"):
            place = TopicPartition(letter.topic, letter.partition)
            consumer.assign([place])
            consumer.seek(place, letter.offset)
            found = await consumer.getmany(timeout_ms=2000, max_records=1)
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
    finally:
        await producer.stop()
        await consumer.stop()
    return counts


async def _letters(consumer: AIOKafkaConsumer, topic: str) -> list[DeadLetter]:
    """The dead letters of a topic, each original once."""
    await consumer._client.fetch_all_metadata()
    partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
    if not partitions:
        return []
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    letters: dict[str, DeadLetter] = {}
    while any([await consumer.position(one) < end for one, end in ends.items()]):
        for records in (await consumer.getmany(timeout_ms=500)).values():
            for record in records:
                try:
                    letter = decode(DeadLetter, record)[0]
                except MessageInvalid:
                    continue
                letters[f"{letter.topic}/{letter.partition}/{letter.offset}"] = letter
    return list(letters.values())

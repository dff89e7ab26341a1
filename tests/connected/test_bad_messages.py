"""What cannot be read or done: put aside, said so, and nothing behind it is held up."""

from __future__ import annotations

import json

import pytest

from ecluse.dead_letters import replay_dead
from shared.envelope import decode
from shared.events import (
    DatasetAnonymized,
    DatasetChanged,
    DatasetConverted,
    DatasetIngested,
    DatasetPublished,
    DeadLetter,
    Event,
    LedgerRow,
)
from tests.cards import card
from tests.connected.town import Town

A = "id;places\nB1;3\nB2;4\n"
TAKEN: tuple[type[Event], ...] = (
    DatasetChanged,
    DatasetIngested,
    DatasetAnonymized,
    DatasetConverted,
    DatasetPublished,
    LedgerRow,
)
SECRET = "zx-9-secret-of-somebody"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"\xff\xfe" + SECRET.encode(), {}),
        (b"[" * 5000, {"content-type": "application/json"}),
        (json.dumps({"note": SECRET}).encode(), {"ce_type": SECRET, "ce_id": "1"}),
        (json.dumps({"note": SECRET * 43_000}).encode(), {"content-type": "application/json"}),
    ],
    ids=["bytes", "deep", "unknown type", "one megabyte"],
)
async def test_poison_is_put_aside_and_the_next_message_passes(
    town: Town, value: bytes, named: dict[str, str]
) -> None:
    """On every topic: a dead letter that quotes nothing; the passage goes on behind it."""
    await town.start()
    await town.declare(card())
    for model in TAKEN:
        # The ledger reads many at once: good rows lie around the bad one.
        await town.put(model.TOPIC, "bancs", value, named)
    sent = await town.send(A)
    await town.quiet()
    assert await town.ends(sent) == ["published"]
    for model in TAKEN:
        [record] = await town.records(f"{model.TOPIC}{DeadLetter.TOPIC}")
        letter, _ = decode(DeadLetter, record)
        assert letter.topic == town.settings.topic(model.TOPIC)
        assert SECRET.encode() not in (record.value or b"")
    told = [body for (body,) in town.rows("select body from publish.ledger")]
    dead = [body for body in told if body.get("end") == "dead"]
    assert {body["stage"] for body in dead} >= {"ingest", "anonymize", "convert", "publish"}
    assert SECRET not in json.dumps(told)


async def test_an_unknown_major_version_is_put_aside(town: Town) -> None:
    """An event of a version that this code does not know is not guessed at."""
    await town.start()
    await town.declare(card())
    named = {
        "ce_specversion": "1.0",
        "ce_type": "fr.ecluse.dataset.changed.v9",
        "ce_source": "urn:example:sig",
        "ce_id": "e1",
    }
    await town.put("dataset.changed", "bancs", b'{"dataset": "bancs"}', named)
    await town.quiet()
    [record] = await town.records(f"dataset.changed{DeadLetter.TOPIC}")
    letter, _ = decode(DeadLetter, record)
    assert [reason.code for reason in letter.reasons] == ["message_version_unknown"]


async def test_a_dead_letter_replayed_twice_does_its_work_once(town: Town) -> None:
    """The originals of dead letters are sent again as they were; doing so twice is harmless."""
    await town.start("portal", "publish", "notify", "convert", "ingest")
    await town.declare(card())
    sent = await town.send(A)
    await town.quiet()
    [record] = await town.records("dataset.ingested")
    letter = DeadLetter.model_validate(
        {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "group": "a group",
            "reasons": [{"code": "internal_error"}],
            "change": sent,
            "at": "2026-01-01T00:00:00Z",
        }
    )
    await town.put(
        f"dataset.ingested{DeadLetter.TOPIC}",
        letter.key,
        letter.model_dump_json().encode(),
        {
            "ce_specversion": "1.0",
            "ce_type": DeadLetter.TYPE,
            "ce_source": "urn:ecluse:anonymize",
            "ce_id": letter.id,
            "content-type": "application/json",
        },
    )
    counts = [await replay_dead(town.settings, "dataset.ingested") for _ in range(2)]
    assert counts == [{"sent": 1, "gone": 0, "foreign": 0}] * 2
    await town.start("anonymize")
    await town.quiet()
    assert await town.ends(sent) == ["published"]
    assert town.rows("select count(*) from publish.publications") == [(1,)]
    assert town.rows("select count(*) from notify.news") == [(1,)]


async def test_bad_files_are_stopped_with_a_line(town: Town) -> None:
    """A file that breaks its schema is stopped, and the sender reads where and what to do."""
    await town.start()
    await town.declare(card())
    sent = await town.send("id;places\nB1;3\nB2;quatre\n")
    await town.quiet()
    found = await town.change(sent)
    assert (found["stage"], found["state"]) == ("ingest", "quarantined")
    [reason] = found["reasons"]
    assert (reason["code"], reason["column"], reason["line"]) == ("type_mismatch", "places", 3)
    assert "quatre" not in json.dumps(found)
    mended = await town.send(A)
    await town.quiet()
    assert await town.ends(sent, mended) == ["superseded", "published"]

"""What a message of change data capture says: that a dataset changed, and nothing else."""

from __future__ import annotations

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.captures import captured, dead_letter, is_change, listeners
from shared.events import CatalogDataset, DatasetCaptured
from tests.cards import card
from tests.debezium import NAME, envelope, key

ROW = {"id": "canari-7431", "places": 3, "agent": "canari-7432"}
OLD = ROW | {"places": 2}


def entry(dataset: str, *topics: str) -> CatalogDataset:
    told = {"capture": {"topics": list(topics)}} if topics else {}
    one = card(dataset=dataset, **told)
    reference = {"digest": one.digest(), "shaping": one.shaping_digest(), "revision": 1}
    return CatalogDataset.model_validate(
        {"dataset": dataset, "domain": one.domain, "card": reference, "body": one.body()}
    )


def record(offset: int, value: bytes | None, topic: str = NAME) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(
        f"lyon.captured.{topic}", 0, offset, 1_767_261_600_000 + offset, 1, key("canari-7431"), value,
        None, 0, 0, (),
    )  # fmt: skip


@pytest.mark.parametrize("schema", [True, False])
@pytest.mark.parametrize(
    ("op", "before", "after", "told"),
    [
        ("c", None, ROW, True),
        ("u", OLD, ROW, True),
        ("d", ROW, None, True),
        ("r", None, ROW, True),
        ("t", None, None, True),
        ("m", None, None, False),
    ],
)
def test_envelopes(
    op: str, before: dict[str, object], after: dict[str, object], told: bool, schema: bool
) -> None:
    """Each operation on rows is a change, with the schema part and without; a message is none."""
    assert is_change(envelope(op, before, after, schema=schema)) is told


def test_tombstones() -> None:
    """An empty value, and an empty payload under its schema, say nothing."""
    assert is_change(None) is False
    assert is_change(b'{"schema": null, "payload": null}') is False


@pytest.mark.parametrize(
    "value",
    [b"", b"null", b"[]", b'"c"', b'{"op": 1}', b'{"payload": {"op": "c"}}', b"\xff\xfe", b"[" * 10**5,
     b"\x00\x00\x00\x00\x01\x02"],
)  # fmt: skip
def test_what_is_no_envelope(value: bytes) -> None:
    """Other JSON, Avro, bytes: known for what it is."""
    assert is_change(value) is None


@given(st.binary() | st.text().map(str.encode))
def test_anything(value: bytes) -> None:
    """No value makes it fail."""
    assert is_change(value) in (True, False, None)


def test_who_listens() -> None:
    """The datasets whose cards name the topic, and no other; one topic may serve several."""
    cards = [entry("bancs", NAME, "sig.public.autre"), entry("rues"), entry("parcs", NAME)]
    assert listeners(cards, NAME) == ["bancs", "parcs"]
    assert listeners(cards, "sig.public.autre") == ["bancs"]
    assert listeners(cards, "dataset.changed") == []


def test_one_event_for_many_messages() -> None:
    """The last change of a batch says it for all; nothing of rows and keys is in what goes on."""
    values = [envelope("c", None, ROW), envelope("d", ROW, None), None, b"nothing of Debezium"]
    records = [record(10 + at, value) for at, value in enumerate(values)]
    events, unread = captured(
        records, [entry("bancs", NAME), entry("parcs", NAME)], "lyon.captured."
    )
    assert [one.offset for one in unread] == [13]
    assert [(e.dataset, e.topic, e.partition, e.offset) for e in events] == [
        ("bancs", NAME, 0, 11),
        ("parcs", NAME, 0, 11),
    ]
    assert set(DatasetCaptured.model_fields) == {"dataset", "topic", "partition", "offset", "at"}
    assert "canari" not in "".join(event.model_dump_json() for event in events)


def test_nobody_listens() -> None:
    """A topic that no card names, tombstones alone: nothing is said."""
    assert captured([record(1, b"?")], [entry("rues")], "lyon.captured.") == ([], [])
    assert captured([record(1, None)], [entry("bancs", NAME)], "lyon.captured.") == ([], [])


def test_a_dead_letter() -> None:
    """What nobody can read of a batch is one letter: the first one's place, how many, no value."""
    values = [b"canari-7433", envelope("c", None, ROW), b"\xff canari-7433"]
    records = [record(20 + at, value) for at, value in enumerate(values)]
    events, unread = captured(records, [entry("bancs", NAME)], "lyon.captured.")
    assert [event.offset for event in events] == [21]
    letter = dead_letter(unread, "lyon.ingest.captured")
    assert (letter.topic, letter.partition, letter.offset) == (f"lyon.captured.{NAME}", 0, 20)
    [reason] = letter.reasons
    assert (reason.code, reason.count) == ("message_undecodable", 2)
    assert "canari" not in letter.model_dump_json()
    assert dead_letter(unread, "lyon.ingest.captured").id == letter.id

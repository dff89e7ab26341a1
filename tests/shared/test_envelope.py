"""The envelope: CloudEvents in, our events out, and nothing quoted of what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.envelope import decode, encode, headers, identity
from shared.events import DatasetChanged, LedgerRow
from shared.failures import MessageInvalid

SECRET = "canari-7431"
BINARY = {
    "ce_specversion": "1.0",
    "ce_id": "e1",
    "ce_source": "urn:example:sig",
    "ce_type": "fr.ecluse.dataset.changed.v1",
    "ce_subject": "arbres",
    "content-type": "application/json",
}


@dataclass
class Message:
    """A record as aiokafka hands it over."""

    value: bytes | None = b"{}"
    named: Mapping[str, str | bytes] = field(default_factory=dict)
    topic: str = "dataset.changed"
    partition: int = 1
    offset: int = 7
    timestamp: int = 1_772_000_000_123

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return [(n, v.encode() if isinstance(v, str) else v) for n, v in self.named.items()]


def structured(**more: object) -> Message:
    event = {name.removeprefix("ce_"): value for name, value in BINARY.items() if "ce_" in name}
    body = json.dumps(event | {"data": {"address": "https://a.example/b.csv"}} | more)
    return Message(body.encode(), {"content-type": "application/cloudevents+json"})


def test_binary_mode() -> None:
    """Attributes in headers, data in the value."""
    body = b'{"address": "https://a.example/b.csv", "unknown": 1}'
    event, came = decode(DatasetChanged, Message(body, BINARY | {"ce_sequence": "12"}))
    assert (event.dataset, event.address) == ("arbres", "https://a.example/b.csv")
    assert (came.id, came.source, came.sequence) == ("e1", "urn:example:sig", 12)
    assert came.origin == "dataset.changed/1/7"


def test_structured_mode() -> None:
    """Attributes and data in one object, with the content type or told by its form."""
    event, came = decode(DatasetChanged, structured())
    assert (event.dataset, came.id) == ("arbres", "e1")
    plain = structured()
    plain.named = {}
    assert decode(DatasetChanged, plain)[0] == event


def test_a_city_may_write_its_own_domain() -> None:
    """`fr.lyon.dataset.changed.v1` is a change; another name or topic's event is not."""
    lyon = BINARY | {"ce_type": "fr.lyon.dataset.changed.v1"}
    assert decode(DatasetChanged, Message(named=lyon))[0].dataset == "arbres"
    with pytest.raises(MessageInvalid):
        decode(LedgerRow, Message(named=BINARY))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (Message(b"\xff" + SECRET.encode(), BINARY), "message_undecodable"),
        (Message(b"[" * 5000, BINARY), "message_undecodable"),
        (Message(b"null", {}), "message_undecodable"),
        (Message(None, BINARY | {"ce_subject": SECRET.upper()}), "message_undecodable"),
        (Message(b'{"dataset": "haies"}', BINARY), "message_undecodable"),
        (Message(b'{"kind": "' + SECRET.encode() + b'"}', BINARY), "message_undecodable"),
        (Message(b"{}", BINARY | {"ce_id": ""}), "message_undecodable"),
        (Message(b"{}", BINARY | {"ce_id": "a b"}), "message_undecodable"),
        (Message(b"{}", BINARY | {"ce_source": b"\xff"}), "message_undecodable"),
        (Message(b"{}", BINARY | {"ce_sequence": "-1"}), "message_undecodable"),
        (Message(b"{}", BINARY | {"ce_sequence": "9" * 30}), "message_undecodable"),
        (Message(b"{}", BINARY | {"ce_specversion": "0.3"}), "message_undecodable"),
        (Message(b"{}", BINARY | {"ce_type": SECRET}), "message_undecodable"),
        (
            Message(b"{}", BINARY | {"ce_type": "fr.ecluse.dataset.changed.v2"}),
            "message_version_unknown",
        ),
        (Message(b'"' + b"a" * 70_000 + b'"', BINARY), "message_too_large"),
        (Message(b"{}", BINARY | {"x": "a" * 9000}), "message_too_large"),
        (structured(data=SECRET), "message_undecodable"),
        (structured(data={"address": SECRET * 300}), "message_undecodable"),
    ],
)
def test_what_cannot_be_read_is_not_quoted(message: Message, code: str) -> None:
    """A code, and nowhere a word of the message."""
    with pytest.raises(MessageInvalid) as caught:
        decode(DatasetChanged, message)
    assert [reason.code for reason in caught.value.reasons] == [code]
    assert SECRET not in repr(caught.value).lower()
    assert SECRET not in caught.value.reasons[0].model_dump_json().lower()
    assert caught.value.__cause__ is None


@given(
    st.binary(max_size=200),
    st.dictionaries(st.sampled_from([*BINARY, "x"]), st.text(max_size=20), max_size=7),
)
def test_nothing_else_is_raised(value: bytes, named: dict[str, str]) -> None:
    """Whatever comes, it is an event or MessageInvalid."""
    message = Message(value, dict(named))
    try:
        decode(DatasetChanged, message)
    except MessageInvalid:
        identity(message)


def test_our_events_come_back() -> None:
    """What we encode, we decode."""
    change = DatasetChanged(dataset="arbres", address="https://a.example/b.csv")
    named = headers(change, "urn:ecluse:ingest", datetime.now(UTC))
    event, came = decode(DatasetChanged, Message(encode(change), dict(named)))
    assert event == change
    assert (came.id, came.source) == (change.id, "urn:ecluse:ingest")


def test_a_row_about_nothing_comes_back() -> None:
    """A ledger row of a message without identity can be read."""
    row = LedgerRow(stage="ingest", state="failed", end="dead", at=datetime.now(UTC))
    named = headers(row, "urn:ecluse:ingest", datetime.now(UTC))
    assert decode(LedgerRow, Message(encode(row), dict(named), topic="ledger"))[0] == row


def test_the_identity_of_a_broken_message() -> None:
    """Its headers still tell which change it was."""
    came = identity(Message(b"\xff", dict(BINARY)))
    assert came is not None
    assert (came.id, came.subject) == ("e1", "arbres")
    assert identity(Message(b"\xff", {})) is None

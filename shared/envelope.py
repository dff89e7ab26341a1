"""The envelope: CloudEvents 1.0 in the Kafka binding, binary and structured mode.

Our own events go out in binary mode: attributes in `ce_*` headers, the event as JSON in the value.
What a domain system sends is accepted in both modes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from shared.events import DatasetChanged, DropNotified, Event
from shared.failures import MessageInvalid
from shared.ids import DatasetId, EventId
from shared.messages import Reason

MAX_EVENT_BYTES = 64 * 1024
MAX_HEADER_BYTES = 8 * 1024
STRUCTURED = "application/cloudevents+json"
E = TypeVar("E", bound=Event)

_TYPE = re.compile(r"^(?P<name>[a-z0-9-]+(\.[a-z0-9-]+)*)\.v(?P<major>\d{1,4})$")
_ATTRIBUTE = TypeAdapter(EventId)
_DATASET = TypeAdapter(DatasetId)
_MOMENT = TypeAdapter(AwareDatetime)


class Record(Protocol):
    """A record as aiokafka hands it over."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Received:
    """Where and when a message came in, and its CloudEvents attributes."""

    topic: str
    partition: int
    offset: int
    at: datetime
    id: str
    source: str
    sequence: int | None
    subject: str | None = None
    time: datetime | None = None

    @property
    def origin(self) -> str:
        """`topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def headers(event: Event, source: str, at: datetime) -> dict[str, str]:
    """The CloudEvents attributes of an event of ours, for the Kafka headers."""
    return {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_source": source,
        "ce_type": event.TYPE,
        "ce_time": at.isoformat(),
        "content-type": "application/json",
    }


def encode(event: Event) -> bytes:
    """The event as the record's value."""
    return event.model_dump_json(exclude_none=True).encode()


def _invalid(detail: str, code: str = "message_undecodable") -> MessageInvalid:
    return MessageInvalid(Reason(code=code, detail=detail))


def attributes(record: Record) -> tuple[dict[str, object], object]:
    """The CloudEvents attributes and the data of a record, whichever its mode.

    Raises MessageInvalid: too large, not JSON, no CloudEvents attributes.
    """
    value = record.value or b""
    if len(value) > MAX_EVENT_BYTES:
        raise MessageInvalid(Reason(code="message_too_large", limit=MAX_EVENT_BYTES))
    if sum(len(name) + len(content) for name, content in record.headers) > MAX_HEADER_BYTES:
        raise MessageInvalid(Reason(code="message_too_large", limit=MAX_HEADER_BYTES))
    try:
        named = {name.lower(): content.decode() for name, content in record.headers}
        body = json.loads(value)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise _invalid("not JSON in UTF-8") from None
    if named.get("content-type", "").startswith(STRUCTURED) or (
        "ce_id" not in named and isinstance(body, dict) and "specversion" in body
    ):
        if not isinstance(body, dict):
            raise _invalid("not a CloudEvents object")
        return {name: content for name, content in body.items() if name != "data"}, body.get("data")
    found: dict[str, object] = {
        name.removeprefix("ce_"): content for name, content in named.items() if name[:3] == "ce_"
    }
    return found, body


def received(record: Record, found: Mapping[str, object]) -> Received:
    """What is known of a record besides its data. Raises MessageInvalid."""
    try:
        event_id = _ATTRIBUTE.validate_python(found.get("id"))
        source = _ATTRIBUTE.validate_python(found.get("source"))
    except ValidationError:
        raise _invalid("the attributes id and source are missing or not plain text") from None
    sequence = found.get("sequence")
    if sequence is not None and not re.fullmatch(r"\d{1,18}", str(sequence)):
        raise _invalid("the attribute sequence is not a whole number")
    return Received(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        id=event_id,
        source=source,
        sequence=None if sequence is None else int(str(sequence)),
        subject=subject_of(found),
        time=_time(found.get("time")),
    )


def _time(told: object) -> datetime | None:
    """The attribute `time` (RFC 3339); what is none counts as not sent: nothing hangs on it."""
    try:
        return _MOMENT.validate_python(told)
    except ValidationError:
        return None


def identity(record: Record) -> Received | None:
    """What is known of a record whose data cannot be read; None if it has no identity."""
    headers_alone = {
        name.lower().removeprefix("ce_"): content.decode(errors="replace")
        for name, content in record.headers
        if name.lower().startswith("ce_")
    }
    for found in (lambda: headers_alone, lambda: attributes(record)[0]):
        try:
            return received(record, found())
        except MessageInvalid:
            continue
    return None


def subject_of(found: Mapping[str, object]) -> DatasetId | None:
    """The dataset that the attribute `subject` names, if it is one."""
    try:
        return _DATASET.validate_python(found.get("subject"))
    except ValidationError:
        return None


def decode(model: type[E], record: Record) -> tuple[E, Received]:
    """The event in a record and where it came from.

    Raises MessageInvalid with a code; neither code nor text quotes the message.
    """
    found, data = attributes(record)
    if model is DropNotified:
        found = _of_the_store(record)
    elif str(found.get("specversion")) != "1.0":
        raise _invalid("not CloudEvents 1.0")
    else:
        _check_type(model, str(found.get("type")))
    came = received(record, found)
    if model is DatasetChanged:
        data = _with_subject(data, found.get("subject"))
    try:
        return model.model_validate(data), came
    except ValidationError as error:
        places = {".".join(str(part) for part in e["loc"][:1]) for e in error.errors()}
        known = sorted(places & set(model.model_fields))
        raise _invalid(f"wrong fields: {', '.join(known) or 'data'}") from None


def _of_the_store(record: Record) -> dict[str, object]:
    """A bucket notification has no envelope: its place on the topic is its identity."""
    place = f"{record.topic}/{record.partition}/{record.offset}"
    return {"source": "urn:ecluse:store", "id": place}


def _check_type(model: type[Event], given: str) -> None:
    match, ours = _TYPE.match(given), _TYPE.match(model.TYPE)
    if not match or not ours:
        raise _invalid("the attribute type is missing or of another form")
    # A city may write its own reverse domain before `dataset.changed`.
    name = ours["name"].split(".", 2)[2]
    if not (match["name"] == ours["name"] or match["name"].endswith(f".{name}")):
        raise _invalid("another type of event than this topic's")
    if match["major"] != ours["major"]:
        raise _invalid(f"version {match['major']}", "message_version_unknown")


def _with_subject(data: object, subject: object) -> object:
    """`subject` names the dataset; the data may repeat it, and must then agree."""
    fields = dict(data) if isinstance(data, dict) else {} if data is None else None
    if fields is None:
        raise _invalid("the data are not an object")
    named = subject_of({"subject": subject})
    if subject is not None and named is None:
        raise _invalid("the attribute subject is not a dataset's identifier")
    if named is not None and fields.setdefault("dataset", named) != named:
        raise _invalid("subject and data name different datasets")
    return fields

"""Delivery policy, written once: how messages are taken, what follows from a failure.

At least once, with effects that can be repeated. A stage sends its output event, then its ledger
row, then commits (`AckPolicy.NACK_ON_ERROR`). FastStream has no back-off for Kafka and redelivers a
failed message at once, so whoever raises here has waited before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog
from aiokafka.errors import KafkaError
from faststream import AckPolicy, BaseMiddleware
from faststream.kafka import KafkaBroker
from faststream.kafka.prometheus import KafkaPrometheusMiddleware
from faststream.kafka.publisher.usecase import LogicPublisher
from faststream.message import StreamMessage
from prometheus_client import CollectorRegistry

from shared import ledger, metrics
from shared.crash_points import crash_point
from shared.envelope import (
    Received,
    decode,
    encode,
    headers,
    identity,
)
from shared.event_parts import Sequence, Stage, StageState
from shared.events import (
    DatasetChanged,
    DeadLetter,
    DropNotified,
    Event,
    LedgerRow,
    Passage,
)
from shared.failures import (
    EcluseError,
    MessageInvalid,
    OursAway,
    Parked,
    Quarantined,
    SourceAway,
    disk_full,
)
from shared.kafka_client import security
from shared.ledger import passage_facts
from shared.logs import failure_place, logger
from shared.messages import Reason
from shared.settings import Settings

E = TypeVar("E", bound=Event)
Handler = Callable[..., Awaitable[Any]]

# A defect may be a passing one (memory, a race): a message is tried so often before it is dead.
TRIES = 3
LONGEST_WAIT = 60.0
GATHER_BYTES, GATHER_MS = 64 * 1024, 250
# Stages whose work takes long enough that people want to see it begin.
ANNOUNCING: frozenset[Stage] = frozenset({"ingest", "anonymize", "convert"})

_CURRENT: ContextVar[tuple[Event, Received]] = ContextVar("current message")
_CURRENT_BATCH: ContextVar[list[Event]] = ContextVar("current batch")


class Flow:
    """One service's door to Kafka: its broker, its subscribers, its ledger rows."""

    def __init__(self, settings: Settings, stage: Stage) -> None:
        self.settings = settings
        self.stage: Stage = stage
        self.registry = CollectorRegistry()
        self.broker = _make_broker(settings, stage, self)
        self.log = logger()
        self._publishers: dict[str, LogicPublisher] = {}
        self.models: dict[str, type[Event]] = {}
        self._tries: dict[str, int] = {}
        self._waits = 0

    def group(self, model: type[Event]) -> str:
        """The consumer group of this service for a topic."""
        return self.settings.group(f"{self.stage}.{model.TOPIC}")

    def reads(
        self, model: type[E], *, writes: Iterable[type[Event]] = ()
    ) -> Callable[[Handler], Handler]:
        """Registers a handler for `model`'s topic. It returns an event of `writes`, or None."""
        topic = self.settings.topic(model.TOPIC)
        self.models[topic] = model
        declared: tuple[type[Event], ...] = (*writes, LedgerRow)
        for written in declared:
            self.declare(written)
        subscriber: Callable[[Handler], Handler] = self.broker.subscriber(
            topic, **self._policy(model, _decoded)
        )
        return subscriber

    def reads_batch(self, model: type[E], *, most: int) -> Callable[[Handler], Handler]:
        """Registers a handler that takes up to `most` events at once, for what is only written down."""
        topic = self.settings.topic(model.TOPIC)
        self.models[topic] = model
        subscriber: Callable[[Handler], Handler] = self.broker.subscriber(
            topic,
            batch=True,
            max_records=most,
            # The broker lets a batch gather: one transaction then folds what a release said.
            fetch_min_bytes=GATHER_BYTES,
            fetch_max_wait_ms=GATHER_MS,
            **self._policy(model, _decoded_batch),
        )
        return subscriber

    def _policy(self, model: type[Event], decoder: Callable[..., Any]) -> dict[str, Any]:
        timeout = int(self.settings.session_timeout_seconds * 1000)
        return {
            # A group of its own for each topic: one that joins does not make the others stand still.
            "group_id": self.group(model),
            # One that comes back has its partitions at once, not after the session time-out.
            "group_instance_id": self.settings.member,
            "auto_offset_reset": "earliest",
            "session_timeout_ms": timeout,
            "heartbeat_interval_ms": max(100, timeout // 10),
            "max_poll_interval_ms": int(self.settings.max_poll_interval_seconds * 1000),
            "decoder": decoder,
            "title": f"{self.stage}: {model.TOPIC}",
            "description": (model.__doc__ or "").splitlines()[0],
        }

    def declare(self, model: type[Event]) -> None:
        """Says in the AsyncAPI document that this service writes `model`."""
        topic = self.settings.topic(model.TOPIC)
        if topic not in self._publishers:
            self._publishers[topic] = self.broker.publisher(
                topic,
                schema=model,
                title=f"{self.stage} writes {model.TOPIC}",
                description=(model.__doc__ or "").splitlines()[0],
            )

    async def send(self, event: Event, topic: str | None = None) -> None:
        """Sends an event and waits until the broker has it. Raises OursAway."""
        await self.send_raw(
            topic or self.settings.topic(event.TOPIC),
            event.key.encode(),
            encode(event),
            headers(event, f"urn:ecluse:{self.stage}", datetime.now(UTC)),
        )

    async def send_raw(
        self, topic: str, key: bytes, value: bytes | None, named: dict[str, str]
    ) -> None:
        """Sends a record; a `value` of None is a tombstone. Raises OursAway."""
        try:
            await self.broker.publish(value, topic, key=key, headers=named)
        except (KafkaError, OSError, TimeoutError):
            raise OursAway(Reason(code="broker_away")) from None

    async def record(
        self,
        state: StageState,
        event: Event | None,
        came: Received | None,
        *,
        origin: str | None = None,
        reasons: tuple[Reason, ...] = (),
        seconds: float | None = None,
        output: Event | None = None,
    ) -> None:
        """Writes down what this stage did with a message."""
        facts = passage_facts(event, came)
        if isinstance(output, Passage):
            facts |= {"release": output.release, "sequence": output.sequence}
        elif isinstance(event, DatasetChanged) and event.rerun is None and came:
            number = came.offset if came.sequence is None else came.sequence
            facts["sequence"] = Sequence(generation=self.settings.generation, number=number)
        await self.send(
            ledger.row(
                self.stage,
                state,
                facts,
                came=came,
                origin=origin,
                attempt=self._tries.get(came.origin, 0) + 1 if came else 1,
                end="dead" if state == "failed" else None,
                reasons=reasons,
                rows=getattr(output, "rows", None),
                seconds=seconds,
            )
        )

    async def dead_letter(
        self,
        record: StreamMessage[Any],
        event: Event | None,
        reasons: tuple[Reason, ...],
    ) -> None:
        """Puts a message aside: its place and a code, never its content."""
        await self._letter(record.raw_message, event, reasons)

    async def _letter(self, raw: Any, event: Event | None, reasons: tuple[Reason, ...]) -> None:
        came = identity(raw)
        facts = passage_facts(event, came)
        letter = DeadLetter(
            topic=raw.topic,
            partition=raw.partition,
            offset=raw.offset,
            group=self.group(self.models[raw.topic]),
            reasons=reasons,
            change=facts.get("change"),
            at=datetime.now(UTC),
        )
        await self._post(letter, raw.topic)

    async def put_aside(self, letter: DeadLetter, model: type[Event]) -> None:
        """Sends a letter about a message of a topic that is none of ours, beside `model`'s."""
        await self._post(letter, self.settings.topic(model.TOPIC))

    async def _post(self, letter: DeadLetter, topic: str) -> None:
        await self.send(letter, topic=f"{topic}{DeadLetter.TOPIC}")
        metrics.dead_letters.labels(topic=topic).inc()

    async def wait(self, reason: str) -> None:
        """Waits longer each time in a row, then the caller raises and the message comes again."""
        metrics.stage_retries.labels(stage=self.stage, reason=reason).inc()
        pause = min(self.settings.retry_seconds * 2**self._waits, LONGEST_WAIT)
        self._waits = min(self._waits + 1, 16)
        self.log.warning("waiting", reason=reason, seconds=pause)
        await asyncio.sleep(pause)

    async def handle(
        self,
        call_next: Callable[[StreamMessage[Any]], Awaitable[Any]],
        record: StreamMessage[Any],
    ) -> None:
        """One message, from taking it up to the moment before its commit."""
        began = time.monotonic()
        if isinstance(record.raw_message, tuple):
            await self._handle_batch(call_next, record)
            return
        raw = record.raw_message
        group = self.group(self.models[raw.topic])
        metrics.last_message.labels(consumergroup=group).set_to_current_time()
        with (
            # The last three are bound once the message is decoded; named here to be unbound after.
            structlog.contextvars.bound_contextvars(
                topic=raw.topic,
                partition=raw.partition,
                offset=raw.offset,
                dataset=None,
                change=None,
                release=None,
            ),
            metrics.stage_in_progress.labels(stage=self.stage).track_inprogress(),
        ):
            outcome = await self._outcome(call_next, record, began)
            self.log.info("handled", outcome=outcome, seconds=round(time.monotonic() - began, 3))
        self._waits = 0
        self._tries.pop(f"{raw.topic}/{raw.partition}/{raw.offset}", None)
        metrics.stage_runs.labels(stage=self.stage, outcome=outcome).inc()
        metrics.stage_duration.labels(stage=self.stage).observe(time.monotonic() - began)
        crash_point("before-commit")

    async def _handle_batch(
        self, call_next: Callable[[StreamMessage[Any]], Awaitable[Any]], record: StreamMessage[Any]
    ) -> None:
        """Many messages at once. One that cannot be read is put aside, the others go on."""
        events: list[Event] = []
        for raw in record.raw_message:
            try:
                events.append(decode(self.models[raw.topic], raw)[0])
            except MessageInvalid as failure:
                await self._letter(raw, None, failure.reasons)
        if not events:
            return
        token = _CURRENT_BATCH.set(events)
        try:
            await call_next(record)
        except OursAway as failure:
            await self.wait(_code(failure))
            raise
        except Exception as error:
            self.log.error("defect", failure=failure_place(error))
            await self.wait("internal_error")
            raise
        finally:
            _CURRENT_BATCH.reset(token)
        self._waits = 0

    async def _outcome(
        self,
        call_next: Callable[[StreamMessage[Any]], Awaitable[Any]],
        record: StreamMessage[Any],
        began: float,
    ) -> str:
        raw = record.raw_message
        origin = f"{raw.topic}/{raw.partition}/{raw.offset}"
        event: Event | None = None
        came: Received | None = None
        try:
            event, came = decode(self.models[raw.topic], raw)
            structlog.contextvars.bind_contextvars(**_names(event, came))
            output = await self._work(call_next, record, event, came)
            crash_point("after-work")
            if isinstance(output, Event):
                await self.send(output)
                crash_point("after-event")
                metrics.stage_rows.labels(stage=self.stage).inc(getattr(output, "rows", 0) or 0)
            if output is not NOTHING_TO_SAY:
                await self.record(
                    "done", event, came, seconds=time.monotonic() - began, output=output
                )
                crash_point("after-ledger")
        except OursAway as failure:
            await self.wait(_code(failure))
            raise
        except MessageInvalid as failure:
            await self._set_aside(record, event, came, failure.reasons)
            return "dead"
        except (SourceAway, Parked, Quarantined) as failure:
            state = _STATES[type(failure)]
            seconds = time.monotonic() - began
            await self.record(state, event, came, reasons=failure.reasons, seconds=seconds)
            if isinstance(failure, Quarantined) and self.stage == "anonymize":
                for reason in failure.reasons[:1]:
                    metrics.guard_blocks.labels(rule=reason.code).inc()
            self.log.info(state, reasons=[reason.code for reason in failure.reasons[:10]])
            return state
        except Exception as error:
            if full := disk_full(error):
                await self.wait(_code(full))
                raise full from None
            tries = self._tries[origin] = self._tries.get(origin, 0) + 1
            self.log.error("defect", failure=failure_place(error), tries=tries)
            if tries < TRIES:
                await self.wait("internal_error")
                raise
            reason = Reason(code="internal_error", detail=failure_place(error)[:200])
            await self._set_aside(record, event, came, (reason,))
            return "dead"
        return "done"

    async def _work(
        self,
        call_next: Callable[[StreamMessage[Any]], Awaitable[Any]],
        record: StreamMessage[Any],
        event: Event,
        came: Received,
    ) -> Any:
        # A bucket notification is no change yet: the ledger begins with what is made of it.
        if self.stage in ANNOUNCING and not isinstance(event, DropNotified):
            await self.record("started", event, came)
        token = _CURRENT.set((event, came))
        crash_point("before-work")
        try:
            return await call_next(record)
        finally:
            _CURRENT.reset(token)

    async def _set_aside(
        self,
        record: StreamMessage[Any],
        event: Event | None,
        came: Received | None,
        reasons: tuple[Reason, ...],
    ) -> None:
        await self.dead_letter(record, event, reasons)
        came = came or identity(record.raw_message)
        raw = record.raw_message
        origin = f"{raw.topic}/{raw.partition}/{raw.offset}"
        await self.record("failed", event, came, origin=origin, reasons=reasons)
        self.log.error("dead", reasons=_codes(reasons))


class _NothingToSay:
    """What a handler returns that wrote its own ledger rows, in its own transaction."""


NOTHING_TO_SAY = _NothingToSay()
_STATES: dict[type[EcluseError], StageState] = {
    SourceAway: "waiting",
    Parked: "parked",
    Quarantined: "quarantined",
}


def _names(event: Event | None, came: Received | None) -> dict[str, Any]:
    """What a log line says of a message: dataset, change, release."""
    facts = passage_facts(event, came)
    return {name: facts.get(name) for name in ("dataset", "change", "release")}


def _codes(reasons: tuple[Reason, ...]) -> list[str]:
    return [reason.code for reason in reasons[:10]]


def _code(failure: EcluseError) -> str:
    return failure.reasons[0].code if failure.reasons else "away"


def current() -> Received:
    """Where the message that is being handled came in."""
    return _CURRENT.get()[1]


class _Delivery(BaseMiddleware[Any, Any]):
    """Hands every message to its flow."""

    flow: Flow

    async def consume_scope(
        self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]
    ) -> Any:
        return await self.flow.handle(call_next, msg)


async def _decoded(_record: StreamMessage[Any]) -> Event:
    return _CURRENT.get()[0]


async def _decoded_batch(_record: StreamMessage[Any]) -> list[Event]:
    return _CURRENT_BATCH.get()


def _make_broker(settings: Settings, stage: Stage, flow: Flow) -> KafkaBroker:
    middleware: type[_Delivery] = type("Delivery", (_Delivery,), {"flow": flow})
    return KafkaBroker(
        settings.kafka.split(","),
        client_id=f"ecluse-{stage}",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        enable_idempotence=True,
        acks="all",
        allow_auto_create_topics=False,
        graceful_timeout=settings.graceful_timeout_seconds,
        security=security(settings),
        middlewares=(
            KafkaPrometheusMiddleware(registry=flow.registry, app_name=f"ecluse-{stage}"),
            middleware,
        ),
        # FastStream logs exceptions with their texts; ours name class and place.
        logger=None,
    )

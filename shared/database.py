"""PostgreSQL for the services that own a schema: engine, inbox, outbox and its relay.

An event that a database fact gives rise to is written in the same transaction (outbox) and sent
from there; an event received is recorded once (inbox, by its id).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    delete,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared import metrics
from shared.at_once import at_once
from shared.broker import Flow
from shared.crash_points import crash_point
from shared.envelope import encode, headers
from shared.events import Event
from shared.failures import OursAway
from shared.logs import logger
from shared.messages import Reason
from shared.settings import Settings

RELAY_BATCH = 200
RELAY_SECONDS = 0.5


@dataclass(frozen=True)
class Boxes:
    """The inbox and outbox tables of one schema."""

    inbox: Table
    outbox: Table


def boxes(metadata: MetaData) -> Boxes:
    """Declares inbox and outbox in the schema of `metadata`."""
    inbox = Table(
        "inbox",
        metadata,
        Column("event", Text, primary_key=True),
        Column(
            "received_at",
            DateTime(timezone=True),
            server_default=func.now(),
            nullable=False,
        ),
    )
    outbox = Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("value", LargeBinary),
        Column(
            "written_at",
            DateTime(timezone=True),
            server_default=func.now(),
            nullable=False,
        ),
    )
    return Boxes(inbox, outbox)


def open_engine(
    settings: Settings, *, pool: int = 5, idle_seconds: float | None = None
) -> AsyncEngine:
    """The process's engine. Errors never quote parameters.

    A process that hangs in the middle of a transaction holds its locks: the server ends it in time,
    `idle_seconds` or the settings'.
    """
    idle = int((idle_seconds or settings.database_idle_seconds) * 1000)
    return create_async_engine(
        settings.database.get_secret_value(),
        connect_args={"options": f"-c idle_in_transaction_session_timeout={idle}"},
        pool_size=pool,
        max_overflow=pool,
        pool_pre_ping=True,
        hide_parameters=True,
    )


class Database:
    """One service's schema."""

    def __init__(self, engine: AsyncEngine, boxes: Boxes, settings: Settings, service: str) -> None:
        self.engine = engine
        self._boxes = boxes
        self._settings = settings
        self._service = service
        self._next_event = asyncio.Event()
        self._emitting: set[AsyncConnection] = set()

    @asynccontextmanager
    async def transaction(self, step: str = "") -> AsyncIterator[AsyncConnection]:
        """One transaction, as `transaction` below. Wakes who waits for what it emitted."""
        emitted = False
        async with transaction(self.engine, step) as connection:
            try:
                yield connection
            finally:
                emitted = connection in self._emitting
                self._emitting.discard(connection)
        if emitted:
            heard, self._next_event = self._next_event, asyncio.Event()
            heard.set()

    @property
    def next_event(self) -> asyncio.Event:
        """Set when a transaction of this process has emitted an event, and all else it wrote stands.

        Taken before one looks for work and waited for after there was none, it misses nothing. What
        other processes write it does not tell.
        """
        return self._next_event

    async def first_time(self, connection: AsyncConnection, event: str) -> bool:
        """Records an event as received; False if it was before."""
        inbox = self._boxes.inbox
        fresh = insert(inbox).values(event=event).on_conflict_do_nothing().returning(inbox.c.event)
        return await connection.scalar(fresh) is not None

    async def emit(self, connection: AsyncConnection, *events: Event) -> None:
        """Writes events to the outbox, in this transaction."""
        for event in events:
            await self.emit_raw(
                connection,
                event.TOPIC,
                event.key,
                encode(event),
                headers(event, f"urn:ecluse:{self._service}", datetime.now(UTC)),
            )

    async def tombstone(self, connection: AsyncConnection, model: type[Event], key: str) -> None:
        """Writes an empty record to a compacted topic: the key is no more."""
        await self.emit_raw(connection, model.TOPIC, key, None, {})

    async def emit_raw(
        self,
        connection: AsyncConnection,
        topic: str,
        key: str,
        value: bytes | None,
        named: dict[str, str],
    ) -> None:
        self._emitting.add(connection)
        await connection.execute(
            self._boxes.outbox.insert().values(
                topic=self._settings.topic(topic), key=key, headers=named, value=value
            )
        )

    async def alive(self) -> bool:
        """Whether the database answers."""
        try:
            async with self.engine.connect() as connection:
                await connection.execute(text("select 1"))
        except (SQLAlchemyError, OSError):
            return False
        return True

    async def relay(self, flow: Flow) -> None:
        """Sends what the outbox holds, in order, for ever. One relay per schema has the lock."""
        while True:
            emitted = self.next_event
            try:
                sent = await self._relay_once(flow)
            except OursAway as failure:
                logger().warning("waiting", reason=failure.reasons[0].code, relay=self._service)
                await asyncio.sleep(1)
                continue
            if sent < RELAY_BATCH:
                await wait_for(emitted, RELAY_SECONDS)

    async def _relay_once(self, flow: Flow) -> int:
        outbox = self._boxes.outbox
        async with self.transaction() as connection:
            lock = f"ecluse-relay-{outbox.schema}"
            mine = await connection.scalar(
                select(func.pg_try_advisory_xact_lock(func.hashtextextended(lock, 0)))
            )
            if not mine:
                return 0
            rows = (
                await connection.execute(select(outbox).order_by(outbox.c.id).limit(RELAY_BATCH))
            ).all()
            await self._send(flow, rows)
            if rows:
                crash_point("inside-relay")
                await connection.execute(
                    delete(outbox).where(outbox.c.id.in_([row.id for row in rows]))
                )
            left = 0
            if len(rows) == RELAY_BATCH:
                left = await connection.scalar(select(func.count()).select_from(outbox)) or 0
            metrics.outbox_pending.labels(schema=outbox.schema or "").set(left)
        if rows:
            crash_point("after-relay")
        return len(rows)

    async def _send(self, flow: Flow, rows: Sequence[Row[Any]]) -> None:
        for together in in_turns(rows):
            await at_once(
                *(
                    flow.send_raw(row.topic, row.key.encode(), row.value, row.headers)
                    for row in together
                )
            )


def in_turns(rows: Iterable[Row[Any]]) -> list[list[Row[Any]]]:
    """The first row of each key, then the second of each…: a key's rows keep their order, for
    each turn is with the broker before the next is sent."""
    turns: list[list[Row[Any]]] = []
    seen: Counter[str] = Counter()
    for row in rows:
        if seen[row.key] == len(turns):
            turns.append([])
        turns[seen[row.key]].append(row)
        seen[row.key] += 1
    return turns


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Waits for the event, no longer than `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


@asynccontextmanager
async def transaction(engine: AsyncEngine, step: str = "") -> AsyncIterator[AsyncConnection]:
    """One transaction. Raises OursAway when the database is away; other errors are defects.

    `step` names one that writes: a test may crash the process `before-`, `inside-` or `after-` it.
    """
    if step:
        crash_point(f"before-{step}")
    try:
        async with engine.begin() as connection:
            yield connection
            if step:
                crash_point(f"inside-{step}")
    except DBAPIError as error:
        if error.connection_invalidated or type(error).__name__ in _AWAY:
            raise OursAway(Reason(code="database_away")) from None
        raise
    except (ConnectionError, TimeoutError):
        raise OursAway(Reason(code="database_away")) from None
    if step:
        crash_point(f"after-{step}")


# Classes of psycopg (DB-API 2.0) that say: not now, rather than: never.
_AWAY = frozenset({"OperationalError", "InterfaceError"})

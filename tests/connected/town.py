"""An installation for a test: every service of the passage in this process, real servers behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from deploy.demo.people import make_people
from deploy.local.child import free_port
from deploy.local.postgres import PostgresServer
from deploy.local.stack import DATABASE_ROLES, ROLES_SQL, SERVICES
from ecluse.migrate import migrate_all
from ecluse.serve import make_service
from shared.app import Service
from shared.card import Card
from shared.failures import OursAway
from shared.ids import change_id
from shared.kafka_client import administrator, reader, to_end, writer
from shared.policy_signature import load_private, sign_policy
from shared.settings import Settings
from shared.storage import Access
from shared.topics import create_topics, wanted
from tests.cards import STRATEGY
from tests.connected.stores import Buckets, s3_settings

# Only a town that hangs waits so long: a machine may do much else.
PATIENCE = 240.0
# To look is work as well, which the services wait for: connections to server and broker.
LOOK_SECONDS, LOOK_AT_ALL_SECONDS = 0.02, 0.1


class Town:
    """One city's installation, with its own topics, database and store."""

    def __init__(
        self,
        folder: Path,
        kafka: str,
        postgres: PostgresServer,
        database: str,
        buckets: Buckets | None = None,
        **more: str,
    ) -> None:
        self.buckets = buckets
        more = (s3_settings(buckets) if buckets else {}) | more
        self.folder, self.postgres, self.database = folder, postgres, database
        files, self.tokens = make_people(folder / "people")
        ports = {f"{name}_port": str(free_port()) for name in (*SERVICES, "portal_metrics")}
        told = {
            **ports,
            **files,
            "prefix": f"{database.replace('_', '-')}.",
            "city": "Ville d'essai",
            "city_secret": "a secret of this test alone",
            "kafka": kafka,
            "partitions": "2",
            "session_timeout_seconds": "6",
            "retry_seconds": "0.1",
            "store": str(folder / "store"),
            "spool": str(folder / "spool"),
            "public_url": f"http://127.0.0.1:{ports['portal_port']}",
            "admin_url": f"http://127.0.0.1:{ports['publish_port']}",
            "notify_url": f"http://127.0.0.1:{ports['notify_port']}",
            "changes_url": f"http://127.0.0.1:{ports['ingest_port']}",
            "database": postgres.url(database),
            "drop_poll_seconds": "0.2",
            "clock_seconds": "0.1",
            "source_retry_seconds": "0.05",
            "allowed_folders": str(folder / "sources"),
            **more,
        }
        (folder / "sources").mkdir()
        strategy = folder / "strategy.yaml"
        strategy.write_text(STRATEGY.model_dump_json(exclude_defaults=True), encoding="utf-8")
        told["strategy_file"] = str(strategy)
        allowed = [Path(told.pop("allowed_folders"))]
        self.settings = Settings.model_validate(told | {"allowed_folders": allowed})
        self._told = frozenset((*told, "allowed_folders"))
        self.patience = PATIENCE
        self._running: dict[str, tuple[Service, asyncio.Task[None]]] = {}
        # A connection kept open may be closed by its server just when it is used again.
        once = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.AsyncClient(timeout=30, trust_env=False, limits=once)

    async def prepare(self) -> None:
        """Schemas, roles, topics."""
        await asyncio.to_thread(migrate_all, self.settings)
        sql = ROLES_SQL.read_text(encoding="utf-8")
        await asyncio.to_thread(self.postgres.run_sql, self.database, sql)
        await create_topics(self.settings)

    async def start(self, *names: str) -> None:
        """Starts services (all of them without names) and waits until they are ready."""
        for name in names or SERVICES:
            service = make_service(name, self._settings_of(name))
            self._running[name] = service, asyncio.create_task(service.serve())
        for name in names or SERVICES:
            await self._ready(name)

    @property
    def running(self) -> tuple[str, ...]:
        """The services that run."""
        return tuple(self._running)

    async def stop(self, *names: str) -> None:
        """Stops services in order; all of them without names."""
        chosen = [self._running.pop(name) for name in names or list(self._running)]
        for service, _ in chosen:
            service.stop()
        await asyncio.gather(*(task for _, task in chosen))
        if not names:
            await self.http.aclose()

    def _settings_of(self, name: str) -> Settings:
        role = DATABASE_ROLES.get(name)
        told: dict[str, object] = {"database": ""}
        if role:
            told = {"database": self.postgres.url(self.database, role)}
        if name != "ingest":
            told["city_secret"] = ""
        if self.buckets:
            told |= self.buckets.credential(cast("Access", name))
        return Settings.model_validate(self.settings.model_dump() | told)

    async def _ready(self, name: str) -> None:
        port = getattr(self.settings, "portal_metrics_port" if name == "portal" else f"{name}_port")

        async def ready() -> bool:
            task = self._running[name][1]
            assert not task.done(), f"{name} ended: {task.exception() if task.done() else ''}"
            try:
                answer = await self.http.get(f"http://127.0.0.1:{port}/ready")
            except httpx.TransportError:
                return False
            return answer.status_code == 200

        await eventually(ready, f"{name} is not ready", self.patience)

    # --- what people and programs do ------------------------------------------------------------

    async def call(
        self, method: str, path: str, body: object = None, who: str = "demo-responsable"
    ) -> httpx.Response:
        """A call of the admin API."""
        return await self.http.request(
            method, f"{self.settings.admin_url}{path}", json=body, headers=self._bearer(who)
        )

    async def act(self, path: str, body: object) -> dict[str, Any]:
        """An act of the responsable that must succeed."""
        answer = await self.call("POST", path, body)
        assert answer.is_success, answer.text
        result: dict[str, Any] = answer.json()
        return result

    async def declare(self, card: Card, *, signed: bool = True, settle: bool = True) -> None:
        """Puts a card in force, and its policy; waits until everybody knows it."""
        await self.act("/datasets", card.body())
        if signed:
            path = self.settings.signing_key_file
            assert path
            signature = sign_policy(
                card, load_private(path), "demo-responsable", datetime.now(UTC).date()
            )
            body = signature.model_dump(mode="json")
            await self.act(f"/datasets/{card.dataset}/signature", body)
        if settle:
            await self.quiet()

    async def send(
        self, content: str | bytes, dataset: str = "bancs", event_id: str = "", kind: str = "update"
    ) -> str:
        """Sends a file over HTTP; the change's id."""
        named = {"Idempotency-Key": event_id} if event_id else {}
        answer = await self.http.post(
            f"{self.settings.changes_url}/changes",
            params={"dataset": dataset, "kind": kind},
            content=content,
            headers=self._bearer("demo-sig") | named | {"Content-Type": "text/csv"},
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["change"])

    async def announce(
        self, event_id: str, address: str, dataset: str = "bancs", sequence: int | None = None
    ) -> str:
        """Puts a CloudEvent on the topic, as a domain system would; the change's id."""
        source = "urn:example:sig"
        named = {
            "ce_specversion": "1.0",
            "ce_type": "fr.ecluse.dataset.changed.v1",
            "ce_source": source,
            "ce_id": event_id,
            "ce_subject": dataset,
            "content-type": "application/json",
        }
        if sequence is not None:
            named["ce_sequence"] = str(sequence)
        body = f'{{"dataset": "{dataset}", "address": "{address}"}}'
        await self.put("dataset.changed", dataset, body.encode(), named)
        return change_id(source, event_id)

    async def put(self, topic: str, key: str, value: bytes, named: dict[str, str]) -> None:
        """Puts a record on a topic (without prefix)."""
        async with writer(self.settings) as producer:
            await producer.send_and_wait(
                self.settings.topic(topic),
                value,
                key=key.encode(),
                headers=[(name, one.encode()) for name, one in named.items()],
            )

    def source(self, name: str, content: str) -> str:
        """Writes a file where events may point; its address."""
        path = self.folder / "sources" / name
        path.write_text(content, encoding="utf-8")
        return path.as_uri()

    def _bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}

    # --- what stands ----------------------------------------------------------------------------

    async def public(self, path: str, **options: Any) -> httpx.Response:
        """What a citizen gets."""
        return await self.http.get(f"{self.settings.public_url}{path}", **options)

    async def csv(self, dataset: str = "bancs") -> str | None:
        """The public CSV; None if there is none."""
        answer = await self.public(f"/datasets/{dataset}/{dataset}.csv")
        return answer.text if answer.status_code == 200 else None

    async def change(self, change: str) -> dict[str, Any]:
        """What became of a change, as the admin API says."""
        answer = await self.call("GET", f"/changes/{change}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def ends(self, *changes: str) -> list[str | None]:
        """The changes' ends, or where they stand (`stage: state`)."""
        found = [await self.change(one) for one in changes]
        return [one["end"] or f"{one['stage']}: {one['state']}" for one in found]

    async def waiting(self) -> list[str]:
        """The releases that wait for a person."""
        answer = await self.call("GET", "/publications?state=waiting")
        return [one["release"] for one in answer.json()["publications"]]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the database holds."""
        engine = create_engine(self.settings.database.get_secret_value(), poolclass=NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    async def records(self, *topics: str) -> list[ConsumerRecord[bytes, bytes]]:
        """Everything on these topics (without prefix), tombstones included."""
        async with reader(self.settings, *map(self.settings.topic, topics)) as consumer:
            return [record async for record in to_end(consumer)]

    async def quiet(self) -> None:
        """Waits until every message is committed and nothing is left to send or deliver."""
        try:
            await eventually(
                self.settled, "the town does not come to rest", self.patience, LOOK_AT_ALL_SECONDS
            )
        except AssertionError as error:
            raise AssertionError(f"{error}: {await self._left()}") from None

    async def settled(self) -> bool:
        """Whether every message is committed and nothing is left to send or deliver."""
        try:
            return self._idle() and not await self._lag() and self._idle()
        except (KafkaError, OperationalError, OursAway):
            return False

    async def _left(self) -> dict[str, object]:
        """What keeps the town from its rest."""
        rows = "select 'publish', count(*) from publish.outbox union all select 'notify', count(*)"
        return {
            "lag": await self._lag(),
            "outbox": self.rows(f"{rows} from notify.outbox"),
            "deliveries": self.rows(
                "select dataset, act, attempts, code, lease_until from publish.deliveries"
                " where state = 'pending'"
            ),
        }

    def _idle(self) -> bool:
        return self.rows(
            "select (select count(*) from publish.outbox) + (select count(*) from notify.outbox)"
            " + (select count(*) from publish.deliveries where state = 'pending' and portal = 'own')"
        ) == [(0,)]

    def groups(self) -> dict[str, str]:
        """The consumer groups of the services that run, and the topic of each."""
        flows = [service.flow for service, _ in self._running.values() if service.flow]
        return {flow.group(model): topic for flow in flows for topic, model in flow.models.items()}

    async def _lag(self) -> dict[str, int]:
        """Messages that the running services have not committed, by group; those without any, not."""
        groups = self.groups()
        if not groups:
            return {}
        async with administrator(self.settings) as admin:
            done: dict[tuple[str, TopicPartition], int] = {}
            for group in groups:
                for place, meta in (await admin.list_consumer_group_offsets(group)).items():
                    done[group, place] = meta.offset
        async with reader(self.settings, *set(groups.values())) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
        lag = {
            group: sum(
                end - done.get((group, place), 0)
                for place, end in ends.items()
                if place.topic == topic
            )
            for group, topic in groups.items()
        }
        return {group: behind for group, behind in lag.items() if behind}


async def eventually(
    condition: Callable[[], Awaitable[bool]],
    otherwise: str,
    seconds: float = PATIENCE,
    every: float = LOOK_SECONDS,
) -> None:
    """Waits until a condition holds, looking `every` so many seconds."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(every)


def topics_of(town: Town, *, without: Iterable[str] = ()) -> list[str]:
    """Every topic of the town (without prefix) but these."""
    names = [name.removeprefix(town.settings.prefix) for name in wanted(town.settings)]
    return [name for name in names if name not in set(without)]

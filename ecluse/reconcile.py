"""`ecluse reconcile`: counts the ends, and checks that what is said to exist does.

Reads alone, with a credential that no service has: every change announced on the topic has an end or
is under way within its limit; every object named, in the database or in a stage's manifest, is there
with its size (`deep`: its checksum); every publication was delivered and told once.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import open_engine
from shared.envelope import identity
from shared.event_parts import BucketName, ObjectRef
from shared.events import DatasetChanged
from shared.failures import OursAway, Quarantined
from shared.ids import change_id
from shared.kafka_client import reader, to_end
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import Store, keep_days, open_store

# How long a change may be without an end before it is named.
LIMITS = {
    "quarantined": timedelta(days=30),
    "parked": timedelta(days=30),
    "waiting": timedelta(days=3),
}
UNDER_WAY = timedelta(hours=2)  # `_untold` says it in SQL


async def reconcile(settings: Settings, *, deep: bool) -> dict[str, Any]:
    """The account: `ok`, ends by kind, changes under way, and every discrepancy. Raises OursAway."""
    engine = open_engine(settings, pool=1)
    store = open_store(settings, "operator")
    try:
        announced = await _announced(settings)
        changes = await _rows(
            engine, 'select change, dataset, stage, state, "end", first_at, at from publish.changes'
        )
        known = {row["change"]: row for row in changes}
        now = datetime.now(UTC)
        unseen = [change for change in announced if change not in known]
        # One that came in a moment ago, or behind an outage of ours, is not lost: it is next.
        lost = [change for change in unseen if now - announced[change] > UNDER_WAY]
        wrong = [{"what": "change_lost", "change": change} for change in lost]
        for row in changes:
            limit = LIMITS.get(row["state"], UNDER_WAY)
            if row["end"] is None and now - row["at"] > limit:
                wrong.append(
                    {"what": "change_late", "change": row["change"], "state": row["state"]}
                )
        wrong += await _twice(engine)
        wrong += await _untold(engine)
        files, missing = await _files(engine, store, deep=deep)
        objects, lacking = await _objects(engine, store, keep_days(settings), deep=deep)
        wrong += missing + lacking
        return {
            "ok": not wrong,
            "announced": len(announced),
            "ends": dict(Counter(row["end"] for row in changes if row["end"])),
            "open": dict(
                Counter(row["state"] for row in changes if not row["end"])
                + Counter(announced=len(unseen) - len(lost))
            ),
            "files": files,
            "objects": objects,
            "wrong": wrong,
        }
    finally:
        await engine.dispose()


async def _announced(settings: Settings) -> dict[str, datetime]:
    """Every change on the topic and when it came in: identities alone are read, never the addresses."""
    topic = settings.topic(DatasetChanged.TOPIC)
    found: dict[str, datetime] = {}
    async with reader(settings, topic) as consumer:
        async for record in to_end(consumer):
            came = identity(record)
            # A re-run carries a change that was announced before.
            if came and not came.source.startswith("urn:ecluse:publish"):
                found.setdefault(change_id(came.source, came.id), came.at)
    return found


async def _twice(engine: AsyncEngine) -> list[dict[str, Any]]:
    """Ends that the ledger holds more than once."""
    rows = await _rows(
        engine,
        "select change, count(*) as times from publish.ledger where body->>'state' = 'ended'"
        " group by change having count(*) > 1",
    )
    return [{"what": "ended_twice", "change": row["change"], "times": row["times"]} for row in rows]


async def _untold(engine: AsyncEngine) -> list[dict[str, Any]]:
    """Publications that were not delivered, and news items that stand twice or not on the portal."""
    undelivered = await _rows(
        engine,
        "select p.publication, p.dataset from publish.publications p where p.state = 'published'"
        " and p.published_at < now() - interval '2 hours' and p.publication not in ("
        "select publication from publish.deliveries where portal = 'own' and act = 'publish'"
        " and state = 'done')",
    )
    repeated = await _rows(
        engine,
        "select publication, dataset from notify.news group by publication, dataset, kind"
        " having count(*) > 1",
    )
    unseen = await _rows(
        engine,
        "select n.publication, n.dataset from notify.news n"
        " where n.at < now() - interval '2 hours'"
        " and not exists (select 1 from publish.news s where s.news = n.news)",
    )
    found = (("not_delivered", undelivered), ("news_twice", repeated), ("news_missing", unseen))
    return [{"what": what, **row} for what, rows in found for row in rows]


async def _files(
    engine: AsyncEngine, store: Store, *, deep: bool
) -> tuple[int, list[dict[str, Any]]]:
    """The files that the portal serves, and those of them that are gone or damaged."""
    rows = await _rows(
        engine,
        "select f.dataset, f.release, f.name, f.key, f.bytes, f.sha256 from publish.files f"
        " where not exists (select 1 from publish.withdrawn w where w.release = f.release)",
    )
    wrong = []
    for row in rows:
        told = {"dataset": row["dataset"], "release": row["release"], "file": row["name"]}
        ref = ObjectRef(bucket="public", key=row["key"], bytes=row["bytes"], sha256=row["sha256"])
        if fault := await _fault(store, ref, deep=deep):
            wrong.append({"what": f"file_{fault}", **told})
    return len(rows), wrong


async def _objects(
    engine: AsyncEngine, store: Store, kept: Mapping[BucketName, int], *, deep: bool
) -> tuple[int, list[dict[str, Any]]]:
    """What the manifests of the stages name, and what of it is gone or damaged.

    `kept`: days that a bucket keeps its objects; what a retention may have ended is not looked for.
    """
    gone = {row["release"] for row in await _rows(engine, "select release from publish.withdrawn")}
    now = datetime.now(UTC)
    count, wrong = 0, []
    async for found in store.list("reports"):
        dataset, _, rest = found.key.partition("/")
        kind, _, name = rest.partition("/")
        if kind != "manifests" or name.partition(".")[0] in gone:
            continue
        refs = _named(await store.get("reports", found.key))
        if refs is None:
            where = {"dataset": dataset, "bucket": "reports", "key": found.key}
            wrong.append({"what": "object_damaged", **where})
        age = (now - found.modified).days + 1  # a day early: retentions end at midnight
        for ref in refs or ():
            if ref.bucket in kept and age > kept[ref.bucket]:
                continue
            count += 1
            if fault := await _fault(store, ref, deep=deep):
                where = {"dataset": dataset, "bucket": ref.bucket, "key": ref.key}
                wrong.append({"what": f"object_{fault}", **where})
    return count, wrong


def _named(manifest: bytes | None) -> list[ObjectRef] | None:
    """Every object that a manifest names, however deep it stands in it; None if it is not legible."""
    try:
        told: list[Any] = [json.loads(manifest or b"")]
        refs = []
        while told:
            one = told.pop()
            if isinstance(one, dict) and one.keys() >= {"bucket", "key", "bytes", "sha256"}:
                refs.append(ObjectRef.model_validate(one))
            elif isinstance(one, dict):
                told += one.values()
            elif isinstance(one, list):
                told += one
    except ValueError:  # pydantic's and json's both are
        return None
    return refs


async def _fault(store: Store, ref: ObjectRef, *, deep: bool) -> str | None:
    """`missing`, `damaged`, or None for an object that is as it was announced."""
    if await store.size(ref.bucket, ref.key) != ref.bytes:
        return "missing"
    if not deep:
        return None
    try:
        async for _ in store.checked(ref):
            await asyncio.sleep(0)
    except Quarantined:
        return "damaged"
    return None


async def _rows(engine: AsyncEngine, statement: str) -> list[dict[str, Any]]:
    try:
        async with engine.connect() as connection:
            return [dict(row._mapping) for row in await connection.execute(text(statement))]
    except (OperationalError, InterfaceError):
        raise OursAway(Reason(code="database_away")) from None

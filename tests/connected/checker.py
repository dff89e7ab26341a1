"""A checker that trusts nobody: what must be public, computed from journal, source files and cards.

`python checker.py BRIEF` prints each discrepancy and exits 1 if there is one. It imports nothing of
the project: it reads the topics, the database, the files a citizen gets, and the driver's journal.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pyarrow.parquet as pq
from aiokafka import AIOKafkaConsumer

Rows = list[dict[str, object]]


class Found:
    """Everything that the servers hold, read once."""

    def __init__(self, brief: dict[str, str]) -> None:
        self.brief = brief
        lines = Path(brief["journal"]).read_text(encoding="utf-8").splitlines()
        told = [json.loads(line) for line in lines]
        self.cards = {one["card"]: one for one in told if "card" in one}
        self.sent = {one["event"]: one for one in told if "event" in one}
        self.refused = {one["decision"] for one in told if one.get("verdict") == "refused"}
        # Datasets whose last entry is a withdrawal: nothing of them may be public.
        last = {one["dataset"]: one for one in told if "dataset" in one}
        self.withdrawn = {name for name, one in last.items() if "withdrawn" in one}
        # Of each journaled event: where it first stood on its topic.
        self.first: dict[str, tuple[int, int]] = {}
        self.published: list[dict[str, Any]] = []
        self.ended: dict[str, set[str]] = defaultdict(set)

    async def read_topics(self) -> None:
        for record in await self._all("dataset.changed"):
            named = {name: content.decode() for name, content in record.headers}
            event = named.get("ce_id", "")
            if event in self.sent and named.get("ce_source") == self.sent[event]["source"]:
                self.first.setdefault(event, (record.partition, record.offset))
        seen = set()
        for record in await self._all("dataset.published"):
            named = {name: content.decode() for name, content in record.headers}
            if named["ce_id"] not in seen:
                seen.add(named["ce_id"])
                self.published.append(json.loads(record.value))
        for record in await self._all("ledger"):
            row = json.loads(record.value)
            named = {name: content.decode() for name, content in record.headers}
            if row["state"] == "ended" or row.get("end"):
                self.ended[row.get("change", "")].add(named["ce_id"])

    async def _all(self, topic: str) -> list[Any]:
        consumer = AIOKafkaConsumer(
            self.brief["prefix"] + topic,
            bootstrap_servers=self.brief["kafka"],
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            found: list[Any] = []
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
            return sorted(found, key=lambda one: (one.partition, one.offset))
        finally:
            await consumer.stop()

    def select(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.brief["database"]) as connection:
            return list(connection.execute(statement))


def check(found: Found) -> list[str]:
    """Every discrepancy, in words."""
    return [
        *_nothing_lost(found),
        *_one_end(found),
        *_what_is_public(found),
        *_never_backwards(found),
        *_decided(found),
        *_told_once(found),
    ]


def _nothing_lost(found: Found) -> list[str]:
    return [f"{event}: never reached the topic" for event in found.sent if event not in found.first]


def _changes(found: Found) -> dict[tuple[str, int], tuple[str, str | None]]:
    rows = found.select('select dataset, number, change, "end" from publish.changes')
    return {(dataset, number): (change, end) for dataset, number, change, end in rows}


def _one_end(found: Found) -> list[str]:
    changes = _changes(found)
    wrong = []
    for event, (_, offset) in found.first.items():
        sent = found.sent[event]
        change, end = changes.get((sent["dataset"], offset), ("", None))
        ends = found.ended.get(change, set())
        if not change:
            wrong.append(f"{event}: no change is known at its place")
        elif not sent["good"]:
            if end == "published":
                wrong.append(f"{event}: what must be stopped has ended as published")
        elif end is None:
            wrong.append(f"{event}: has no end")
        elif len(ends) != 1:
            wrong.append(f"{event}: ended {len(ends)} times")
    return wrong


def _wanted(found: Found, dataset: str) -> Rows | None:
    """The rows that a citizen must see: those of the latest good change that was not refused."""
    places = [
        (found.first[event][1], sent)
        for event, sent in found.sent.items()
        if sent["dataset"] == dataset and sent["good"] and event in found.first
    ]
    if not places or dataset in found.withdrawn:
        return None
    _, latest = max(places, key=lambda one: one[0])
    card = found.cards[dataset]
    text = (Path(found.brief["sources"]) / latest["file"]).read_text(encoding="utf-8")
    return [
        {
            name: int(row[name]) if name in card["integers"] else row[name]
            for name in card["columns"]
        }
        for row in csv.DictReader(io.StringIO(text), delimiter=";")
    ]


def _what_is_public(found: Found) -> list[str]:
    wrong = []
    for dataset, card in found.cards.items():
        wanted = _wanted(found, dataset)
        address = f"{found.brief['public_url']}/datasets/{dataset}/{dataset}"
        for ending in ("csv", "json", "parquet"):
            answer = httpx.get(f"{address}.{ending}", trust_env=False, timeout=30)
            if wanted is None:
                if answer.status_code == 200:
                    wrong.append(f"{dataset}.{ending}: is public, and nothing should be")
                continue
            if answer.status_code != 200:
                wrong.append(f"{dataset}.{ending}: answers {answer.status_code}")
            elif _in_order(_rows(ending, answer.content, card["integers"])) != _in_order(wanted):
                wrong.append(f"{dataset}.{ending}: does not hold the latest content")
    return wrong


def _in_order(rows: Rows) -> list[str]:
    """Rows in an order of their own: Parquet is sorted by the card's key."""
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def _rows(ending: str, content: bytes, integers: list[str]) -> Rows:
    if ending == "json":
        found: Rows = json.loads(content)
        return found
    if ending == "parquet":
        table: Rows = pq.read_table(io.BytesIO(content)).to_pylist()
        return table
    return [
        {name: int(cell) if name in integers else cell for name, cell in row.items()}
        for row in csv.DictReader(io.StringIO(content.decode()))
    ]


def _out(found: Found) -> list[dict[str, Any]]:
    """The announcements that something is public; the others say that it no longer is."""
    return [event for event in found.published if event["state"] == "published"]


def _never_backwards(found: Found) -> list[str]:
    numbers = {change: number for (_, number), (change, _) in _changes(found).items()}
    latest: dict[str, int] = {}
    wrong = []
    for event in _out(found):
        number = numbers.get(event["change"], -1)
        # The same change again is another release of it, under a changed card.
        if number < latest.get(event["dataset"], -1):
            wrong.append(f"{event['dataset']}: change {number} was published after a newer one")
        latest[event["dataset"]] = number
    return wrong


def _decided(found: Found) -> list[str]:
    decisions: dict[str, list[bool]] = defaultdict(list)
    for publication, automatic in found.select(
        "select publication, automatic from publish.decisions where verdict = 'approved'"
    ):
        decisions[publication].append(automatic)
    wrong = []
    for event in _out(found):
        how = decisions.get(event["publication"], [])
        by_person = found.cards[event["dataset"]]["approval"] == "person"
        if len(how) != 1:
            wrong.append(f"{event['dataset']}: public by {len(how)} decisions")
        elif by_person and how[0]:
            wrong.append(f"{event['dataset']}: no person decided")
        if event["release"] in found.refused:
            wrong.append(f"{event['dataset']}: a refused release was published")
    return wrong


def _told_once(found: Found) -> list[str]:
    said = [one for (one,) in found.select("select publication from notify.news")]
    shown = {one for (one,) in found.select("select news from publish.news")}
    posted = {one for (one,) in found.select("select news from notify.news")}
    announced = [event["publication"] for event in found.published]
    out = [event["publication"] for event in _out(found)]
    left = found.select("select count(*) from publish.deliveries where state <> 'done'")
    delivered = [
        one
        for (one,) in found.select(
            "select publication from publish.deliveries where act = 'publish' and state = 'done'"
        )
    ]
    wrong = []
    if sorted(said) != sorted(announced):
        wrong.append(f"{len(announced)} publications, {len(said)} news items")
    if shown != posted:
        wrong.append(f"{len(posted)} news items posted, {len(shown)} shown")
    if len(out) != len(set(out)):
        wrong.append("a publication was announced twice")
    if not set(out) <= set(delivered):
        wrong.append("a publication was announced that was not delivered")
    cancelled = left[0][0]
    known = found.select("select count(*) from publish.publications where state = 'approved'")
    if known[0][0]:
        wrong.append(f"{known[0][0]} approved publications are not out ({cancelled} not delivered)")
    return wrong


async def main() -> int:
    """Reads the brief, checks, prints."""
    found = Found(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    await found.read_topics()
    wrong = await asyncio.to_thread(check, found)
    for line in wrong:
        print(line)
    print(f"{len(found.sent)} changes, {len(found.published)} publications, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))

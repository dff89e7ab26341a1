"""The three working stages over an in-memory broker: events in, events out, and every failure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from faststream.kafka import KafkaBroker, TestKafkaBroker
from faststream.kafka.annotations import KafkaMessage as Received

import services.anonymize.app
import services.convert.app
import services.ingest.app
import services.ingest.handlers
from services.anonymize.exposure import Exposure
from services.anonymize.handlers import Room as AnonymizeRoom
from services.convert.handlers import Room as ConvertRoom
from services.ingest.handlers import Room as IngestRoom
from shared.card import Card
from shared.event_parts import CardRef
from shared.events import (
    CatalogDataset,
    CatalogPublished,
    DatasetChanged,
    DatasetConfirmed,
    DatasetConverted,
    DatasetIngested,
    DeadLetter,
    Event,
    LedgerRow,
)
from shared.failures import OursAway
from shared.messages import Reason
from shared.policy_signature import Trusted, key_digest, new_key, sign_policy
from shared.settings import Settings
from shared.storage import Store, open_store
from shared.topics import wanted
from tests.cards import card

A = "id;places\nB1;3\nB2;4\n"
SECRET = "canari-7431"


class Inline:
    """Does the workers' work in this process."""

    broken: str | None = None

    async def run(self, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        if self.broken:
            raise ValueError(self.broken)
        return work(*args, **named)


class Rows(dict[str, Any]):
    """A table in memory."""

    async def until(self, ready: Callable[[], bool], seconds: float) -> bool:
        return ready()


async def _left_alone(message: Any) -> Any:
    """Whatever it says: it may be no text."""
    return message.body


class Passage:
    """ingest, anonymize and convert, with everything they say in `told`."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings.model_validate(
            {
                "store": str(folder / "store"),
                "spool": folder,
                "city_secret": "a secret of this test",
                "retry_seconds": 0.001,
                "allowed_folders": [folder / "sources"],
            }
        )
        self.told: list[tuple[str, bytes, dict[str, Any]]] = []
        self.store: Store = open_store(self.settings, "operator")
        self.pool = cast(Any, Inline())
        self.cards: Any = Rows()
        self.published: Any = Rows()
        self._key = new_key()
        self.trusted: Trusted = {key_digest(self._key.public_key()): self._key.public_key()}
        anonymize = AnonymizeRoom(self.settings, self.store, self.pool, self.trusted)
        self.anonymize = anonymize
        ingest = IngestRoom(self.settings, self.store, self.pool, self.cards, self.published)
        self.flows = [
            services.ingest.app.make_flow(ingest),
            services.anonymize.app.make_flow(anonymize),
            services.convert.app.make_flow(
                ConvertRoom(self.settings, self.store, self.pool, self.published)
            ),
        ]
        self.listener = self._listener()

    def _listener(self) -> KafkaBroker:
        """Hears every topic, as other systems would."""
        broker = KafkaBroker()
        for topic in wanted(self.settings):

            @broker.subscriber(topic, group_id=f"listener.{topic}", decoder=_left_alone)
            async def heard(_body: Any, message: Received) -> None:
                raw: Any = message.raw_message
                self.told.append((raw.topic, raw.value, dict(message.headers)))

        return broker

    def declare(self, chosen: Card, *, signed: bool = True, revision: int = 1) -> None:
        """Puts a card in force."""
        if signed:
            signature = sign_policy(chosen, self._key, "responsable", datetime.now(UTC).date())
            chosen = chosen.model_copy(update={"signature": signature})
        ref = CardRef(digest=chosen.digest(), shaping=chosen.shaping_digest(), revision=revision)
        self.cards[chosen.dataset] = CatalogDataset(
            dataset=chosen.dataset, domain=chosen.domain, card=ref, body=chosen.body()
        )

    async def send(self, content: str, event_id: str = "e1", dataset: str = "bancs") -> None:
        """Sends a change whose file lies in the drop bucket."""
        key = f".sent/espaces-verts/{dataset}/{event_id}.csv"
        await self.store.put_bytes("drop", key, content.encode())
        await self.announce(event_id, dataset=dataset, address=f"drop:///{key}")

    async def announce(self, event_id: str, dataset: str = "bancs", **told: Any) -> None:
        """Sends a change as a domain system, or publish, does."""
        change = DatasetChanged.model_validate({"dataset": dataset, **told})
        await self.put(
            DatasetChanged.TOPIC,
            change.model_dump_json(exclude_none=True).encode(),
            {
                "ce_specversion": "1.0",
                "ce_type": DatasetChanged.TYPE,
                "ce_source": "urn:example:sig",
                "ce_id": event_id,
                "content-type": "application/json",
            },
        )

    def make_public(self, ingested: dict[str, Any]) -> None:
        """This release is the one now public."""
        self.published["bancs"] = CatalogPublished.model_validate(
            {
                "dataset": "bancs",
                "change": ingested["change"],
                "release": ingested["release"],
                "publication": "p" + "0" * 31,
                "sequence": ingested["sequence"],
                "published_at": "2026-03-01T00:00:00Z",
                "rows": ingested["rows"],
                "columns": "0" * 64,
            }
        )

    async def put(self, topic: str, value: bytes, named: dict[str, str]) -> None:
        await self.flows[0].broker.publish(value, topic, key=b"bancs", headers=named)

    def events(self, model: type[Event]) -> list[dict[str, Any]]:
        """What was said of this kind."""
        return [
            json.loads(value)
            for topic, value, _ in self.told
            if topic == model.TOPIC or (model is DeadLetter and topic.endswith(DeadLetter.TOPIC))
        ]

    def ledger(self) -> list[tuple[str, str]]:
        return [(row["stage"], row["state"]) for row in self.events(LedgerRow)]


@pytest.fixture
async def passage(tmp_path: Path) -> AsyncIterator[Passage]:
    made = Passage(tmp_path)
    async with AsyncExitStack() as stack:
        brokers = [flow.broker for flow in made.flows]
        await stack.enter_async_context(TestKafkaBroker(*brokers, made.listener))
        yield made


async def test_a_change_passes_three_stages(passage: Passage) -> None:
    """One event of each stage, with the same change and release; files lie in `staged`."""
    passage.declare(card())
    await passage.send(A)
    [converted] = passage.events(DatasetConverted)
    [ingested] = passage.events(DatasetIngested)
    assert converted["release"] == ingested["release"]
    assert converted["change"] == ingested["change"]
    assert [file["format"] for file in converted["files"]] == ["csv", "json", "parquet"]
    csv = await passage.store.get("staged", f"bancs/{converted['release']}/bancs.csv")
    assert csv == b"id,places\r\nB1,3\r\nB2,4\r\n"
    stages = ("ingest", "anonymize", "convert")
    assert set(passage.ledger()) == {(s, t) for s in stages for t in ("started", "done")}


async def test_the_same_event_twice_says_the_same(passage: Passage) -> None:
    """A repeat gives events with the same identity and the same content: nothing is made again."""
    passage.declare(card())
    await passage.send(A)
    await passage.store.put_bytes("drop", ".sent/espaces-verts/bancs/e1.csv", b"other bytes")
    change = next(one for one in passage.told if one[0] == DatasetChanged.TOPIC)
    await passage.put(DatasetChanged.TOPIC, change[1], {n: str(v) for n, v in change[2].items()})
    first, second = passage.events(DatasetConverted)
    # Each tells when its own message came in; nothing else differs.
    assert first | {"occurred_at": None} == second | {"occurred_at": None}
    ids = {n["ce_id"] for t, _, n in passage.told if t == DatasetConverted.TOPIC}
    assert len(ids) == 1


async def test_what_is_public_is_confirmed(passage: Passage) -> None:
    """The same bytes under the same card as the public release: confirmed, and no further."""
    passage.declare(card())
    await passage.send(A)
    [ingested] = passage.events(DatasetIngested)
    passage.make_public(ingested)
    await passage.send(A, "e2")
    assert len(passage.events(DatasetIngested)) == 1
    [confirmed] = passage.events(DatasetConfirmed)
    assert confirmed["release"] == ingested["release"]


async def test_the_difference_with_the_public_release_is_reported(passage: Passage) -> None:
    """Rows added and changed, in the bucket `reports` alone: no file of the release tells of it."""
    passage.declare(card())
    await passage.send(A)
    passage.make_public(passage.events(DatasetIngested)[0])
    await passage.send("id;places\nB1;7\nB2;4\nB3;1\n", "e2")
    first, second = passage.events(DatasetConverted)
    told = [
        json.loads(await passage.store.get("reports", one["report"]["key"]) or b"")
        for one in (first, second)
    ]
    assert told[0]["difference"] is None
    assert told[1]["difference"] == {
        "added": 1,
        "removed": 0,
        "changed": 1,
        "columns": {"places": 1},
        "columns_added": [],
        "columns_removed": [],
    }
    assert [file["name"] for file in second["extras"]] == ["README.md", "schema.json"]
    for file in (*second["files"], *second["extras"], second["datapackage"], second["preview"]):
        assert b"difference" not in (await passage.store.get("staged", file["key"]) or b"")


async def test_an_earlier_table_that_is_gone_stops_nothing(passage: Passage) -> None:
    """The retention of safe tables has its end; the release goes on without a comparison."""
    passage.declare(card())
    await passage.send(A)
    [ingested] = passage.events(DatasetIngested)
    passage.make_public(ingested)
    await passage.store.delete("safe", f"bancs/tables/{ingested['release']}.parquet")
    await passage.send("id;places\nB1;7\n", "e2")
    report = passage.events(DatasetConverted)[1]["report"]["key"]
    told = json.loads(await passage.store.get("reports", report) or b"")
    assert (told["rows"], told["difference"]) == (1, None)


def free(**quality: Any) -> Card:
    """The benches' card without a schema."""
    return card(schema=None, quality=quality)


async def test_columns_that_changed_since_the_public_release(passage: Passage) -> None:
    """The event says how, by declared names; an undeclared one is counted and never named."""
    passage.declare(free())
    await passage.send(A)
    [first] = passage.events(DatasetIngested)
    assert "drift" not in first
    passage.make_public(first)
    await passage.send(f"id;places;{SECRET}\nB1;3.5;x\n", "e2")
    [_, second] = passage.events(DatasetIngested)
    assert second["drift"]["retyped"] == {"places": ["integer", "number"]}
    assert second["drift"]["undeclared"] == 1
    assert SECRET not in json.dumps(second)
    await passage.send("id;places\nB9;5\n", "e3")
    assert "drift" not in passage.events(DatasetIngested)[2]


@pytest.mark.parametrize(
    ("rows", "stopped"), [(1, False), (0, True), (3, False), (4, True)], ids=str
)
async def test_far_fewer_or_more_rows(passage: Passage, rows: int, stopped: bool) -> None:
    """Beyond the card's bounds the release is stopped, its counts told; at them it passes."""
    passage.declare(free(row_stop=["-50%", "+50%"]))
    await passage.send(A)
    [first] = passage.events(DatasetIngested)
    passage.make_public(first | ({"rows": 2} if rows else {"rows": 4}))
    await passage.send("id;places\n" + "".join(f"C{n};1\n" for n in range(rows or 1)), "e2")
    reasons = [r["reasons"][0] for r in passage.events(LedgerRow) if r["state"] == "quarantined"]
    if stopped:
        [reason] = reasons
        assert (reason["code"], reason["count"]) == ("row_count", rows or 1)
        assert reason["expected"] == "-50 % … +50 %"
    else:
        assert reasons == []


@pytest.mark.parametrize(
    ("content", "code", "seen"),
    [
        (f"id;places\nB1;3\n{SECRET};{SECRET}\n", "type_mismatch", 2),
        (f"{SECRET}", "column_missing", None),
        ("id;places\nB1;3\n", "row_count", 1),
    ],
)
async def test_a_quarantined_change_has_its_report(
    passage: Passage, content: str, code: str, seen: int | None
) -> None:
    """By the change's id, in `reports`: all reasons, and what was seen of the table; no value."""
    passage.declare(card(quality={"row_stop": ["-20%", "+50%"]}))
    await passage.send(A)
    passage.make_public(passage.events(DatasetIngested)[0])
    await passage.send(content, "e2")
    change = passage.events(LedgerRow)[-1]["change"]
    written = await passage.store.get("reports", f"bancs/refusals/{change}.json") or b""
    told = json.loads(written)
    assert told["reasons"][0]["code"] == code
    assert told.get("rows") == seen
    assert len(told.get("columns", [])) == (2 if seen else 0)
    assert SECRET.encode() not in written
    assert passage.ledger()[-1] == ("ingest", "quarantined")


@pytest.mark.parametrize("damage", ["table", "source", "manifest", "record"])
@pytest.mark.parametrize("fetch", ["kept", "again"])
async def test_a_rerun_mends_what_is_damaged(
    passage: Passage, tmp_path: Path, damage: str, fetch: str
) -> None:
    """A flipped bit in `raw`, an unreadable manifest: made again, where the source is still there."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "a.csv").write_text(A, encoding="utf-8")
    passage.declare(card())
    await passage.announce("e1", address=(folder / "a.csv").as_uri())
    [ingested] = passage.events(DatasetIngested)
    release, change = ingested["release"], ingested["change"]
    table = await passage.store.get("raw", ingested["table"]["key"])
    places = {
        "table": ("raw", ingested["table"]["key"]),
        "source": ("raw", f"bancs/sources/{hashlib.sha256(A.encode()).hexdigest()}"),
        "manifest": ("reports", f"bancs/manifests/{release}.ingest.json"),
        "record": ("raw", f"bancs/changes/{change}.fetched.json"),
    }
    bucket, key = cast(Any, places[damage])
    right = await passage.store.get(bucket, key) or b""
    await passage.store.put_bytes(bucket, key, right[:-1] + bytes([right[-1] ^ 1]))
    rerun = {
        "change": change, "sequence": ingested["sequence"], "source_of": change,
        "card_revision": 1, "fetch": fetch, "asked_by": "replay:1",
    }  # fmt: skip
    await passage.announce("e2", rerun=rerun)
    assert await passage.store.get(bucket, key) == right
    again = passage.events(DatasetIngested)[1]
    assert again["table"] == ingested["table"]
    assert await passage.store.get("raw", again["table"]["key"]) == table


async def test_undeclared_and_paused_are_parked(passage: Passage) -> None:
    """Nothing of it goes on; the ledger says why."""
    await passage.send(A)
    passage.declare(card())
    passage.cards["bancs"] = passage.cards["bancs"].model_copy(update={"paused": True})
    await passage.send(A, "e2")
    told = [
        (r["state"], r["reasons"][0]["code"]) for r in passage.events(LedgerRow) if r.get("reasons")
    ]
    assert told == [("parked", "undeclared"), ("parked", "paused")]
    assert not passage.events(DatasetIngested)


@pytest.mark.parametrize(
    ("content", "signed", "stage", "code"),
    [
        ("id;places\nB1;x\n", True, "ingest", "type_mismatch"),
        (A, False, "anonymize", "policy_unsigned"),
        (f"id;places;{SECRET}\nB1;3;x\n", True, "anonymize", "column_undeclared"),
        ("id;places\njean.dupont@ville.example;3\n", True, "anonymize", "finding_email"),
    ],
)
async def test_data_that_may_not_pass(
    passage: Passage, content: str, signed: bool, stage: str, code: str
) -> None:
    """Quarantined at the stage that sees it, with a reason; nothing behind it runs."""
    passage.declare(card(), signed=signed)
    await passage.send(content)
    stopped = [row for row in passage.events(LedgerRow) if row["state"] == "quarantined"]
    assert [(row["stage"], row["reasons"][0]["code"]) for row in stopped] == [(stage, code)]
    assert not passage.events(DatasetConverted)
    assert not passage.events(DeadLetter)
    assert SECRET not in json.dumps(passage.events(LedgerRow))
    assert "dupont" not in json.dumps(passage.events(LedgerRow))


class Shown:
    """A register in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, Exposure] = {}

    @asynccontextmanager
    async def turn(self, dataset: str, release: str, *_: object) -> AsyncIterator[Any]:
        self.release = release
        self.linked = ()
        self.earlier = tuple(one for key, one in self.rows.items() if key != release)
        yield self

    async def record(self, exposure: Exposure) -> None:
        self.rows[self.release] = exposure


PEOPLE: dict[str, Any] = {
    "subject": "people",
    "schema": {"fields": [{"name": "id"}, {"name": "places", "type": "integer"}]},
    "privacy": {
        "columns": {"id": "keep", "places": "keep"},
        "quasi_identifiers": ["id", "places"],
        "hierarchies": {"id": {"prefixes": [1]}, "places": {"ranges": [10]}},
        "decided": {"by": "responsable", "date": "2026-03-01"},
    },
}


async def test_people_pass_protected_and_beside_earlier_releases(passage: Passage) -> None:
    """Rows about people leave in classes, and one person more changes no class by one."""
    shown = Shown()
    # The room is frozen for those who work in it.
    object.__setattr__(passage.anonymize, "register", shown)
    passage.declare(card(**PEOPLE))
    rows = "id;places\n" + "B1;3\n" * 6 + "B2;4\n" * 6
    await passage.send(rows)
    await passage.send(rows + "B2;4\n", "e2")
    first, second = passage.events(DatasetConverted)
    assert (first["rows"], second["rows"]) == (12, 12)
    assert len(shown.rows) == 2


async def test_people_need_the_register(passage: Passage) -> None:
    """Without the register of what earlier releases showed, nothing about people leaves."""
    passage.declare(card(**PEOPLE))
    await passage.send("id;places\n" + "B1;3\n" * 6)
    [stopped] = [row for row in passage.events(LedgerRow) if row["state"] == "quarantined"]
    assert stopped["reasons"][0]["code"] == "register_missing"


async def test_a_message_that_cannot_be_read(passage: Passage) -> None:
    """Dead letter and ledger row without a word of it."""
    await passage.put("dataset.ingested", SECRET.encode(), {"ce_id": "e9", "ce_source": "urn:x"})
    [letter] = passage.events(DeadLetter)
    assert letter["reasons"][0]["code"] == "message_undecodable"
    assert [(r["stage"], r["state"], r["end"]) for r in passage.events(LedgerRow)] == [
        ("anonymize", "failed", "dead")
    ]
    said = [value for topic, value, _ in passage.told if topic != "dataset.ingested"]
    assert not [value for value in said if SECRET.encode() in value]


async def test_a_defect_is_tried_three_times(passage: Passage) -> None:
    """A program that is broken: the message is raised twice, then put aside without the text."""
    passage.declare(card())
    passage.pool.broken = SECRET
    for _ in range(2):
        with pytest.raises(ValueError, match=SECRET):
            await passage.send(A)
    await passage.send(A)
    [letter] = passage.events(DeadLetter)
    assert letter["reasons"][0]["code"] == "internal_error"
    assert SECRET not in json.dumps([letter, *passage.events(LedgerRow)])


async def test_what_is_ours_is_waited_for(
    passage: Passage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is away: the message is raised again and again, never put aside."""
    passage.declare(card())

    async def away(*_: Any) -> None:
        raise OursAway(Reason(code="store_away"))

    with monkeypatch.context() as broken:
        broken.setattr(Store, "create", away)
        for _ in range(5):
            with pytest.raises(OursAway):
                await passage.send(A)
    assert not passage.events(DeadLetter)
    await passage.send(A)
    assert len(passage.events(DatasetConverted)) == 1


async def test_every_topic_has_a_group_of_its_own(passage: Passage) -> None:
    """One that joins a group does not make the other topics stand still."""
    for flow in passage.flows:
        groups = {subscriber.group_id for subscriber in flow.broker.subscribers}  # type: ignore[attr-defined]
        assert groups >= {flow.group(model) for model in flow.models.values()}
